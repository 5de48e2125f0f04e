//! Who answers for a workspace's data, as the public is told (GDPR art. 12 to 14): controller, data protection officer,
//! authority, where to complain. Set by the workspace, shown without signing in, and written into every refusal.

use sea_orm::{ActiveModelTrait, EntityTrait, sea_query::OnConflict};

use super::{
    calendar::Holidays,
    instructions::{self, Standing},
    requests::place::{self, PublicPlace},
};
use crate::{
    audit::{self, Event},
    error::{Error, Result},
    identity::email,
    plugins::{Recipient, Registry},
    scope::{Permission, Scope},
    store::{Store, WorkspaceTx, entity::privacy_settings as table},
    workspaces,
};

/// Where anybody finds the authority that is theirs.
const ALL_AUTHORITIES: &str = "https://www.edpb.europa.eu/about-edpb/about-edpb/members_en";

/// What the public is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Information {
    /// The controller: the customer.
    pub controller_name: String,
    /// Its postal address.
    pub controller_address: Option<String>,
    /// Where it is written to.
    pub controller_email: Option<String>,
    /// The data protection officer, or the office.
    pub dpo_name: Option<String>,
    /// Where requests are forwarded to.
    pub dpo_email: Option<String>,
    /// The supervisory authority.
    pub authority_name: Option<String>,
    /// Where one complains to it.
    pub authority_url: Option<String>,
    /// The customer's own privacy notice.
    pub notice_url: Option<String>,
    /// Which public holidays the agreement's business days leave out.
    pub holidays: Holidays,
}

/// What is to change; `None` stays, an empty text takes away.
#[derive(Debug, Clone, Default)]
pub struct InformationChange {
    /// See [`Information::controller_name`].
    pub controller_name: Option<String>,
    /// See [`Information::controller_address`].
    pub controller_address: Option<String>,
    /// See [`Information::controller_email`].
    pub controller_email: Option<String>,
    /// See [`Information::dpo_name`].
    pub dpo_name: Option<String>,
    /// See [`Information::dpo_email`].
    pub dpo_email: Option<String>,
    /// See [`Information::authority_name`].
    pub authority_name: Option<String>,
    /// See [`Information::authority_url`].
    pub authority_url: Option<String>,
    /// See [`Information::notice_url`].
    pub notice_url: Option<String>,
    /// See [`Information::holidays`].
    pub holidays: Option<Holidays>,
}

impl Information {
    /// Where one complains, in a sentence of this language.
    pub fn complaint_route(&self, language: &str) -> String {
        let url = self.authority_url.as_deref().unwrap_or(ALL_AUTHORITIES);
        let authority = |of_your_country: &str| match &self.authority_name {
            Some(name) => format!("{name} ({url})"),
            None => format!("{of_your_country} ({url})"),
        };
        match language {
            "fr" => format!(
                "Vous pouvez introduire une réclamation auprès de {}, ou de l’autorité de votre lieu de résidence ou de travail \
                 (RGPD, art. 77), et former un recours devant un tribunal (art. 79).",
                authority("l’autorité de protection des données de votre pays")
            ),
            "de" => format!(
                "Sie können sich bei {} oder bei der Behörde Ihres Wohn- oder Arbeitsortes beschweren (DSGVO, Art. 77) und vor \
                 Gericht gehen (Art. 79).",
                authority("der Datenschutzbehörde Ihres Landes")
            ),
            "es" => format!(
                "Puede presentar una reclamación ante {}, o ante la autoridad de su lugar de residencia o de trabajo (RGPD, \
                 art. 77), y acudir a los tribunales (art. 79).",
                authority("la autoridad de protección de datos de su país")
            ),
            _ => format!(
                "You may complain to {}, or to the authority where you live or work (GDPR art. 77), and go to court (art. 79).",
                authority("the data protection authority of your country")
            ),
        }
    }

    /// Where the controller is told of requests.
    pub fn told_at(&self) -> Option<&str> {
        self.dpo_email.as_deref().or(self.controller_email.as_deref())
    }
}

