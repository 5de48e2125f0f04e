//! The token of an escalation where a mail carries it: in the address that replies go to, and in the message id.
//!
//! A mark is the token and ten characters of a signature of it. Who guesses a token cannot sign it; who received a mail
//! can answer, which is what the mail is for.

use hmac::{Hmac, KeyInit, Mac};
use lettre::Address;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Characters of a signature: 50 bits, each guess of which is a mail.
const SIGNATURE: usize = 10;

/// Longest local part of an address (RFC 5321).
const LONGEST_LOCAL: usize = 64;

/// Ends the left side of our message ids.
const OURS: &str = ".consigne@";

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Makes and reads marks.
pub(crate) struct Marks {
    reply_to: Option<Address>,
    secret: Zeroizing<String>,
    domain: String,
}

impl Marks {
    /// Marks for this reply address, signed with this secret; message ids have this domain.
    pub(crate) fn new(reply_to: Option<Address>, secret: &str, domain: &str) -> Self {
        Self { reply_to, secret: Zeroizing::new(secret.to_owned()), domain: domain.to_ascii_lowercase() }
    }

    /// Where a reply to this escalation goes; nothing where none come back or the address would be too long.
    pub(crate) fn address(&self, token: &str) -> Option<Address> {
        let reply_to = self.reply_to.as_ref()?;
        let local = format!("{}+{}", reply_to.user(), self.mark(token));
        (local.len() <= LONGEST_LOCAL).then(|| Address::new(local, reply_to.domain()).ok())?
    }

    /// The message id of a delivery, without its angle brackets: always the same.
    pub(crate) fn message_id(&self, key: &str, token: &str) -> String {
        format!("{key}.{}{OURS}{}", self.mark(token), self.domain)
    }

    /// The token of the first of our reply addresses in a header.
    pub(crate) fn in_addresses(&self, header: &str) -> Option<String> {
        let reply_to = self.reply_to.as_ref()?;
        let start = format!("{}+", reply_to.user().to_ascii_lowercase());
        let end = format!("@{}", reply_to.domain().to_ascii_lowercase());
        let header = header.to_ascii_lowercase();
        header.match_indices(&start).find_map(|(at, _)| {
            let is_whole = !header[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || "._-+".contains(c));
            let (mark, rest) = split_mark(&header[at + start.len()..]);
            (is_whole && rest.starts_with(&end)).then(|| self.token(mark))?
        })
    }

    /// The token of the first of our message ids in a text.
    pub(crate) fn in_message_ids(&self, text: &str) -> Option<String> {
        let ours = format!("{OURS}{}", self.domain);
        text.match_indices(OURS).find_map(|(at, _)| {
            let is_ours = text.get(at..at + ours.len()).is_some_and(|found| found.eq_ignore_ascii_case(&ours));
            let mark = text[..at].rsplit(|c: char| !c.is_ascii_alphanumeric()).next()?;
            is_ours.then(|| self.token(&mark.to_ascii_lowercase()))?
        })
    }

    fn mark(&self, token: &str) -> String {
        let mut hmac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("HMAC takes a key of any length");
        hmac.update(format!("reply.{token}").as_bytes());
        let tag = hmac.finalize().into_bytes();
        let number = tag.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        let signature = (0..SIGNATURE).map(|place| char::from(BASE32[(number >> (5 * place) & 31) as usize]));
        token.chars().chain(signature).collect()
    }

    fn token(&self, mark: &str) -> Option<String> {
        let (token, _) = mark.split_at_checked(mark.len().checked_sub(SIGNATURE)?)?;
        let expected = self.mark(token);
        // Every byte is looked at: how long it takes says nothing about where they differ.
        let differ = expected.bytes().zip(mark.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b));
        (!token.is_empty() && expected.len() == mark.len() && differ == 0).then(|| token.to_owned())
    }
}

fn split_mark(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(secret: &str) -> Marks {
        Marks::new(Some("Replies@Example.com".parse().expect("an address")), secret, "example.com")
    }

    #[test]
    fn a_token_comes_back_from_an_address_and_a_message_id_whatever_servers_do_to_them() {
        let marks = marks("a secret of at least 24 characters");
        let address = marks.address("k7f2a9").expect("an address").to_string();
        for header in [
            address.clone(),
            format!(" \"Acme, replies\" <{}>", address.to_uppercase()),
            format!("ada@example.com, <{address}>,\r\n bob@example.com"),
            format!("someone+{address}@x, {address}"),
        ] {
            assert_eq!(marks.in_addresses(&header).as_deref(), Some("k7f2a9"), "{header}");
        }
        let id = marks.message_id("D_1-a", "k7f2a9");
        for text in [format!("<{id}>"), format!("<other@x> <{id}>"), format!("References: <a.consigne@b>\r\n <{id}>")] {
            assert_eq!(marks.in_message_ids(&text).as_deref(), Some("k7f2a9"), "{text}");
        }
        assert_eq!(id, marks.message_id("D_1-a", "k7f2a9"));
    }

    #[test]
    fn a_guessed_altered_or_foreign_token_is_nobodys() {
        let marks = marks("a secret of at least 24 characters");
        let address = marks.address("k7f2a9").expect("an address").to_string();
        let foreign = self::marks("another secret of 24 characters").address("k7f2a9").expect("an address").to_string();
        for header in [
            "replies@example.com".to_owned(),
            "replies+k7f2a9@example.com".to_owned(),
            "replies+k7f2a9aaaaaaaaaa@example.com".to_owned(),
            "replies+aaaaaaaaaa@example.com".to_owned(),
            "replies+@example.com".to_owned(),
            address.replace("k7f2a9", "k7f2a8"),
            address.replace("Example.com", "example.org"),
            address.replace("Replies", "all-replies"),
            foreign,
        ] {
            assert_eq!(marks.in_addresses(&header), None, "{header}");
        }
        let id = marks.message_id("d_1", "k7f2a9");
        for text in
            [id.replace("example.com", "example.org"), id.replace("k7f", "k8f"), "é.consigne@example.com".to_owned()]
        {
            assert_eq!(marks.in_message_ids(&text), None, "{text}");
        }
    }

    #[test]
    fn an_address_fits_what_servers_take() {
        let long = Marks::new(Some("a-very-long-name-of-a-mailbox@example.com".parse().expect("an address")), "", "x");
        assert!(long.address(&"a".repeat(32)).is_none());
        assert_eq!(marks("").address(&"a".repeat(32)).map(|address| address.user().len()), Some(50));
    }
}
