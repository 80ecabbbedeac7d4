//! Identities of other issuers: who they are here from their first use on, and what they may do.

use keywright_core::{
    Bonds, CredentialKind, ExternalIdentity, Grant, Mapping, PrincipalKind, PublisherId, ScopeSet, Standing,
    Tenancy, Timestamp, UserId,
};
use keywright_verify::Loaded;
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::grants::{PersonRow, default_publisher, no_platform, person_columns};
use crate::platform::{EpochRow, epoch_columns};
use crate::types::Time;

statements! {
    USER = [
        "SELECT ", epoch_columns!(), ", ", person_columns!("session"), ", \
         p.external_refused_at AS platform_refused_at, u.external_refused_at AS user_refused_at, \
         q.external_refused_at AS publisher_refused_at \
         FROM platform p LEFT JOIN external_identities x ON x.issuer = $1 AND x.subject = $2 \
         LEFT JOIN users u ON u.id = x.user_id AND u.deleted_at IS NULL \
         LEFT JOIN publishers q ON q.id = COALESCE($3, ", default_publisher!(), ") AND q.deleted_at IS NULL \
         LEFT JOIN memberships m ON m.user_id = u.id AND m.publisher_id = q.id \
         LEFT JOIN roles r ON r.id = m.role_id WHERE p.id = 1"
    ];
    PRINCIPAL = [
        "SELECT ", epoch_columns!(), ", q.id AS publisher_id, q.suspended_at, \
         p.external_refused_at AS platform_refused_at, q.external_refused_at AS publisher_refused_at \
         FROM platform p LEFT JOIN publishers q ON q.id = $1 AND q.deleted_at IS NULL WHERE p.id = 1"
    ];
    PINNED = [
        "SELECT u.id FROM external_identities x JOIN users u ON u.id = x.user_id AND u.deleted_at IS NULL \
         WHERE x.issuer = $1 AND x.subject = $2"
    ];
    FORGET_USER = ["DELETE FROM external_identities WHERE user_id = $1"];
    PIN = [
        "INSERT INTO external_identities (issuer, subject, id, user_id, created_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (issuer, subject) DO UPDATE SET user_id = excluded.user_id, created_at = excluded.created_at"
    ];
}

/// Forgets who a deleted user was elsewhere.
///
/// # Errors
/// As any query.
pub async fn forget_user(conn: Conn<'_>, user: UserId) -> Result<u64, StoreError> {
    change!(conn, FORGET_USER; user.0)
}

#[derive(sqlx::FromRow)]
struct UserRow {
    #[sqlx(flatten)]
    epochs: EpochRow,
    #[sqlx(flatten)]
    person: PersonRow,
    platform_refused_at: Option<Time>,
    user_refused_at: Option<Time>,
    publisher_refused_at: Option<Time>,
}

#[derive(sqlx::FromRow)]
struct PrincipalRow {
    #[sqlx(flatten)]
    epochs: EpochRow,
    publisher_id: Option<Uuid>,
    suspended_at: Option<Time>,
    platform_refused_at: Option<Time>,
    publisher_refused_at: Option<Time>,
}

impl UserRow {
    /// `allowed` are the publishers that the issuer's users may act for; `None`: all of theirs.
    fn into_loaded(
        self,
        identity: &ExternalIdentity,
        asked: Option<PublisherId>,
        allowed: Option<&[PublisherId]>,
    ) -> Result<Option<Loaded>, StoreError> {
        let refused = [self.platform_refused_at, self.user_refused_at, self.publisher_refused_at];
        let found = self.person.publisher_id.map(PublisherId);
        let is_allowed = |id: &PublisherId| allowed.is_none_or(|allowed| allowed.contains(id));
        // What nobody asked about is no denial: there is only nothing that could be done there.
        let within = asked.or(found.filter(is_allowed));
        let Some(mut person) = self.person.into_person(within)? else { return Ok(None) };
        if within.map_or(allowed.is_some(), |id| !is_allowed(&id)) {
            person.scopes = ScopeSet::default();
            if let Some(tenancy) = &mut person.bonds.publisher {
                (tenancy.standing, tenancy.role) = (Standing::Foreign, None);
            }
        }
        person.bonds.refused = refused.iter().any(Option::is_some);
        let name = person.email;
        Ok(Some(Loaded {
            grant: grant(identity, name, PrincipalKind::User, person.scopes, person.bonds),
            epochs: self.epochs.into(),
        }))
    }
}

