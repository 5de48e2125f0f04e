//! A whole store as one stream of lines, and back.

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::{
    catalogue::{self, Schema, Table},
    digest::TableDigest,
    rows::{self, Existing, TableWriter},
    target::PartWriter,
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::WorkspaceId,
};

/// The longest line: no sealed value that one row holds comes near it.
const LONGEST_LINE: usize = 64 << 20;

/// Reads every table in the transaction of `db` into `out`, and answers what they held, in the order in which they can be filled.
pub(super) async fn read(
    db: &impl ConnectionTrait,
    schema: Schema,
    workspaces: &[WorkspaceId],
    mut out: Option<&mut PartWriter>,
) -> Result<Vec<TableDigest>> {
    let mut digests = Vec::new();
    for table in catalogue::tables(db, schema).await? {
        digests.push(rows::read(db, &table, workspaces, out.as_deref_mut()).await?);
    }
    if let Some(out) = out {
        out.write(format!("{}\n", json!({ "end": digests.len() })).as_bytes()).await?;
    }
    Ok(digests)
}

/// Writes what [`read`] made, in the transaction of `db`, and answers what it was.
pub(super) async fn write(
    db: &impl ConnectionTrait,
    schema: Schema,
    existing: Existing,
    source: impl Stream<Item = Result<Bytes>> + Unpin,
) -> Result<Vec<TableDigest>> {
    let tables: Vec<Table> = catalogue::tables(db, schema).await?;
    let mut lines = Lines { source, text: Vec::new(), at: 0 };
    let mut digests = Vec::new();
    let mut writer: Option<TableWriter<'_, _>> = None;
    while let Some(line) = lines.next().await? {
        match &mut writer {
            Some(writer) if line.starts_with('[') => {
                writer.line(&line).await?;
                continue;
            }
            _ => {}
        }
        let head: Value = serde_json::from_str(&line).map_err(|_| cut())?;
        if let Some(writer) = writer.take() {
            digests.push(writer.finish().await?);
        }
        if let Some(end) = head["end"].as_u64() {
            let is_whole = end == digests.len() as u64 && lines.next().await?.is_none();
            return if is_whole { Ok(digests) } else { Err(cut()) };
        }
        writer = Some(TableWriter::new(db, &tables, &head, existing)?);
    }
    Err(cut())
}

fn cut() -> Error {
    Error::new(ErrorKind::Corrupt, "The backup is not whole.")
}

/// Lines of a stream.
struct Lines<S> {
    source: S,
    text: Vec<u8>,
    at: usize,
}

impl<S: Stream<Item = Result<Bytes>> + Unpin> Lines<S> {
    async fn next(&mut self) -> Result<Option<String>> {
        let mut searched = self.at;
        loop {
            if let Some(end) = self.text[searched..].iter().position(|byte| *byte == b'\n') {
                let line = std::str::from_utf8(&self.text[self.at..searched + end]).map_err(|_| cut())?.to_owned();
                self.at = searched + end + 1;
                return Ok(Some(line));
            }
            self.text.drain(..self.at);
            (self.at, searched) = (0, self.text.len());
            if self.text.len() > LONGEST_LINE {
                return Err(cut());
            }
            match self.source.try_next().await? {
                Some(piece) => self.text.extend_from_slice(&piece),
                None if self.text.is_empty() => return Ok(None),
                None => return Err(cut()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    #[tokio::test]
    async fn lines_are_read_whole_however_they_arrive() {
        let text = b"{\"a\":1}\n[1,2]\n\n[\"\xc3\xa9\"]\n";
        for size in 1..text.len() {
            let pieces: Vec<Result<Bytes>> = text.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            let mut lines = Lines { source: stream::iter(pieces), text: Vec::new(), at: 0 };
            let mut all = Vec::new();
            while let Some(line) = lines.next().await.unwrap() {
                all.push(line);
            }
            assert_eq!(all, ["{\"a\":1}", "[1,2]", "", "[\"é\"]"], "pieces of {size}");
        }
        let mut cut = Lines { source: stream::iter([Ok(Bytes::from_static(b"[1"))]), text: Vec::new(), at: 0 };
        assert_eq!(cut.next().await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
