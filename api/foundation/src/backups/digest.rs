//! What a table held, as one number that does not depend on the order of its rows: SQLite and Postgres sort differently.
//!
//! The SHA-256 hashes of the rows, added up modulo 2^256. A row that is changed, missing, twice or of another table changes the
//! sum. It tells whether a copy is equal, not whether somebody forged it: the hash and the seal of the whole part do that.

use sha2::{Digest, Sha256};

/// Adds up rows.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    table: String,
    count: u64,
    sum: [u8; 32],
}

impl Rows {
    pub fn of(table: &str) -> Self {
        Self { table: table.to_owned(), count: 0, sum: [0; 32] }
    }

    pub fn add(&mut self, line: &str) {
        let mut hash = Sha256::new();
        hash.update(self.table.as_bytes());
        hash.update([0]);
        hash.update(line.as_bytes());
        let mut carry = 0;
        for (sum, byte) in self.sum.iter_mut().zip(hash.finalize()).rev() {
            let added = u16::from(*sum) + u16::from(byte) + carry;
            *sum = added.to_be_bytes()[1];
            carry = added >> 8;
        }
        self.count += 1;
    }

    pub fn finish(self) -> TableDigest {
        TableDigest { table: self.table, rows: self.count, sum: hex::encode(self.sum) }
    }
}

/// How many rows a table had, and which.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDigest {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// The sum of their hashes, in hexadecimal.
    pub sum: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(table: &str, lines: &[&str]) -> TableDigest {
        let mut rows = Rows::of(table);
        lines.iter().for_each(|line| rows.add(line));
        rows.finish()
    }

    #[test]
    fn the_order_does_not_count_and_everything_else_does() {
        let all = sum("chats", &["[1]", "[2]", "[3]"]);
        assert_eq!(all, sum("chats", &["[3]", "[1]", "[2]"]));
        assert_eq!(all.rows, 3);
        for other in [
            sum("chats", &["[1]", "[2]"]),
            sum("chats", &["[1]", "[2]", "[4]"]),
            sum("chats", &["[1]", "[1]", "[1]"]),
            sum("chats", &["[1]", "[2]", "[3]", "[3]", "[3]"]),
            sum("answers", &["[1]", "[2]", "[3]"]),
            sum("chats", &["[1]2", "]", "[3]"]),
        ] {
            assert_ne!(all.sum, other.sum, "{other:?}");
        }
    }
}
