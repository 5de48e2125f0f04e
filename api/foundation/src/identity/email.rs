//! E-mail addresses: one normaliser for writing and for looking up.

use unicode_normalization::UnicodeNormalization;

use crate::{
    error::{Error, Result},
    id::AccountId,
    store::Store,
    vault::Place,
};

/// Longest address that a mail server takes (RFC 5321, 4.5.3.1.3).
const LONGEST: usize = 254;

/// An address as it is compared: without surrounding space, NFKC, lower case.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Email(String);

impl Email {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// `Invalid`, without the address.
    pub(super) fn parse(typed: &str) -> Result<Self> {
        let email = normalise(typed);
        let looks_right = email.len() <= LONGEST
            && email
                .split_once('@')
                .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
            && !email.chars().any(|c| c.is_whitespace() || c.is_control());
        if looks_right { Ok(Self(email)) } else { Err(Error::invalid("email", "This is not an e-mail address.")) }
    }

    /// The address.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// What the account is found by.
    pub(super) fn index(&self, store: &Store) -> Vec<u8> {
        index(store, &self.0)
    }

    /// What is stored of it.
    pub(super) fn seal(&self, store: &Store, account: AccountId) -> Vec<u8> {
        store.vault().instance_key().seal_text(&place(account), &self.0)
    }
}

/// What an account of this address would be found by, however the address looks.
pub(crate) fn index_of_typed(store: &Store, typed: &str) -> Vec<u8> {
    index(store, &normalise(typed))
}

/// The address of an account.
pub(crate) fn open(store: &Store, account: AccountId, sealed: &[u8]) -> Result<String> {
    store.vault().instance_key().open_text(&place(account), sealed)
}

fn index(store: &Store, normalised: &str) -> Vec<u8> {
    store.vault().instance_index("account e-mail", normalised)
}

fn place(account: AccountId) -> Place {
    Place::instance("accounts", "email_sealed", account.0)
}

/// An address as it is compared, wherever it is kept.
///
/// # Errors
/// `Invalid`, without the address.
pub(crate) fn normalised(typed: &str) -> Result<String> {
    Email::parse(typed).map(|email| email.0)
}

/// Lower case can undo NFKC and the other way round, so NFKC has the last word.
fn normalise(typed: &str) -> String {
    let folded: String = typed.trim().nfkc().collect::<String>().to_lowercase();
    folded.trim().nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_address_in_other_clothes_is_the_same() {
        for typed in ["ana@example.org", "  ANA@Example.ORG\n", "ａｎａ@example.org", "Ana@EXAMPLE.org"] {
            assert_eq!(normalise(typed), "ana@example.org", "{typed}");
        }
        let once = normalise("İX@ﬁ.example");
        assert_eq!(normalise(&once), once);
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for typed in ["", "ana", "@example.org", "ana@", "a na@example.org", "ana@b@c"] {
            let Err(error) = Email::parse(typed) else { panic!("{typed} was taken") };
            assert!(typed.is_empty() || !error.to_string().contains(typed));
        }
        assert!(Email::parse(&format!("{}@example.org", "a".repeat(250))).is_err());
    }
}
