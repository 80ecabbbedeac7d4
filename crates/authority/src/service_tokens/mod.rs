//! Service tokens: one file for each use case.
//!
//! A token stands alone, which makes it the platform's, or belongs to a service account and so to the
//! account's publisher. Those of accounts are reached by two ways: among all tokens, with the right to manage
//! tokens, and below their account, with the right to manage accounts.

mod cleanup;
mod create;
mod read;
mod revoke;
mod rotate;
mod rotate_all;
mod update;
pub(crate) mod within;

pub use cleanup::{CleanUp, CleanedUp, clean_up};
pub use create::{Create, Expiry, Holder, create};
pub use read::{get, list, list_of_account, myself};
pub use revoke::revoke;
pub use rotate::{DEFAULT_GRACE_SECONDS, MAX_GRACE_SECONDS, Rotate, rotate};
pub use rotate_all::{MAX_ROTATED, RotateAll, Rotated, rotate_all};
pub use update::{MetadataChange, Update, update};

use keywright_core::{
    ActorRef, CredentialId, CredentialName, PlainToken, PublisherId, ServiceAccountId, Timestamp, Wanted,
};
use keywright_store::service_tokens::{self, NewServiceToken, ServiceTokenRow};
use keywright_store::{Conn, platform};

use self::within::Home;
use crate::authority::Authority;
use crate::call::{Call, Needs, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::Minted;
use crate::service_accounts;
use crate::{entropy, jobs};

/// What lets its bearer see service tokens.
pub const READ: &str = "tokens:read";
/// What lets its bearer manage service tokens.
pub const ADMIN: &str = "tokens:admin";
/// What lets its bearer rotate the very credential that calls.
pub const ROTATE_SELF: &str = "tokens:rotate_self";

/// Which token a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The one with this id; needs the right to manage tokens.
    Id(CredentialId),
    /// That of an account; needs the right to manage accounts.
    OfAccount(ServiceAccountId, CredentialId),
    /// The very one that calls.
    Myself,
}

impl From<CredentialId> for Target {
    fn from(id: CredentialId) -> Self {
        Self::Id(id)
    }
}

impl Target {
    /// Its id, and the publisher within which it is looked for.
    pub(crate) fn place(self, call: &Call) -> Result<(Option<PublisherId>, CredentialId), Fault> {
        match self {
            Self::Id(id) | Self::OfAccount(_, id) => Ok((call.within(), id)),
            Self::Myself => Ok((None, calling(call)?)),
        }
    }

    /// What lets its bearer see it.
    pub(crate) const fn to_read(self) -> &'static str {
        match self {
            Self::OfAccount(..) => service_accounts::READ,
            Self::Id(_) | Self::Myself => READ,
        }
    }

    /// What lets its bearer change it.
    fn to_change(self) -> Result<Needs, Fault> {
        needs(match self {
            Self::OfAccount(..) => service_accounts::ADMIN,
            Self::Id(_) | Self::Myself => ADMIN,
        })
    }

    /// The row, if it is the one that is meant.
    async fn meant(
        self,
        conn: Conn<'_>,
        call: &Call,
        row: Option<ServiceTokenRow>,
    ) -> Result<ServiceTokenRow, Fault> {
        let row = row.ok_or(Fault::NotFound)?;
        if let Self::OfAccount(account, _) = self {
            // Below an account that is gone there is nothing.
            let there = keywright_store::service_accounts::by_id(conn, call.within(), account).await?;
            if there.is_none() || row.service_account_id != Some(account) {
                return Err(Fault::NotFound);
            }
        }
        Ok(row)
    }

    /// The token as it is now.
    pub(crate) async fn look(self, mut conn: Conn<'_>, call: &Call) -> Result<ServiceTokenRow, Fault> {
        let (within, id) = self.place(call)?;
        let row = service_tokens::by_id(conn.reborrow(), within, id).await?;
        self.meant(conn, call, row).await
    }

    /// The account that the token belongs to, which is the same as long as it lives.
    async fn account(self, authority: &Authority, call: &Call) -> Result<Option<ServiceAccountId>, Fault> {
        let mut reader = authority.store().read().await?;
        Ok(self.look(reader.conn(), call).await?.service_account_id)
    }

    /// Begins a change of the token, and gives it as it is held until that ends.
    async fn begin(
        self,
        authority: &Authority,
        call: &Call,
        needs: &Needs,
    ) -> Result<(Change, ServiceTokenRow), Fault> {
        self.begin_with(authority, call, needs, None).await
    }

    /// The same, with an account held too.
    async fn begin_with(
        self,
        authority: &Authority,
        call: &Call,
        needs: &Needs,
        account: Option<ServiceAccountId>,
    ) -> Result<(Change, ServiceTokenRow), Fault> {
        let (within, id) = self.place(call)?;
        let mut change = Change::begin_of(authority, call, needs, within, id, account).await?;
        let row = change.target.take();
        let row = self.meant(change.tx.conn(), call, row).await?;
        Ok((change, row))
    }
}

