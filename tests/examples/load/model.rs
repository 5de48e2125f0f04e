//! A chat model behind the OpenAI API that says twenty tokens a second, to as many as ask.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::{MissedTickBehavior, interval},
};

/// Between two tokens.
pub const PAUSE: Duration = Duration::from_millis(50);

/// What it begins with; the passages say so.
const BEGINNING: &str = "The desk opens at nine [1].";

/// Everything that it says to one question.
pub fn whole(tokens: usize) -> String {
    (0..tokens).map(token).collect()
}

/// The model, until the program ends.
pub async fn start(tokens: usize) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                // Whoever hangs up has enough.
                let _ = serve(socket, tokens).await;
            });
        }
    });
    Ok(address)
}

fn token(number: usize) -> String {
    if number == 0 { BEGINNING.to_owned() } else { format!(" w{number}") }
}

async fn serve(socket: TcpStream, tokens: usize) -> Result<()> {
    socket.set_nodelay(true)?;
    let (read, mut write) = socket.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            if read.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().context("a length")?;
            }
        }
        read.read_exact(&mut vec![0; length]).await?;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        write.write_all(head.as_bytes()).await?;
        let mut beat = interval(PAUSE);
        beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for number in 0..tokens {
            beat.tick().await;
            say(&mut write, &format!(r#"{{"content":"{}"}}"#, token(number)), "null").await?;
        }
        say(&mut write, "{}", "\"stop\"").await?;
        write.write_all(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n").await?;
    }
}

async fn say(write: &mut (impl AsyncWriteExt + Unpin), delta: &str, reason: &str) -> Result<()> {
    let event = format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"steady\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{reason}}}]}}\n\n"
    );
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    write.write_all(chunk.as_bytes()).await?;
    Ok(())
}
