//! A simple signed-in query, beside a bare server that answers the same shape: how many a second, and what each takes of the
//! processor.

use std::{process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::Command,
};

use crate::{
    gateway::{Gateway, cpu, now},
    number,
};

const QUERY: &str = "{ viewer { kind actorId workspaceId permissions subjectId assistantId } }";

/// Connections that ask without a pause.
const CONNECTIONS: usize = 16;

/// Programs that ask: each has a rate of its own.
const PROGRAMS: usize = 100;

const ROUNDS: usize = 4;

/// Asks one server, then the other, round after round.
pub async fn run() -> Result<()> {
    let time = Duration::from_secs(number("CONSIGNE_LOAD_QUERY_SECONDS", 5) as u64);
    let gateway = Gateway::start().await?;
    let programs = gateway.programs(PROGRAMS).await?;
    let tokens: Vec<String> = programs.iter().filter_map(|program| program.token().map(str::to_owned)).collect();
    let mut bare =
        Command::new(std::env::current_exe()?).arg("bare").stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(bare.stdout.take().context("its output")?).lines();
    let bare_url = lines.next_line().await?.context("where the bare server is")?;
    let bare_id = bare.id().context("it runs")?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let before = cpu(bare_id)?;
        let bare = asked(&bare_url, &[], time).await?;
        let bare_cpu = (cpu(bare_id)? - before) / bare as f64;
        let before = gateway.cpu()?;
        let answered = asked(&gateway.url, &tokens, time).await?;
        let our_cpu = (gateway.cpu()? - before) / answered as f64;
        // The first warms up.
        if round > 0 {
            theirs.push((bare as f64 / time.as_secs_f64(), bare_cpu * 1e6));
            ours.push((answered as f64 / time.as_secs_f64(), our_cpu * 1e6));
        }
    }
    let mean = |all: &[(f64, f64)]| {
        let sum = all.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
        (sum.0 / all.len() as f64, sum.1 / all.len() as f64)
    };
    let ((ours, our_cpu), (theirs, their_cpu)) = (mean(&ours), mean(&theirs));
    println!(
        "queries: gateway {ours:.0}/s at {our_cpu:.0} µs of a core, bare server {theirs:.0}/s at {their_cpu:.0} µs; {:.2} of its rate",
        ours / theirs
    );
    Ok(())
}

/// How many queries a server answers.
async fn asked(url: &str, tokens: &[String], time: Duration) -> Result<usize> {
    let address: Arc<str> = url.trim_start_matches("http://").into();
    let body = json!({"query": QUERY}).to_string();
    let until = now() + time;
    let requests: Arc<Vec<String>> = Arc::new(if tokens.is_empty() {
        vec![request(&address, None, &body)]
    } else {
        tokens.iter().map(|token| request(&address, Some(token), &body)).collect()
    });
    let asking = (0..CONNECTIONS).map(|number| {
        let (address, requests) = (address.clone(), requests.clone());
        tokio::spawn(async move {
            let mut socket = TcpStream::connect(&*address).await?;
            socket.set_nodelay(true)?;
            let (mut answered, mut buffer) = (0_usize, vec![0; 16 * 1024]);
            while now() < until {
                let next = &requests[(number + answered * CONNECTIONS) % requests.len()];
                socket.write_all(next.as_bytes()).await?;
                read_answer(&mut socket, &mut buffer).await?;
                answered += 1;
            }
            anyhow::Ok(answered)
        })
    });
    let mut all = 0;
    for one in futures::future::join_all(asking).await {
        all += one??;
    }
    Ok(all)
}

fn request(address: &str, token: Option<&String>, body: &str) -> String {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!(
        "POST /graphql HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nAccept: application/json\r\n\
         {authorization}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads one answer of a known length, which has to be a good one.
async fn read_answer(socket: &mut TcpStream, buffer: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    loop {
        let read = socket.read(&mut buffer[filled..]).await?;
        ensure!(read > 0, "the server hung up");
        filled += read;
        let Some(head) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head])?.to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = length.context("an answer has a length")?.parse()?;
        if filled >= head + 4 + length {
            let body = std::str::from_utf8(&buffer[head + 4..filled])?;
            ensure!(text.starts_with("http/1.1 200") && body.contains("\"viewer\":{"), "{text}\n{body}");
            return Ok(());
        }
    }
}