/// The credential that calls. What was made from a token is not that token, and does nothing to it: else who has
/// what ends in minutes would make of it what lasts.
fn calling(call: &Call) -> Result<CredentialId, Fault> {
    let bearing = call.actor.bearing().ok_or(Fault::NotFound)?;
    match bearing.wanted {
        Wanted::TokenAccess { .. } => Err(Fault::NotFound),
        _ => Ok(bearing.credential_id),
    }
}

/// The account that a token belongs to; `None` of one that stands alone, and when the account is gone.
async fn home_of(conn: Conn<'_>, token: &ServiceTokenRow) -> Result<Option<Home>, Fault> {
    match token.service_account_id {
        Some(account) => Home::of(conn, token.publisher_id, account).await,
        None => Ok(None),
    }
}

/// The end of what takes the place of a token: the old one's length of life counted from now.
pub(crate) fn inherited_end(old: &ServiceTokenRow, now: Timestamp) -> Option<Timestamp> {
    old.expires_at.map(|end| now.plus_micros(end.micros_since(old.created_at)))
}

/// What takes the place of a token: the same in all but its secret and its life.
pub(crate) fn successor(
    old: &ServiceTokenRow,
    id: CredentialId,
    expires_at: Option<Timestamp>,
    epoch: u64,
    created_by: ActorRef,
    now: Timestamp,
) -> (PlainToken, NewServiceToken) {
    mint(|secret| NewServiceToken {
        id,
        token_name: old.token_name.clone(),
        token_hash: secret.hash(),
        token_hint: secret.hint(),
        permissions: old.permissions.clone(),
        metadata: old.metadata.clone(),
        is_active: old.is_active,
        expires_at,
        epoch,
        rotated_from_id: Some(old.id),
        service_account_id: old.service_account_id,
        publisher_id: old.publisher_id,
        limits: old.limits,
        allowlist: old.allowlist.clone(),
        lineage_id: Some(old.lineage()),
        created_by,
        created_at: now,
    })
}

/// Makes the secret of a new token and puts its hash and hint into the row.
fn mint(fill: impl FnOnce(&PlainToken) -> NewServiceToken) -> (PlainToken, NewServiceToken) {
    let secret = PlainToken::service(&entropy::token());
    let row = fill(&secret);
    (secret, row)
}

/// Ends a change that mints: commits what is new. Everything else is rolled back at once and not by a
/// drop: the idempotency key is free for the next try when this one is answered.
pub(crate) async fn finish<T>(
    authority: &Authority,
    call: &Call,
    change: Change,
    outcome: Result<Minted<T>, Fault>,
    invalidation: Invalidation,
) -> Result<Minted<T>, Fault> {
    let minted = match outcome {
        Ok(minted) if !minted.repeated => minted,
        outcome => {
            change.tx.rollback().await;
            return outcome;
        }
    };
    authority.commit(change.tx, invalidation, call.confirm).await?;
    if let Some(secret) = &minted.secret {
        authority.verifier().forget_unknown(secret.hash());
    }
    Ok(minted)
}

/// Frees a name that a token bears which was revoked with others and no job has marked yet: a name is
/// free as soon as its bearer is revoked. Tells whether it is worth trying again.
async fn free_name(
    authority: &Authority,
    account: Option<ServiceAccountId>,
    name: Option<&CredentialName>,
) -> Result<bool, Fault> {
    let Some(name) = name else { return Ok(false) };
    let mut tx = authority.store().begin_change(&[], &[]).await?;
    let epochs = platform::epochs(tx.conn()).await?;
    let bearer = service_tokens::live_by_name(tx.conn(), account, name.as_str()).await?;
    let Some(row) = bearer else { return Ok(true) };
    if !row.is_revoked(epochs) {
        return Ok(false);
    }
    let reason = if row.epoch < epochs.service { jobs::EMERGENCY } else { jobs::WITH_ACCOUNT };
    // False: the job was faster.
    service_tokens::revoke(tx.conn(), row.id, authority.now(), Some(reason)).await?;
    tx.commit().await?;
    Ok(true)
}
