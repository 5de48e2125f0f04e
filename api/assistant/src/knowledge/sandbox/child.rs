//! The child's side: fewer rights first, then the document.

#[cfg(unix)]
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use super::{Header, Task, ocr, pieces};
use crate::knowledge::parse::{self, ParseFailure, ParsedDocument};

/// Exit code of a child that was refused memory without an abort.
pub(super) const NO_MEMORY: u8 = 12;
const DONE: u8 = 0;
const BROKEN: u8 = 1;

/// The parsing thread's stack: trees are walked by calls, as deep as [`parse::ParseLimits::depth`].
const STACK: usize = 64 << 20;
/// A header is far shorter.
const LONGEST_HEADER: u64 = 64 << 10;
/// Limits from the first moment, before the header says the real ones.
const FIRST_MEMORY: u64 = 4 << 30;
const FIRST_CPU_SECONDS: u64 = 600;

/// What the hidden subcommand does: limits its own resources, reads a header and a document from its standard input,
/// parses, prints the result as one line of JSON and waits for the next, or does once whatever else the header asks for.
///
/// Call it first thing in `main`, before a runtime is built: a thread that exists keeps what it has.
pub fn run_child() -> ExitCode {
    ExitCode::from(run())
}

/// [`run_child`], with the exit code as a number.
pub(super) fn run() -> u8 {
    give_up_what_is_not_needed();
    // The one thread there will be stands before threads are forbidden.
    let (begin, waiting) = mpsc::sync_channel(1);
    let parser = thread::Builder::new().name("parse".to_owned()).stack_size(STACK);
    let Ok(parser) = parser.spawn(move || waiting.recv().ok().map(|()| serve())) else {
        return NO_MEMORY;
    };
    limit(Limited::Processes, 0);
    if begin.send(()).is_err() {
        return BROKEN;
    }
    match parser.join() {
        Ok(Some(exit)) => exit,
        Ok(None) | Err(_) => BROKEN,
    }
}

/// Reads one document after the other until there is no more, or does what is done once.
fn serve() -> u8 {
    loop {
        let (header, bytes) = match read() {
            Ok(Some(asked)) => asked,
            Ok(None) => return DONE,
            Err(error) if error.kind() == ErrorKind::OutOfMemory => return NO_MEMORY,
            Err(_) => return BROKEN,
        };
        let (exit, is_last) = work(&header, &bytes);
        if is_last || exit != DONE {
            return exit;
        }
    }
}

/// Does what is asked; answers with the exit code, and whether nothing else is to be read.
fn work(header: &Header, bytes: &[u8]) -> (u8, bool) {
    let limits = &header.limits;
    let written = match header.task {
        Task::Parse => {
            let parsed = parse::parse(&header.media_type, &header.file_name, bytes, limits);
            return (answer(header, &parsed), false);
        }
        Task::Unpack => pieces::write(io::stdout().lock(), |each| parse::members(bytes, limits, each)),
        Task::Draw => pieces::write(io::stdout().lock(), |each| parse::pictures(bytes, limits, each)),
        // It has become the program that recognises, or could not.
        Task::Recognize(_) => return (BROKEN, true),
    };
    (if written.is_ok() { DONE } else { BROKEN }, true)
}

/// The next header and its document; `None` where there is none.
fn read() -> io::Result<Option<(Header, Vec<u8>)>> {
    // Unbuffered, so that whatever this process becomes finds the rest where it is.
    let mut stdin = standard_input()?;
    let mut length = [0; 4];
    if stdin.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    stdin.read_exact(&mut length[1..])?;
    let mut header = vec![];
    (&mut stdin).take(u64::from(u32::from_be_bytes(length)).min(LONGEST_HEADER)).read_to_end(&mut header)?;
    let header: Header = serde_json::from_slice(&header)?;
    limit(Limited::Memory, header.memory_bytes);
    limit(Limited::Cpu, header.cpu_seconds);
    if let Task::Recognize(recognizer) = &header.task {
        return Err(ocr::become_it(recognizer));
    }
    let mut bytes = vec![];
    stdin.take(header.length).read_to_end(&mut bytes)?;
    // A parent that is gone asked for nothing.
    Ok((bytes.len() as u64 == header.length).then_some((header, bytes)))
}

#[cfg(unix)]
fn standard_input() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}

#[cfg(not(unix))]
fn standard_input() -> io::Result<io::Stdin> {
    Ok(io::stdin())
}

fn answer(header: &Header, result: &Result<ParsedDocument, ParseFailure>) -> u8 {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    // On lines of its own, whatever was printed before.
    let written = writeln!(stdout, "\n{}", header.ticket)
        .and_then(|()| serde_json::to_writer(&mut stdout, result).map_err(Into::into))
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush());
    if written.is_ok() { DONE } else { BROKEN }
}

enum Limited {
    Memory,
    Cpu,
    FileSize,
    OpenFiles,
    Core,
    Processes,
}

fn give_up_what_is_not_needed() {
    limit(Limited::Core, 0);
    limit(Limited::FileSize, 0);
    limit(Limited::OpenFiles, 16);
    limit(Limited::Memory, FIRST_MEMORY);
    limit(Limited::Cpu, FIRST_CPU_SECONDS);
}

/// Lowers a limit for good. One that is lower already stays.
#[cfg(unix)]
fn limit(limited: Limited, value: u64) {
    use rlimit::Resource;
    let (resource, grace) = match limited {
        Limited::Memory => (Resource::AS, 0),
        // The hard limit kills without a word; the soft one, a second before, says that it was the time.
        Limited::Cpu => (Resource::CPU, 1),
        Limited::FileSize => (Resource::FSIZE, 0),
        Limited::OpenFiles => (Resource::NOFILE, 0),
        Limited::Core => (Resource::CORE, 0),
        Limited::Processes => (Resource::NPROC, 0),
    };
    let Ok((_, hard)) = resource.get() else { return };
    // Lowering one's own limit is always allowed.
    let _lowered = resource.set(value.min(hard), (value + grace).min(hard));
}

#[cfg(not(unix))]
fn limit(_: Limited, _: u64) {}
