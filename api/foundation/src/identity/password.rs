//! Passwords: bcrypt, never more than the machine's cores at once, and the same work for an account that is not there.
//!
//! bcrypt reads 72 bytes, of which the closing zero takes one, and would silently cut the rest. So a password has at
//! most 71 bytes here, and a longer one is refused when it is chosen and never matches when it is tried.

mod common;

use std::{
    sync::{
        LazyLock, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread::available_parallelism,
};

use tokio::sync::{Semaphore, SemaphorePermit};
use zeroize::Zeroizing;

use crate::{
    clock::Clock,
    error::{Error, ErrorKind, Result},
    id::fill_random,
};

/// The cost where the configuration names none: 2^12 rounds.
pub const DEFAULT_COST: u32 = 12;

/// Shortest password, in characters.
pub const SHORTEST: usize = 12;

/// Longest password, in bytes.
pub const LONGEST: usize = 71;

/// Milliseconds that one hash may take where the machine decides.
const AFFORDABLE: i64 = 250;

/// No machine decides for more than that: others may be slower.
const HIGHEST_CALIBRATED: u32 = 15;

/// More than this many waiting sign-ins are sent away.
const WAITING: usize = 64;

static COST: AtomicU32 = AtomicU32::new(DEFAULT_COST);
static CORES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, usize::from)));
static QUEUE: Semaphore = Semaphore::const_new(WAITING);

/// Sets the cost of new hashes, once at start. Older hashes are renewed when their owner signs in.
///
/// # Errors
/// `Misconfigured` below [`DEFAULT_COST`], or above 20, where one sign-in would take minutes.
pub fn set_cost(cost: u32) -> Result<()> {
    if !(DEFAULT_COST..=20).contains(&cost) {
        return Err(Error::new(ErrorKind::Misconfigured, "The bcrypt cost has to be between 12 and 20."));
    }
    COST.store(cost, Ordering::Relaxed);
    Ok(())
}

/// Raises the cost of new hashes as far as this machine makes one within a quarter of a second, and says it. Once at
/// start, where the configuration names none.
///
/// # Errors
/// `Internal` where nothing can be hashed.
pub async fn calibrate(clock: &Clock) -> Result<u32> {
    let start = clock.now();
    on_a_core(|| hash_now("how long does this take?")).await?;
    let took = (clock.now().0 - start.0).max(1);
    let doublings = (0..=HIGHEST_CALIBRATED - DEFAULT_COST).take_while(|more| took << more <= AFFORDABLE).last();
    let cost = DEFAULT_COST + doublings.unwrap_or(0);
    set_cost(cost)?;
    Ok(cost)
}

/// Makes hashing cheap in a test's process. Nothing else calls it.
#[doc(hidden)]
pub fn set_cheap_cost_for_tests() {
    COST.store(4, Ordering::Relaxed);
}

/// Whether a password may be chosen.
///
/// # Errors
/// `Invalid`, with the rule that it breaks and never the password.
pub fn check(password: &str) -> Result<()> {
    if password.chars().count() < SHORTEST {
        return Err(Error::invalid("password", "The password needs at least 12 characters."));
    }
    if password.len() > LONGEST {
        return Err(Error::invalid("password", "The password may have at most 71 bytes."));
    }
    if common::is_common(password) {
        return Err(Error::invalid("password", "This password is among the first that anyone would try."));
    }
    Ok(())
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not the password.
    Wrong,
    /// The password.
    Right,
    /// The password; its hash is cheaper than the cost of today and may be replaced by this one.
    RightAndRenewed(String),
}

/// Hashes a new password. Call [`check`] first.
pub(crate) async fn hash(password: &str) -> Result<String> {
    let password = Zeroizing::new(password.to_owned());
    on_a_core(move || hash_now(&password)).await
}

/// What is stored where there is no password: of the shape of a hash of today's cost, so that a try takes as long as any, with
/// a salt and a checksum that were drawn.
pub(super) fn nobodys() -> String {
    const ALPHABET: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut bytes = [0; 51];
    fill_random(&mut bytes);
    let drawn: String = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect();
    // The last characters of the salt and of the checksum have fewer bits than the others.
    format!("$2b${:02}${}u{}e", COST.load(Ordering::Relaxed), &drawn[..21], &drawn[21..])
}

