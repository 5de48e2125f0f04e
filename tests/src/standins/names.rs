//! A name server of a few TXT records, on a free UDP port of this machine (RFC 1035). What is asked otherwise it answers as a
//! server that knows no such name.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{net::UdpSocket, task::JoinHandle};

const TXT: u16 = 16;
const IN: u16 = 1;

/// The running server. It ends when this is dropped.
pub struct Names {
    address: SocketAddr,
    records: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
    answering: JoinHandle<()>,
}

impl Names {
    /// Starts without a record, inside the current tokio runtime.
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = socket.local_addr().expect("a bound socket has an address");
        let records = Arc::default();
        let answering = tokio::spawn(serve(socket, Arc::clone(&records)));
        Self { address, records, answering }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes a record beside those of the name.
    pub fn write(&self, name: &str, text: &str) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.entry(name.to_lowercase()).or_default().push(text.to_owned());
    }

    /// Takes all records of a name away.
    pub fn erase(&self, name: &str) {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).remove(&name.to_lowercase());
    }

    /// Answers nothing any more.
    pub fn stop(&self) {
        self.answering.abort();
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

async fn serve(socket: UdpSocket, records: Arc<Mutex<BTreeMap<String, Vec<String>>>>) {
    let mut packet = [0; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut packet).await {
        let known = records.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(answer) = answer(&packet[..length], &known) {
            let _gone = socket.send_to(&answer, from).await;
        }
    }
}

/// The answer to one question; none to what is no question.
fn answer(packet: &[u8], known: &BTreeMap<String, Vec<String>>) -> Option<Vec<u8>> {
    let word = |at: usize| Some(u16::from_be_bytes(*packet.get(at..)?.first_chunk()?));
    let (flags, questions) = (word(2)?, word(4)?);
    if flags & 0x8000 != 0 || questions != 1 {
        return None;
    }
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(std::str::from_utf8(packet.get(at..at + length)?).ok()?.to_lowercase());
        at += length;
    }
    let (kind, class) = (word(at)?, word(at + 2)?);
    let question = packet.get(12..at + 4)?;
    let texts = known.get(&labels.join(".")).filter(|_| kind == TXT && class == IN);
    let count = texts.map_or(0, Vec::len) as u16;
    // An answer, authoritative, recursion available; where there is nothing, no such name.
    let flags: u16 = 0x8580 | (flags & 0x0100) | if count == 0 { 3 } else { 0 };
    let mut answer = packet.get(..2)?.to_vec();
    for word in [flags, 1, count, 0, 0] {
        answer.extend(word.to_be_bytes());
    }
    answer.extend(question);
    for text in texts.into_iter().flatten() {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(255).collect();
        let length = text.len() + pieces.len();
        // The name is the question's, twelve bytes from the beginning.
        for word in [0xc00c, TXT, IN, 0, 60, length as u16] {
            answer.extend(word.to_be_bytes());
        }
        for piece in pieces {
            answer.push(piece.len() as u8);
            answer.extend(piece);
        }
    }
    Some(answer)
}
