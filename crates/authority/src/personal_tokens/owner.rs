//! What the owner of tokens may do at this moment, and what publishers say of personal tokens.

use keywright_core::{
    BuiltInRole, Mapping, Name, PersonalTokenPolicy, PublisherId, ScopeSet, Timestamp, UserId, Wanted,
};
use keywright_store::memberships::Scope;
use keywright_store::personal_tokens::{Approval as Given, PersonalTokenRow, Place};
use keywright_store::{Conn, memberships, personal_tokens, publishers, users};
use serde::{Deserialize, Serialize};

use super::{WRITE, in_person};
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// Whether a token may be used within a publisher, as far as that one has a say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Approval {
    /// The publisher asks for none.
    NotRequired,
    /// Nobody has approved it yet.
    Pending,
    /// Approved, at this moment.
    Given(Timestamp),
}

/// What a publisher says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublisherWord {
    /// The publisher.
    pub publisher: PublisherId,
    /// Whether the token may be used there.
    pub approval: Approval,
}

/// What a user could grant in one publisher, or at platform level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grantable {
    /// The publisher; none at platform level.
    pub publisher: Option<(PublisherId, Name)>,
    /// What the user may do there.
    pub permissions: ScopeSet,
    /// Whether the user may make tokens for it.
    pub may_create: bool,
    /// What the publisher says of personal tokens.
    pub policy: PersonalTokenPolicy,
}

/// The owner of tokens, as they are at this moment.
pub(super) struct Owner {
    /// What they may do by a role of the platform.
    of_platform: Option<ScopeSet>,
    /// What they may do in publishers: those that they belong to, and then what was learnt of others.
    scopes: Vec<Scope>,
    /// How many they belong to.
    joined: usize,
    /// The publisher beyond which whoever asks knows nothing.
    within: Option<PublisherId>,
}

impl Owner {
    /// A user who exists.
    pub(super) async fn read(
        mut conn: Conn<'_>,
        user: UserId,
        within: Option<PublisherId>,
    ) -> Result<Self, Fault> {
        let row = users::by_id(conn.reborrow(), user, within).await?.ok_or(Fault::NotFound)?;
        let role = row.platform_role.as_deref().and_then(BuiltInRole::parse);
        let mut scopes = memberships::scopes_of_user(conn, user).await?;
        scopes.retain(|scope| within.is_none_or(|within| scope.publisher == within));
        let joined = scopes.len();
        Ok(Self { of_platform: role.map(BuiltInRole::permissions), scopes, joined, within })
    }

    /// Who has a role of the platform acts in every publisher: reads what these say.
    pub(super) async fn learn(&mut self, mut conn: Conn<'_>, ids: &[PublisherId]) -> Result<(), Fault> {
        let Some(permissions) = self.of_platform.clone() else { return Ok(()) };
        for id in ids {
            if self.scope(*id).is_some() || self.within.is_some_and(|within| within != *id) {
                continue;
            }
            if let Some(row) = publishers::by_id(conn.reborrow(), *id).await? {
                self.scopes.push(Scope {
                    publisher: *id,
                    publisher_name: row.name,
                    personal_tokens: row.settings.personal_tokens,
                    permissions: permissions.clone(),
                });
            }
        }
        Ok(())
    }

    /// The same of whatever their tokens name.
    pub(super) async fn learn_all(&mut self, mut conn: Conn<'_>, user: UserId) -> Result<(), Fault> {
        if self.of_platform.is_none() {
            return Ok(());
        }
        let named: Vec<_> =
            personal_tokens::named_publishers(conn.reborrow(), user).await?.into_iter().collect();
        self.learn(conn, &named).await
    }

    /// What they may do in a publisher; none where they have no part in it.
    pub(super) fn scope(&self, publisher: PublisherId) -> Option<&Scope> {
        self.scopes.iter().find(|scope| scope.publisher == publisher)
    }

    /// What they may do by a role of the platform.
    pub(super) const fn of_platform(&self) -> Option<&ScopeSet> {
        self.of_platform.as_ref()
    }

    /// Where tokens of theirs may be used, as far as was learnt.
    pub(super) fn places(&self) -> Vec<Place> {
        let place = |(number, scope): (usize, &Scope)| Place {
            publisher: scope.publisher,
            needs_approval: scope.personal_tokens.require_approval,
            if_named: number >= self.joined,
        };
        self.scopes.iter().enumerate().map(place).collect()
    }

    /// What the publishers that a token is for say of it.
    pub(super) fn words(&self, row: &PersonalTokenRow, given: &[Given]) -> Vec<PublisherWord> {
        let known =
            if row.terms.publisher_ids.is_some() { &self.scopes[..] } else { &self.scopes[..self.joined] };
        let word = |scope: &Scope| {
            let publisher = scope.publisher;
            let found = given
                .iter()
                .find(|given| given.lineage_id == row.lineage_id && given.publisher_id == publisher);
            let approval = match found {
                _ if !scope.personal_tokens.require_approval => Approval::NotRequired,
                Some(given) => Approval::Given(given.approved_at),
                None => Approval::Pending,
            };
            PublisherWord { publisher, approval }
        };
        known.iter().filter(|scope| row.terms.is_for(scope.publisher)).map(word).collect()
    }
}

/// The publishers that another issuer may speak for, where it is that one's word that the caller is by: beyond
/// them nothing is made either.
pub(super) fn confined_to(call: &Call) -> Option<&[PublisherId]> {
    match &call.actor.bearing()?.wanted {
        Wanted::External { identity, .. } => match &identity.mapping {
            Mapping::User { publishers, .. } => publishers.as_deref(),
            Mapping::Principal { .. } => None,
        },
        _ => None,
    }
}

/// What the caller could grant, publisher by publisher.
///
/// # Errors
/// [`Fault::UserRequired`].
pub async fn grantable(authority: &Authority, call: &Call) -> Result<Vec<Grantable>, Fault> {
    let user = in_person(call)?;
    let mut reader = authority.store().read().await?;
    let owner = Owner::read(reader.conn(), user, None).await?;
    let write = ScopeSet::parse([WRITE]).map_err(|(_, error)| Fault::Internal(error.to_string()))?;
    let confined = confined_to(call);
    let of_platform = owner.of_platform.iter().filter(|_| confined.is_none()).map(|permissions| Grantable {
        publisher: None,
        permissions: permissions.clone(),
        may_create: true,
        policy: PersonalTokenPolicy::default(),
    });
    let known = |scope: &&Scope| confined.is_none_or(|ids| ids.contains(&scope.publisher));
    let within = owner.scopes.iter().filter(known).map(|scope| Grantable {
        publisher: Some((scope.publisher, scope.publisher_name.clone())),
        may_create: scope.personal_tokens.allowed && scope.permissions.covers_all(&write),
        permissions: scope.permissions.clone(),
        policy: scope.personal_tokens,
    });
    Ok(of_platform.chain(within).collect())
}