impl PrincipalRow {
    fn into_loaded(
        self,
        identity: &ExternalIdentity,
        (name, scopes): (&str, &ScopeSet),
        asked: Option<PublisherId>,
    ) -> Loaded {
        let standing = match (self.publisher_id, self.suspended_at) {
            (None, _) => Standing::Foreign,
            (Some(_), Some(_)) => Standing::Suspended,
            (Some(_), None) => Standing::Good,
        };
        let publisher = asked.map(|id| Tenancy { id, standing, role: None });
        let bonds = Bonds {
            publishers: asked.into_iter().collect(),
            publisher,
            refused: self.platform_refused_at.is_some() || self.publisher_refused_at.is_some(),
            ..Bonds::default()
        };
        let grant = grant(identity, name.into(), PrincipalKind::External, scopes.clone(), bonds);
        Loaded { grant, epochs: self.epochs.into() }
    }
}

fn grant(
    identity: &ExternalIdentity,
    name: Box<str>,
    principal: PrincipalKind,
    scopes: ScopeSet,
    bonds: Bonds,
) -> Grant {
    Grant {
        credential_id: identity.id(),
        kind: CredentialKind::External,
        name,
        principal,
        scopes,
        metadata: None,
        expires_at: None,
        is_active: true,
        revoked: false,
        superseded: false,
        grace_expires_at: None,
        epoch: 0,
        bonds: Some(Box::new(bonds)),
        bounds: None,
    }
}

/// The grant of an identity; `None` of one that should be a user and is pinned to none.
pub(crate) async fn load(
    conn: Conn<'_>,
    identity: &ExternalIdentity,
    publisher: Option<PublisherId>,
) -> Result<Option<Loaded>, StoreError> {
    match &identity.mapping {
        Mapping::User { publishers, .. } => {
            let row = on!(conn, |c| sqlx::query_as::<DB, UserRow>(USER.text::<DB>())
                .bind(&*identity.issuer)
                .bind(&*identity.subject)
                .bind(publisher.map(|publisher| publisher.0))
                .fetch_optional(c))?;
            row.ok_or_else(no_platform)?.into_loaded(identity, publisher, publishers.as_deref())
        }
        Mapping::Principal { name, scopes, .. } => {
            let row = on!(conn, |c| sqlx::query_as::<DB, PrincipalRow>(PRINCIPAL.text::<DB>())
                .bind(publisher.map(|publisher| publisher.0))
                .fetch_optional(c))?;
            Ok(Some(row.ok_or_else(no_platform)?.into_loaded(identity, (name, scopes), publisher)))
        }
    }
}

/// The user that an identity is pinned to, unless that one was deleted.
///
/// # Errors
/// As any query.
pub async fn pinned(conn: Conn<'_>, identity: &ExternalIdentity) -> Result<Option<UserId>, StoreError> {
    let id = on!(conn, |c| sqlx::query_scalar::<DB, Uuid>(PINNED.text::<DB>())
        .bind(&*identity.issuer)
        .bind(&*identity.subject)
        .fetch_optional(c))?;
    Ok(id.map(UserId))
}

/// Pins an identity to a user. The caller holds the identity, and knows that it is pinned to nobody alive.
///
/// # Errors
/// As any query.
pub async fn pin(
    conn: Conn<'_>,
    identity: &ExternalIdentity,
    user: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    change!(conn, PIN; &*identity.issuer, &*identity.subject, identity.id().0, user.0, Time(now))?;
    Ok(())
}
