//! Who can read a backup: recipients in the format of `age` (age-encryption.org/v1), with X25519.
//!
//! The installation needs the recipients alone, which open nothing. The identity opens; it belongs to the operator, on another
//! machine. `age -d -i identity.txt data.age` opens a part without this program.

use std::{
    fmt,
    io::{self, Read, Write},
    iter,
    path::Path,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use age::{secrecy::ExposeSecret, stream::StreamWriter, x25519};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::{
    error::{Error, ErrorKind, Result},
    vault::root::{Created, create_secret_file, read_secret_file},
};

/// Bytes that are opened at once.
const PIECE: usize = 64 * 1024;

/// Pieces that wait between two threads.
const WAITING: usize = 4;

/// Everybody who can read a backup.
#[derive(Clone)]
pub struct Recipients(Vec<x25519::Recipient>);

impl Recipients {
    /// Recipients as `age-keygen` prints them: `age1...`.
    ///
    /// # Errors
    /// `Misconfigured` where one cannot be read, or where there is none.
    pub fn parse<'a>(all: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let parsed: Vec<_> = all
            .into_iter()
            .map(|text| {
                x25519::Recipient::from_str(text.trim()).map_err(|_| {
                    misconfigured("A recipient of backups cannot be read; write `age1...`, as age-keygen does.")
                })
            })
            .collect::<Result<_>>()?;
        if parsed.is_empty() {
            return Err(misconfigured("Backups need a recipient."));
        }
        Ok(Self(parsed))
    }

    /// As text.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// What opens backups. It never prints itself.
#[derive(Clone)]
pub struct Identity(x25519::Identity);

impl Identity {
    /// The first identity of an identity file's text.
    ///
    /// # Errors
    /// `Misconfigured` where there is none.
    pub fn parse(text: &str) -> Result<Self> {
        let found = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        found
            .and_then(|line| x25519::Identity::from_str(line).ok())
            .map(Self)
            .ok_or_else(|| misconfigured("The identity file holds no `AGE-SECRET-KEY-1...`."))
    }

    /// Reads an identity file, as `age-keygen` writes it.
    ///
    /// # Errors
    /// `Misconfigured` where it is not there, is open to other users, or holds no identity.
    pub fn load(path: &Path) -> Result<Self> {
        let text = read_secret_file(path)?
            .ok_or_else(|| misconfigured(format!("There is no identity file {}.", path.display())))?;
        Self::parse(&text)
    }

    /// Reads the identity file, or makes it, readable by its owner alone.
    ///
    /// # Errors
    /// As [`Identity::load`]; where it cannot be made.
    pub fn load_or_create(path: &Path) -> Result<(Self, Created)> {
        if path.exists() {
            return Self::load(path).map(|identity| (identity, Created::Before));
        }
        let made = Self(x25519::Identity::generate());
        let secret = made.0.to_string();
        let text = Zeroizing::new(format!("# public key: {}\n{}\n", made.recipient(), secret.expose_secret()));
        match create_secret_file(path, &text) {
            Ok(()) => Ok((made, Created::Now)),
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Self::load(path).map(|identity| (identity, Created::Before))
            }
            Err(error) => {
                Err(misconfigured(format!("The identity file {} cannot be made ({}).", path.display(), error.kind())))
            }
        }
    }

    /// Whoever encrypts to this can be read with the identity.
    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(Sealed(..))")
    }
}

/// Encrypts piece by piece.
pub(super) struct Encrypter {
    writer: StreamWriter<Sink>,
    sink: Sink,
}

impl Encrypter {
    pub fn new(recipients: &Recipients) -> Result<Self> {
        let all = recipients.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(all)
            .map_err(|_| misconfigured("The recipients of backups cannot be used together."))?;
        let sink = Sink::default();
        let writer = encryptor.wrap_output(sink.clone()).map_err(broken)?;
        Ok(Self { writer, sink })
    }

    /// Takes plain bytes and answers what is ready to be written.
    pub fn push(&mut self, plain: &[u8]) -> Result<Vec<u8>> {
        self.writer.write_all(plain).map_err(broken)?;
        Ok(self.sink.take())
    }

    /// The rest. Without it the whole cannot be opened.
    pub fn finish(self) -> Result<Vec<u8>> {
        self.writer.finish().map_err(broken)?;
        Ok(self.sink.take())
    }
}

/// Where encrypted bytes wait to be written.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a stream. Its bytes are genuine as far as it goes; only one that ends without an error was whole.
///
/// Fails with `Misconfigured` where the identity is none of the recipients, `Corrupt` where the stream is cut or changed.
pub(super) fn decrypt(
    identity: &Identity,
    source: impl Stream<Item = Result<Bytes>> + Send + 'static,
) -> BoxStream<'static, Result<Bytes>> {
    let (sealed, sealed_rx) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let mut source = std::pin::pin!(source);
        while let Some(piece) = source.next().await {
            let is_over = piece.is_err();
            if sealed.send(Some(piece)).await.is_err() || is_over {
                return;
            }
        }
        let _ = sealed.send(None).await;
    });
    let (plain, plain_rx) = mpsc::channel(WAITING);
    let identity = identity.clone();
    tokio::task::spawn_blocking(move || {
        let outcome = open(&identity, Pieces { source: sealed_rx, piece: Bytes::new(), failed: None }, &plain);
        let _ = plain.blocking_send(outcome.map(|()| None));
    });
    Box::pin(futures::stream::unfold(Some(plain_rx), |state| async move {
        let mut plain = state?;
        match plain.recv().await {
            Some(Ok(Some(piece))) => Some((Ok(piece), Some(plain))),
            Some(Ok(None)) => None,
            Some(Err(error)) => Some((Err(error), None)),
            None => Some((Err(Error::internal("the decryption of a backup stopped")), None)),
        }
    }))
}