/// Tries a password. Without a stored hash the same work is done and the answer is [`Verdict::Wrong`].
pub(super) async fn verify(password: &str, stored: Option<String>) -> Result<Verdict> {
    let password = Zeroizing::new(password.to_owned());
    on_a_core(move || {
        let cost = COST.load(Ordering::Relaxed);
        let Some(stored) = stored else {
            matches(&password, nobodys_hash()?);
            return Ok(Verdict::Wrong);
        };
        if !matches(&password, &stored) {
            return Ok(Verdict::Wrong);
        }
        let is_cheap = stored.split('$').nth(2).and_then(|c| c.parse::<u32>().ok()).is_none_or(|c| c < cost);
        if is_cheap { hash_now(&password).map(Verdict::RightAndRenewed) } else { Ok(Verdict::Right) }
    })
    .await
}

fn hash_now(password: &str) -> Result<String> {
    bcrypt::non_truncating_hash(password, COST.load(Ordering::Relaxed))
        .map_err(|_| Error::internal("a password could not be hashed"))
}

/// A password that is too long is tried cut, so that it costs as much as any other, and never matches.
fn matches(password: &str, stored: &str) -> bool {
    let bytes = password.as_bytes();
    let tried = &bytes[..bytes.len().min(LONGEST)];
    let is_right = bcrypt::non_truncating_verify(tried, stored).unwrap_or(false);
    is_right && bytes.len() <= LONGEST
}

/// The hash that is tried where there is no account, at the cost of the moment it was first needed.
fn nobodys_hash() -> Result<&'static str> {
    static HASH: OnceLock<String> = OnceLock::new();
    if let Some(hash) = HASH.get() {
        return Ok(hash);
    }
    let hash = hash_now("nobody has this password")?;
    Ok(HASH.get_or_init(|| hash))
}

/// Runs work that takes a core for a quarter of a second, beside the threads that serve requests.
async fn on_a_core<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let _place: SemaphorePermit<'_> = QUEUE
        .try_acquire()
        .map_err(|_| Error::new(ErrorKind::RateLimited, "Too many people sign in at this moment. Try again soon."))?;
    let _core = CORES.acquire().await.map_err(|_| Error::internal("the password semaphore is closed"))?;
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::internal("password work was cut off"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_12_characters_to_71_bytes_and_is_not_a_common_one() {
        assert!(check("short one").is_err());
        assert!(check(&"é".repeat(36)).is_err(), "72 bytes");
        assert!(check("PassWord1234").is_err() && check("aaaaaaaaaaaaaaa").is_err());
        assert!(check(&"bicycle-lane-9 ".repeat(5)[..LONGEST]).is_ok(), "71 bytes");
        let message = check("short one").unwrap_err().to_string();
        assert!(!message.contains("short one"));
    }

    #[tokio::test]
    async fn the_73rd_byte_matters_and_hashes_say_their_version_and_cost() {
        let longest = "correct-battery-".repeat(5)[..LONGEST].to_owned();
        let stored = hash(&longest).await.unwrap();
        assert!(stored.starts_with("$2b$12$"), "{stored}");
        set_cheap_cost_for_tests();
        assert_eq!(verify(&longest, Some(stored.clone())).await.unwrap(), Verdict::Right);
        for more in ["x", "xy"] {
            let longer = format!("{longest}{more}");
            assert_eq!(verify(&longer, Some(stored.clone())).await.unwrap(), Verdict::Wrong, "{} bytes", longer.len());
        }
        assert_eq!(verify(&longest, None).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_cheaper_hash_is_renewed() {
        set_cheap_cost_for_tests();
        let stored = hash("a reasonable password").await.unwrap();
        COST.store(5, Ordering::Relaxed);
        let Verdict::RightAndRenewed(renewed) = verify("a reasonable password", Some(stored)).await.unwrap() else {
            panic!("not renewed");
        };
        assert!(renewed.starts_with("$2b$05$"));
        assert_eq!(verify("a reasonable password", Some(renewed)).await.unwrap(), Verdict::Right);
    }

    #[tokio::test]
    async fn a_fast_machine_hashes_harder_and_none_hashes_cheaper() {
        // This clock stands still, so a hash takes no time at all.
        let cost = calibrate(&Clock::fixed(crate::clock::Timestamp(0))).await.unwrap();
        assert_eq!(cost, HIGHEST_CALIBRATED);
        COST.store(DEFAULT_COST, Ordering::Relaxed);
        let cost = calibrate(&Clock::system()).await.unwrap();
        assert!((DEFAULT_COST..=HIGHEST_CALIBRATED).contains(&cost), "{cost}");
    }

    #[test]
    fn where_there_is_no_password_a_try_is_a_try_all_the_same() {
        let stored = nobodys();
        assert_eq!((stored.len(), nobodys() == stored), (60, false));
        assert!(stored.parse::<bcrypt::HashParts>().is_ok(), "{stored}");
    }

    #[test]
    fn production_cannot_be_set_cheaper() {
        assert!(set_cost(11).is_err() && set_cost(21).is_err());
    }
}
