//! Typed, sortable ids: `doc_01J...` outside, a UUID version 7 (RFC 9562) inside.
//!
//! A malformed or wrong-typed id answers exactly like an unknown one: parse with `parse_or_unknown`, which turns it
//! into an id that exists nowhere.

use std::{fmt, str::FromStr};

use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::clock::Clock;

/// Crockford's base 32, lower case: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

/// Fills `bytes` from the operating system's generator.
pub fn fill_random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system has a random generator");
}

/// A random, unguessable UUID (version 4).
pub fn random_uuid() -> Uuid {
    let mut bytes = [0; 16];
    fill_random(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

fn sortable(clock: &Clock) -> Uuid {
    let mut random = [0; 10];
    fill_random(&mut random);
    let millis = u64::try_from(clock.now().0).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// Crockford base 32 of a UUID, 26 characters.
pub fn encode(id: Uuid) -> String {
    let mut value = id.as_u128();
    let mut out = [0u8; LENGTH];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    out.iter().map(|&b| char::from(b)).collect()
}

/// The UUID that [`encode`] wrote, in either case.
pub fn decode(text: &str) -> Option<Uuid> {
    if text.len() != LENGTH {
        return None;
    }
    let mut value: u128 = 0;
    for (position, byte) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|&a| a == byte.to_ascii_lowercase())? as u128;
        if position == 0 && digit > 7 {
            return None;
        }
        value = (value << 5) | digit;
    }
    Some(Uuid::from_u128(value))
}

/// An id that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct MalformedId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType)]
        pub struct $name(pub Uuid);

        impl $name {
            /// What an id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, later than all earlier ones of the same millisecond clock.
            pub fn new(clock: &Clock) -> Self {
                Self(sortable(clock))
            }

            /// The id that a client sent, or one that exists nowhere.
            pub fn parse_or_unknown(text: &str) -> Self {
                text.parse().unwrap_or(Self(Uuid::nil()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                let rest = text.strip_prefix(concat!($prefix, "_")).ok_or(MalformedId)?;
                decode(rest).map(Self).ok_or(MalformedId)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($name)))
            }
        }
    )*};
}

ids! {
    /// A workspace: one customer's world, isolated from every other.
    WorkspaceId "ws";
    /// An account: a person who signs in.
    AccountId "acc";
    /// A sign-in of an account in a workspace.
    SessionId "ses";
    /// What waits for somebody to show a token.
    TicketId "tkt";
    /// A passkey of an account.
    PasskeyId "pk";
    /// An invitation into a workspace.
    InvitationId "inv";
    /// An API key, secret or publishable.
    ApiKeyId "key";
    /// A key by which a customer's server says who a visitor is.
    VisitorSigningKeyId "vsk";
    /// A key that signs tokens, certificates or checkpoints.
    SigningKeyId "sgn";
    /// A person about whom a workspace holds data (GDPR art. 4(1)).
    SubjectId "sub";
    /// A visitor of a customer's site.
    VisitorId "vis";
    /// An assistant.
    AssistantId "ast";
    /// A staged upload.
    UploadId "upl";
    /// A source of documents.
    SourceId "src";
    /// A page of a website.
    PageId "pge";
    /// A document of the knowledge.
    DocumentId "doc";
    /// A passage of a document.
    PassageId "psg";
    /// A change of the embedding model.
    EmbeddingChangeId "emc";
    /// A chat.
    ChatId "cht";
    /// A message of a chat.
    MessageId "msg";
    /// An answer to a message.
    AnswerId "ans";
    /// An escalation: a chat that needs a person.
    EscalationId "esc";
    /// A delivery to a channel.
    DeliveryId "dlv";
    /// An internal note.
    NoteId "nte";
    /// A role of a workspace's own.
    CustomRoleId "rol";
    /// A canned reply.
    CannedReplyId "cnr";
    /// An erasure of a person.
    ErasureId "era";
    /// A backup.
    BackupId "bck";
    /// A drill: a backup that was restored to see that it can be.
    DrillId "drl";
    /// What keeps something from being erased.
    HoldId "hld";
    /// Something that a person is known by: an address, a number.
    IdentifierId "idn";
    /// A record that two persons are one.
    MergeId "mrg";
    /// A copy of what is held about a person, made for them.
    DataExportId "exp";
    /// An archive of everything of a workspace.
    WorkspaceExportId "wex";
    /// The end of a workspace.
    TerminationId "trm";
    /// A restriction of the processing of a person's data.
    RestrictionId "rst";
    /// A consent that a person gave.
    ConsentId "con";
    /// A request of a person about their data.
    PrivacyRequestId "prq";
    /// A job.
    JobId "job";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn an_id_reads_back_and_sorts_by_time() {
        let clock = Clock::fixed(Timestamp(1_790_000_000_000));
        let first = DocumentId::new(&clock);
        clock.advance(std::time::Duration::from_millis(1));
        let second = DocumentId::new(&clock);
        assert!(first < second && first.to_string() < second.to_string());
        assert_eq!(first.to_string().parse::<DocumentId>(), Ok(first));
        assert_eq!(first.to_string().to_uppercase().replacen("DOC", "doc", 1).parse::<DocumentId>(), Ok(first));
    }

    #[test]
    fn a_wrong_kind_and_a_malformed_id_are_both_unknown() {
        let doc = DocumentId::new(&Clock::system()).to_string();
        assert_eq!(ChatId::parse_or_unknown(&doc), ChatId::parse_or_unknown("nonsense"));
        assert_eq!(decode("zzzzzzzzzzzzzzzzzzzzzzzzzz"), None, "past 128 bits");
    }
}
