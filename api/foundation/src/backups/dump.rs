//! A whole store as one stream of lines, and back.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
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

/// The bytes in a column of the row with this id, out of what [`read`] made; none where there is no such row.
pub(super) async fn find(
    source: impl Stream<Item = Result<Bytes>> + Unpin,
    table: &str,
    by: &str,
    id: &[u8],
    column: &str,
) -> Result<Option<Vec<u8>>> {
    let mut lines = Lines { source, text: Vec::new(), at: 0 };
    let mut columns: Option<(usize, usize)> = None;
    let bytes = |value: &Value| BASE64_STANDARD_NO_PAD.decode(value.as_str()?).ok();
    while let Some(line) = lines.next().await? {
        let said: Value = serde_json::from_str(&line).map_err(|_| cut())?;
        let Value::Array(values) = said else {
            let of_table = said["table"] == *table;
            let position = |name: &str| said["columns"].as_array()?.iter().position(|column| column[0] == *name);
            columns = position(by).zip(position(column)).filter(|_| of_table);
            continue;
        };
        if let Some((by, column)) = columns
            && values.get(by).and_then(bytes).as_deref() == Some(id)
        {
            return values.get(column).and_then(bytes).map(Some).ok_or_else(cut);
        }
    }
    Ok(None)
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
