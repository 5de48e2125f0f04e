//! As much of HTTP/1.1 as one client and one server on loopback need (RFC 9112).

use std::io::{Error, ErrorKind, Result};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
};

/// Longest body that is read.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// A request, read whole.
pub struct Request {
    /// The method.
    pub method: String,
    /// The path and the query.
    pub path: String,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The next request, or `None` where the client is done.
pub async fn read(from: &mut BufReader<OwnedReadHalf>) -> Result<Option<Request>> {
    let Some(start) = line(from).await? else {
        return Ok(None);
    };
    let mut parts = start.split(' ');
    let (Some(method), Some(path), Some("HTTP/1.1"), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed("the request line"));
    };
    let mut headers = Vec::new();
    loop {
        let header = line(from).await?.ok_or_else(|| malformed("the head"))?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').ok_or_else(|| malformed("a header"))?;
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request { method: method.to_owned(), path: path.to_owned(), headers, body: Vec::new() };
    let length = request.header("content-length").unwrap_or("0").parse().map_err(|_| malformed("content-length"))?;
    if length > MAX_BODY || request.header("transfer-encoding").is_some() {
        return Err(malformed("the body"));
    }
    request.body = vec![0; length];
    from.read_exact(&mut request.body).await?;
    Ok(Some(request))
}

async fn line(from: &mut BufReader<OwnedReadHalf>) -> Result<Option<String>> {
    let mut line = String::new();
    if from.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let line = line.strip_suffix("\r\n").ok_or_else(|| malformed("a line's end"))?;
    Ok(Some(line.to_owned()))
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("{what} is not HTTP/1.1 as this server reads it"))
}

/// Writes a whole response; the connection stays open.
pub async fn write_json(to: &mut OwnedWriteHalf, status: u16, retry_after: Option<u64>, body: &Value) -> Result<bool> {
    let retry_after = retry_after.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\n{retry_after}content-length: {}\r\n\r\n",
        body.len()
    );
    to.write_all(format!("{head}{body}").as_bytes()).await?;
    Ok(true)
}

/// Opens a response whose length is not known.
pub async fn write_stream_head(to: &mut OwnedWriteHalf) -> Result<()> {
    to.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n\
          transfer-encoding: chunked\r\n\r\n",
    )
    .await
}

/// Writes bytes in chunks of `frame` bytes, or in one; a client sees each chunk on its own. Closes the response behind
/// the last ones.
pub async fn write_frames(to: &mut OwnedWriteHalf, bytes: &[u8], frame: Option<usize>, is_last: bool) -> Result<()> {
    let mut framed = Vec::new();
    for chunk in bytes.chunks(frame.unwrap_or(bytes.len()).max(1)) {
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    if is_last {
        framed.extend_from_slice(b"0\r\n\r\n");
    }
    to.write_all(&framed).await
}