/// Of which workspace somebody wants to be told.
#[derive(Clone, Copy)]
pub enum Of<'a> {
    /// One's own.
    Own(&'a Scope),
    /// The one that is named.
    Named(PublicPlace<'a>),
}

/// All that is public about the processing of data in a workspace.
pub struct Told {
    /// Who answers for it.
    pub information: Information,
    /// What data is processed for.
    pub purposes: Vec<Standing>,
    /// Who gets data.
    pub recipients: Vec<Recipient>,
}

/// Tells what is public, whoever asks.
///
/// # Errors
/// `NotFound` where nobody is at the place.
pub async fn tell(store: &Store, registry: &Registry, of: Of<'_>) -> Result<Told> {
    let scope = match of {
        Of::Own(scope) => place::public_scope(scope.workspace()),
        Of::Named(named) => place::resolve(store, named).await?,
    };
    Ok(Told {
        information: current(&store.read(&scope).await?).await?,
        purposes: instructions::standings(&scope, store).await?,
        recipients: registry.recipients(&scope, store).await?,
    })
}

/// What the workspace set.
///
/// # Errors
/// `Forbidden` without `PRIVACY_READ`.
pub async fn get(scope: &Scope, store: &Store) -> Result<Information> {
    scope.require(Permission::PrivacyRead)?;
    current(&store.read(scope).await?).await
}

/// Changes what the public is told.
///
/// # Errors
/// `Forbidden` without `PRIVACY_WRITE`; `Invalid`.
pub async fn configure(scope: &Scope, store: &Store, change: InformationChange) -> Result<Information> {
    scope.require(Permission::PrivacyWrite)?;
    let change = change.checked()?;
    let tx = store.write(scope).await?;
    let stored = table::Entity::find_by_id(scope.workspace()).one(tx.db()).await?;
    let mut row = stored.unwrap_or_else(|| nothing(&tx));
    let mut names = Vec::new();
    let mut set = |name: &'static str, place: &mut Option<String>, wanted: Option<String>| {
        if let Some(wanted) = wanted {
            *place = (!wanted.is_empty()).then_some(wanted);
            names.push(name);
        }
    };
    set("controllerName", &mut row.controller_name, change.controller_name);
    set("controllerAddress", &mut row.controller_address, change.controller_address);
    set("controllerEmail", &mut row.controller_email, change.controller_email);
    set("dpoName", &mut row.dpo_name, change.dpo_name);
    set("dpoEmail", &mut row.dpo_email, change.dpo_email);
    set("authorityName", &mut row.authority_name, change.authority_name);
    set("authorityUrl", &mut row.authority_url, change.authority_url);
    set("noticeUrl", &mut row.notice_url, change.notice_url);
    if let Some(holidays) = change.holidays {
        row.holidays = name_of(holidays).to_owned();
        names.push("holidays");
    }
    row.updated_at = store.now();
    let replaced = OnConflict::column(table::Column::WorkspaceId)
        .update_columns([
            table::Column::ControllerName,
            table::Column::ControllerAddress,
            table::Column::ControllerEmail,
            table::Column::DpoName,
            table::Column::DpoEmail,
            table::Column::AuthorityName,
            table::Column::AuthorityUrl,
            table::Column::NoticeUrl,
            table::Column::Holidays,
            table::Column::UpdatedAt,
        ])
        .to_owned();
    let row = table::ActiveModel::from(row).reset_all();
    table::Entity::insert(row).on_conflict(replaced).exec_without_returning(tx.db()).await?;
    let now = current(&tx).await?;
    audit::append(scope, &tx, Event::new("privacy.configured").detail("changed", names)).await?;
    tx.commit().await?;
    Ok(now)
}

/// What the public is told, in a transaction. The controller is called as the workspace is, unless it says otherwise.
pub(super) async fn current(tx: &WorkspaceTx) -> Result<Information> {
    let row = table::Entity::find_by_id(tx.workspace()).one(tx.db()).await?.unwrap_or_else(|| nothing(tx));
    let controller_name = match row.controller_name {
        Some(name) => name,
        None => workspaces::current(tx).await?.name,
    };
    Ok(Information {
        controller_name,
        controller_address: row.controller_address,
        controller_email: row.controller_email,
        dpo_name: row.dpo_name,
        dpo_email: row.dpo_email,
        authority_name: row.authority_name,
        authority_url: row.authority_url,
        notice_url: row.notice_url,
        holidays: holidays_of(&row.holidays),
    })
}

/// Which public holidays count for the workspace of a transaction.
pub(super) async fn holidays(tx: &WorkspaceTx) -> Result<Holidays> {
    let row = table::Entity::find_by_id(tx.workspace()).one(tx.db()).await?;
    Ok(row.map_or_else(Holidays::default, |row| holidays_of(&row.holidays)))
}

impl InformationChange {
    fn checked(mut self) -> Result<Self> {
        let fields = [
            ("controllerName", &mut self.controller_name),
            ("controllerAddress", &mut self.controller_address),
            ("dpoName", &mut self.dpo_name),
            ("authorityName", &mut self.authority_name),
        ];
        for (field, text) in fields {
            if let Some(text) = text {
                *text = text.trim().to_owned();
                if text.chars().count() > 500 {
                    return Err(Error::invalid(field, "This may have 500 characters."));
                }
            }
        }
        for (field, address) in [("controllerEmail", &mut self.controller_email), ("dpoEmail", &mut self.dpo_email)] {
            if let Some(address) = address.as_mut().filter(|address| !address.trim().is_empty()) {
                *address =
                    email::normalised(address).map_err(|_| Error::invalid(field, "This is no e-mail address."))?;
            }
        }
        for (field, link) in [("authorityUrl", &mut self.authority_url), ("noticeUrl", &mut self.notice_url)] {
            if let Some(link) = link.as_mut().filter(|link| !link.trim().is_empty()) {
                let is_web = url::Url::parse(link.trim()).is_ok_and(|url| url.scheme() == "https");
                if !is_web || link.len() > 500 {
                    return Err(Error::invalid(field, "Give an address that starts with https://."));
                }
                *link = link.trim().to_owned();
            }
        }
        Ok(self)
    }
}

fn nothing(tx: &WorkspaceTx) -> table::Model {
    table::Model {
        workspace_id: tx.workspace(),
        controller_name: None,
        controller_address: None,
        controller_email: None,
        dpo_name: None,
        dpo_email: None,
        authority_name: None,
        authority_url: None,
        notice_url: None,
        holidays: name_of(Holidays::default()).to_owned(),
        updated_at: tx.store().now(),
    }
}

fn name_of(holidays: Holidays) -> &'static str {
    match holidays {
        Holidays::France => "FRANCE",
        Holidays::AlsaceMoselle => "ALSACE_MOSELLE",
    }
}

fn holidays_of(name: &str) -> Holidays {
    if name == "ALSACE_MOSELLE" { Holidays::AlsaceMoselle } else { Holidays::France }
}
