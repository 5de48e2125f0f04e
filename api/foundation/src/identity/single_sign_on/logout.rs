//! The provider says that somebody's sign-in is over (OpenID Connect Back-Channel Logout 1.0): so is what rests on it here, at
//! once, open sockets included.

use std::time::Duration;

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::OnConflict};

use super::{SingleSignOn, of_provider, providers, session_index, subject_index};
use crate::{
    audit,
    error::{Error, ErrorKind, Result},
    id::WorkspaceId,
    identity::{
        sessions::{self, Because, live_at},
        unauthenticated,
    },
    scope::Scope,
    store::entity::{logout_tokens, sessions as session_table},
};

/// For how long a token is remembered: longer than it is taken.
const REMEMBERED: Duration = Duration::from_secs(20 * 60);

/// Takes a logout token for a workspace's provider, and ends the sessions it is about. Says how many. A session that ended
/// already is no error: the provider is told that it is over.
///
/// # Errors
/// `Unauthenticated` for a workspace without single sign-on, and whatever is wrong with the token; `Conflict` where it was
/// taken before; `Unavailable` where the provider's keys cannot be had.
pub async fn log_out(sso: &SingleSignOn, workspace: WorkspaceId, token: &str) -> Result<u64> {
    let store = &sso.store;
    let provider = providers::usable(store, workspace).await?.ok_or_else(unauthenticated)?;
    let issuer = provider.row.issuer.as_str();
    let over = sso.sign_on.logout(&provider.party, token, store.now().seconds()).await.map_err(of_provider)?;
    let scope = Scope::duty(workspace, "back-channel logout");
    let tx = store.write(&scope).await?;
    // The workspace is part of it: two of them may be at one provider.
    let id = store.vault().instance_index("logout token", &format!("{workspace}\n{issuer}\n{}", over.id));
    let row = logout_tokens::ActiveModel { token_index: Set(id), expires_at: Set(store.now().plus(REMEMBERED)) };
    let once = OnConflict::column(logout_tokens::Column::TokenIndex).do_nothing().to_owned();
    let is_new = logout_tokens::Entity::insert(row).on_conflict(once).exec_without_returning(tx.db()).await? > 0;
    if !is_new {
        return Err(Error::new(ErrorKind::Conflict, "This logout token was taken before."));
    }
    let mut theirs = session_table::Entity::find()
        .filter(session_table::Column::MemberWorkspaceId.eq(workspace))
        .filter(session_table::Column::ProviderIssuer.eq(issuer))
        .filter(live_at(store.now()));
    if let Some(subject) = &over.subject {
        theirs = theirs.filter(session_table::Column::ProviderSubjectIndex.eq(subject_index(store, issuer, subject)));
    }
    if let Some(session) = &over.session {
        theirs = theirs.filter(session_table::Column::ProviderSessionIndex.eq(session_index(store, issuer, session)));
    }
    let mut ended = 0;
    for session in theirs.all(tx.db()).await? {
        if sessions::end(&tx, session.id, Because::SignedOutAtProvider).await? {
            let event = sessions::event("session.revoked", session.id);
            let event = event.detail("because", Because::SignedOutAtProvider.name());
            audit::append(&scope, &tx, event).await?;
            ended += 1;
        }
    }
    tx.commit().await?;
    Ok(ended)
}
