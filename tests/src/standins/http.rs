//! As much of HTTP/1.1 as a stand-in needs that reads whole requests and answers whole responses (RFC 9112).

use std::io::{Error, ErrorKind, Result};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
};

/// Longest body that is read.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// A request, read whole.
pub struct Request {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query, without the question mark.
    pub query: String,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The header of this name, in lower case, where it came once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        values.next().filter(|_| values.next().is_none())
    }
}

/// The next request, or `None` where the client is done.
pub async fn read(from: &mut BufReader<OwnedReadHalf>) -> Result<Option<Request>> {
    let Some(start) = line(from).await? else { return Ok(None) };
    let [method, target, "HTTP/1.1"] = start.split(' ').collect::<Vec<_>>()[..] else {
        return Err(malformed("the request line"));
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = Vec::new();
    while let Some(header) = line(from).await?.filter(|header| !header.is_empty()) {
        let (name, value) = header.split_once(':').ok_or_else(|| malformed("a header"))?;
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
    let mut request = Request { method, path, query, headers, body: Vec::new() };
    let length = request.header("content-length").unwrap_or("0").parse().map_err(|_| malformed("content-length"))?;
    if length > MAX_BODY || request.header("transfer-encoding").is_some() {
        return Err(malformed("the body"));
    }
    request.body = vec![0; length];
    from.read_exact(&mut request.body).await?;
    Ok(Some(request))
}

/// Writes a whole response; the connection stays open. `headers` are lines, each with its `\r\n`.
pub async fn write(to: &mut OwnedWriteHalf, status: u16, headers: &str, body: &[u8]) -> Result<()> {
    let head = format!("HTTP/1.1 {status} Scripted\r\n{headers}content-length: {}\r\n\r\n", body.len());
    to.write_all(&[head.as_bytes(), body].concat()).await
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