fn open(identity: &Identity, mut pieces: Pieces, plain: &mpsc::Sender<Result<Option<Bytes>>>) -> Result<()> {
    let decryptor = age::Decryptor::new_buffered(io::BufReader::new(&mut pieces)).map_err(|_| corrupt())?;
    let mut reader = decryptor.decrypt(iter::once(&identity.0 as &dyn age::Identity)).map_err(|error| match error {
        age::DecryptError::NoMatchingKeys => misconfigured("This identity does not open this backup."),
        _ => corrupt(),
    })?;
    loop {
        let mut piece = vec![0; PIECE];
        let length = reader.read(&mut piece).map_err(|_| corrupt());
        let length = match length {
            Ok(length) => length,
            Err(error) => {
                drop(reader);
                return Err(pieces.failed.take().unwrap_or(error));
            }
        };
        if length == 0 {
            return Ok(());
        }
        piece.truncate(length);
        if plain.blocking_send(Ok(Some(piece.into()))).is_err() {
            return Ok(());
        }
    }
}

/// Reads what another task sends.
struct Pieces {
    source: mpsc::Receiver<Option<Result<Bytes>>>,
    piece: Bytes,
    failed: Option<Error>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.source.blocking_recv() {
                Some(Some(Ok(piece))) => self.piece = piece,
                Some(None) => return Ok(0),
                Some(Some(Err(error))) => {
                    self.failed = Some(error);
                    return Err(io::Error::other("the source failed"));
                }
                None => return Err(io::Error::other("the source ended before its end")),
            }
        }
        let length = buffer.len().min(self.piece.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

fn broken(error: io::Error) -> Error {
    Error::internal("a backup could not be encrypted").because(error)
}

fn corrupt() -> Error {
    Error::new(ErrorKind::Corrupt, "A part of the backup is cut or changed.")
}

fn misconfigured(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Misconfigured, message)
}

#[cfg(test)]
mod tests {
    use futures::{TryStreamExt, stream};

    use super::*;

    fn sealed(to: &Identity, text: &[u8]) -> Vec<u8> {
        let mut encrypter = Encrypter::new(&Recipients::parse([to.recipient().as_str()]).unwrap()).unwrap();
        let mut out = Vec::new();
        for part in text.chunks(10_000) {
            out.extend(encrypter.push(part).unwrap());
        }
        out.extend(encrypter.finish().unwrap());
        out
    }

    async fn opened(by: &Identity, sealed: &[u8]) -> Result<Vec<u8>> {
        let pieces: Vec<_> = sealed.chunks(999).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let plain: Vec<Bytes> = decrypt(by, stream::iter(pieces)).try_collect().await?;
        Ok(plain.concat())
    }

    #[tokio::test]
    async fn what_was_encrypted_opens_for_its_identity_alone() {
        let (ours, other) = (Identity(x25519::Identity::generate()), Identity(x25519::Identity::generate()));
        for length in [0, 1, 65_535, 65_536, 65_537, 300_000] {
            let text: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
            let sealed = sealed(&ours, &text);
            assert_eq!(opened(&ours, &sealed).await.unwrap(), text);
            assert_eq!(opened(&other, &sealed).await.unwrap_err().kind(), ErrorKind::Misconfigured);
        }
    }

    #[tokio::test]
    async fn a_cut_or_changed_backup_is_not_taken_for_a_whole_one() {
        let ours = Identity(x25519::Identity::generate());
        let sealed = sealed(&ours, &[7; 200_000]);
        for length in [0, 10, sealed.len() / 2, sealed.len() - 65_552, sealed.len() - 1] {
            assert!(opened(&ours, &sealed[..length]).await.is_err(), "cut at {length}");
        }
        for at in [1, 60, 190, 250, sealed.len() / 2, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(opened(&ours, &changed).await.is_err(), "changed at {at}");
        }
    }

    #[tokio::test]
    async fn a_source_that_fails_says_why() {
        let ours = Identity(x25519::Identity::generate());
        let good = Bytes::from(sealed(&ours, &[7; 200_000]));
        let pieces = [Ok(good.slice(..100_000)), Err(Error::new(ErrorKind::Unavailable, "The place went away."))];
        let failed = decrypt(&ours, stream::iter(pieces)).try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(failed.message(), "The place went away.");
    }

    #[test]
    fn an_identity_file_is_made_once_and_open_to_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.txt");
        assert!(Identity::load(&path).is_err());
        let (made, created) = Identity::load_or_create(&path).unwrap();
        assert_eq!(created, Created::Now);
        let (again, created) = Identity::load_or_create(&path).unwrap();
        assert_eq!((again.recipient(), created), (made.recipient(), Created::Before));
        assert_eq!(format!("{made:?}"), "Identity(Sealed(..))");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!("# public key: {}\n", made.recipient())), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert_eq!(Identity::load(&path).unwrap_err().kind(), ErrorKind::Misconfigured);
        }
    }

    #[test]
    fn recipients_that_cannot_be_read_are_refused() {
        for bad in [&[][..], &["age1nonsense"][..], &["AGE-SECRET-KEY-1"][..]] {
            assert_eq!(Recipients::parse(bad.iter().copied()).unwrap_err().kind(), ErrorKind::Misconfigured, "{bad:?}");
        }
    }
}
