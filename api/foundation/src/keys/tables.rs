//! Where values stand that are sealed by the key of a workspace or of the installation: the register says which columns, and
//! here stands at which place each row's are.

use sea_orm::{QueryResult, Value};
use uuid::Uuid;

use crate::{error::Result, id::WorkspaceId, plugins::settings::row_of, privacy::register::Seal, vault::Place};

/// A table with sealed values.
#[derive(Debug)]
pub struct Sealed {
    /// Its name.
    pub table: &'static str,
    /// The columns.
    pub columns: &'static [&'static str],
    /// By which key.
    pub seal: Seal,
    at: At,
}

/// What tells a row from others, and what makes its place.
#[derive(Debug, Clone, Copy)]
enum At {
    /// An id in this column.
    Id(&'static str),
    /// A day: its number is the id.
    Day,
    /// A plugin's name, and the version of its settings.
    Plugin,
    /// A passage, and the model of a vector of it.
    Vector,
    /// A number in the workspace's own chain.
    Chain,
}

const fn of(table: &'static str, columns: &'static [&'static str], seal: Seal, at: At) -> Sealed {
    Sealed { table, columns, seal, at }
}

/// All of them. A test compares it with the register.
pub const TABLES: &[Sealed] = &[
    of("visitor_signing_keys", &["key_sealed"], Seal::Workspace, At::Id("id")),
    of("invitations", &["address_sealed"], Seal::Workspace, At::Id("id")),
    of("plugin_settings", &["settings_sealed"], Seal::Workspace, At::Plugin),
    of("identity_providers", &["client_secret_sealed"], Seal::Workspace, At::Id("workspace_id")),
    of("canned_replies", &["title_sealed", "text_sealed"], Seal::Workspace, At::Id("id")),
    of("staff_names", &["name_sealed"], Seal::Workspace, At::Id("account_id")),
    // What is about nobody; the rest is sealed by people's keys.
    of("audit_details", &["details_sealed"], Seal::Workspace, At::Chain),
    of("passages", &["text_sealed", "headings_sealed", "vector_sealed", "terms_sealed"], Seal::Workspace, At::Id("id")),
    of("passage_vectors", &["vector_sealed"], Seal::Workspace, At::Vector),
    of("accounts", &["email_sealed"], Seal::Root, At::Id("id")),
    of("second_factors", &["secret_sealed"], Seal::Root, At::Id("account_id")),
    of("passkeys", &["credential_sealed", "name_sealed"], Seal::Root, At::Id("id")),
    of("account_tickets", &["about_sealed"], Seal::Root, At::Id("id")),
    of("ip_tag_keys", &["key_sealed"], Seal::Root, At::Day),
    of("sessions", &["name_sealed"], Seal::Root, At::Id("id")),
    of("signing_keys", &["private_key_sealed"], Seal::Root, At::Id("id")),
    of("terminations", &["kept_sealed"], Seal::Root, At::Id("id")),
];

impl Sealed {
    /// The column that a row is found by.
    pub(super) fn found_by(&self) -> &'static str {
        match self.at {
            At::Id(column) => column,
            At::Day => "day",
            At::Plugin => "plugin_id",
            At::Vector => "passage_id",
            At::Chain => "seq",
        }
    }

    /// Every column that its place is made of.
    pub(super) fn selected(&self) -> String {
        let more = match self.at {
            At::Plugin => ", version",
            At::Vector => ", model_fingerprint",
            _ => "",
        };
        format!("{}{more}", self.found_by())
    }

    /// What a row is found by.
    pub(super) fn address(&self, row: &QueryResult) -> Result<Value> {
        Ok(match self.at {
            At::Id(column) => row.try_get::<Uuid>("", column)?.into(),
            At::Vector => row.try_get::<Uuid>("", "passage_id")?.into(),
            At::Plugin => row.try_get::<String>("", "plugin_id")?.into(),
            At::Day | At::Chain => row.try_get::<i64>("", self.found_by())?.into(),
        })
    }

    /// Where a value of a row stands.
    pub(super) fn place(&self, workspace: WorkspaceId, column: &'static str, row: &QueryResult) -> Result<Place> {
        let place = |id: Uuid| match self.seal {
            Seal::Root => Place::instance(self.table, column, id),
            _ => Place::new(workspace, self.table, column, id),
        };
        Ok(match self.at {
            At::Id(by) => place(row.try_get("", by)?),
            At::Day => place(Uuid::from_u128(row.try_get::<i64>("", "day")?.unsigned_abs().into())),
            At::Plugin => place(row_of(&row.try_get::<String>("", "plugin_id")?)).part(row.try_get("", "version")?),
            At::Chain => place(workspace.0).part(row.try_get("", "seq")?),
            At::Vector => {
                let model: Vec<u8> = row.try_get("", "model_fingerprint")?;
                let eight = |piece: &[u8]| i64::from_le_bytes(piece.try_into().unwrap_or_default());
                model
                    .chunks_exact(8)
                    .fold(place(row.try_get("", "passage_id")?), |place, piece| place.part(eight(piece)))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::privacy::register;

    #[test]
    fn every_column_that_the_register_calls_sealed_has_its_place_here() {
        let key_store = ["workspace_keys", "subject_keys", "look_up_keys"];
        let mut told = BTreeSet::new();
        for table in register::tables().filter(|table| !key_store.contains(&table.name.as_str())) {
            for column in table.columns() {
                let is_of_nobody = table.name == "audit_details" && column.sealed.is_some();
                if matches!(column.sealed, Some(Seal::Workspace | Seal::Root)) || is_of_nobody {
                    told.insert((table.name.as_str(), column.name.as_str()));
                }
            }
        }
        let here: BTreeSet<_> =
            TABLES.iter().flat_map(|sealed| sealed.columns.iter().map(|column| (sealed.table, *column))).collect();
        assert_eq!(here, told);
        for sealed in TABLES {
            for column in sealed.columns {
                let line = register::table(sealed.table).unwrap().column(column).unwrap();
                let expected = if sealed.table == "audit_details" { Seal::Subject } else { sealed.seal };
                assert_eq!(line.sealed, Some(expected), "{}.{column}", sealed.table);
            }
        }
    }
}
