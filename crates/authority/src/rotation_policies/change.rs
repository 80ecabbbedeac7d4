//! Making, changing and deleting policies.

use std::fmt;

use keywright_core::rotation::{Delivery, Level, Policy};
use keywright_core::{PlainToken, PublisherId, RotationPolicyId, ScopeSet, ServiceAccountId};
use keywright_store::holdings::Holding;
use keywright_store::rotation_policies::{self, PolicyRow};
use keywright_store::{Conn, StoreError, maintenance_windows, service_accounts as accounts};
use zeroize::Zeroizing;

use super::key::{Key, key_of};
use super::subject::Found;
use super::{ADMIN, PolicySubject, event_subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, Grantor, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::{Held, Minted};
use crate::room::must_have_room;
use crate::rotations::deliveries;
use crate::service_tokens::finish;
use crate::{entropy, service_accounts, service_tokens};

/// Where secrets are to go to, and what lets the delivery in there.
#[derive(Clone, PartialEq, Eq)]
pub struct DeliveryChange {
    /// Where to.
    pub delivery: Delivery,
    /// What lets the delivery in; when not given, what is there stays, as long as it is for the same kind and place.
    /// A webhook is given a new one otherwise.
    pub secret: Option<Zeroizing<String>>,
}

impl fmt::Debug for DeliveryChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryChange").field("delivery", &self.delivery).finish_non_exhaustive()
    }
}

/// A policy to be made.
#[derive(Clone, Debug)]
pub struct Create {
    /// What it is to be on.
    pub subject: PolicySubject,
    /// What it says, but for the delivery.
    pub terms: Policy,
    /// Where secrets go to.
    pub delivery: Option<DeliveryChange>,
}

/// A change: what is `None` stays, `Some(None)` leaves it to the next policy.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Whether tokens are rotated.
    pub enabled: Option<Option<bool>>,
    /// See [`Policy::max_age_days`].
    pub max_age_days: Option<Option<u32>>,
    /// See [`Policy::rotate_before_expiry_days`].
    pub rotate_before_expiry_days: Option<Option<u32>>,
    /// See [`Policy::high_usage_threshold`].
    pub high_usage_threshold: Option<Option<u32>>,
    /// See [`Policy::high_usage_max_age_days`].
    pub high_usage_max_age_days: Option<Option<u32>>,
    /// See [`Policy::grace_seconds`].
    pub grace_seconds: Option<Option<u32>>,
    /// See [`Policy::quiet_hours`].
    pub quiet_hours: Option<Option<u32>>,
    /// See [`Policy::confirm_within_hours`].
    pub confirm_within_hours: Option<Option<u32>>,
    /// See [`Policy::maintenance_window_id`].
    pub maintenance_window_id: Option<Option<keywright_core::MaintenanceWindowId>>,
    /// Where secrets go to.
    pub delivery: Option<Option<DeliveryChange>>,
}

impl Update {
    /// All of it anew: what is not said is left to the next policy.
    pub fn replacing(terms: &Policy, delivery: Option<DeliveryChange>) -> Self {
        Self {
            enabled: Some(terms.enabled),
            max_age_days: Some(terms.max_age_days),
            rotate_before_expiry_days: Some(terms.rotate_before_expiry_days),
            high_usage_threshold: Some(terms.high_usage_threshold),
            high_usage_max_age_days: Some(terms.high_usage_max_age_days),
            grace_seconds: Some(terms.grace_seconds),
            quiet_hours: Some(terms.quiet_hours),
            confirm_within_hours: Some(terms.confirm_within_hours),
            maintenance_window_id: Some(terms.maintenance_window_id),
            delivery: Some(delivery),
        }
    }

    fn apply(&self, terms: &mut Policy) {
        macro_rules! set {
            ($($field:ident),+) => {
                $(if let Some(value) = &self.$field {
                    terms.$field.clone_from(value);
                })+
            };
        }
        set!(enabled, max_age_days, rotate_before_expiry_days, high_usage_threshold, high_usage_max_age_days);
        set!(grace_seconds, quiet_hours, confirm_within_hours, maintenance_window_id);
        if let Some(change) = &self.delivery {
            terms.delivery = change.as_ref().map(|change| change.delivery.clone());
        }
    }
}

/// Makes a policy. What its deliveries are signed with, where that is new, is told this once.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin`; [`Fault::Invalid`]; [`Fault::ScopeExceedsGrantor`] for a delivery
/// that is more than the caller's own; [`Fault::PolicyExists`]; [`Fault::TooManyObjects`]; those of
/// an idempotency key.
pub async fn create(authority: &Authority, call: Call, wanted: Create) -> Result<Minted<PolicyRow>, Fault> {
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            let mut change = Change::begin(&own, &call, &needs(ADMIN)?).await?;
            let made = make(&own, &call, held.as_ref(), wanted, &mut change).await;
            finish(&own, &call, change, made, Invalidation::None).await
        })
        .await
}

async fn make(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    wanted: Create,
    change: &mut Change,
) -> Result<Minted<PolicyRow>, Fault> {
    let now = change.now;
    if let Some(held) = held
        && let Some(first) = held.repeated(change.tx.conn(), now).await?
    {
        return Ok(first);
    }
    let found = wanted.subject.find(change.tx.conn(), call).await?;
    let made = insert(authority, call, found, wanted.terms, wanted.delivery, change).await?;
    let (row, conn) = (&made.token, change.tx.conn());
    match (held, &made.secret) {
        (Some(held), Some(secret)) => held.keep(conn, &call.actor, row, secret, now).await?,
        (Some(held), None) => held.keep_answer(conn, &call.actor, row, now).await?,
        (None, _) => {}
    }
    Ok(made)
}

/// A policy as it is now, with what its deliveries are signed with from now on, where that is new.
fn told(token: PolicyRow, secret: Option<PlainToken>) -> Minted<PolicyRow> {
    Minted { token, secret, repeated: false }
}

/// Inserts a policy on what was found.
async fn insert(
    authority: &Authority,
    call: &Call,
    found: Found,
    mut terms: Policy,
    delivery: Option<DeliveryChange>,
    Change { tx, grantor, now, .. }: &mut Change,
) -> Result<Minted<PolicyRow>, Fault> {
    let id = RotationPolicyId::generate(*now, entropy::id());
    may_name_window(tx.conn(), found.publisher_id, &terms).await?;
    let mut reach = ScopeSet::default();
    let mut key = Key::default();
    if let Some(change) = &delivery {
        reach = may_deliver(authority, grantor, found.level, found.scopes.as_ref(), &change.delivery)?;
        key = key_of(authority, id, change, None)?;
    }
    terms.delivery = delivery.map(|change| change.delivery);
    let row = PolicyRow {
        id,
        level: found.level,
        subject_id: found.subject_id,
        publisher_id: found.publisher_id,
        terms,
        reach,
        sealed_secret: key.sealed,
        created_by: grantor.actor.clone(),
        created_at: *now,
        updated_at: *now,
        version: 1,
    };
    must_have_room(tx.conn(), row.publisher_id, Holding::RotationPolicy).await?;
    match rotation_policies::insert(tx.conn(), &row).await {
        Err(StoreError::Duplicate(_)) => return Err(Fault::PolicyExists),
        other => other?,
    }
    let event = Event::new("rotation_policy.created", grantor.actor.clone(), Some(call), event_subject(&row));
    event.publisher(row.publisher_id).after(&row).write(authority, tx.conn()).await?;
    Ok(told(row, key.new))
}

/// A window is of the same publisher, or of the platform, as the policy that names it.
async fn may_name_window(
    conn: Conn<'_>,
    publisher: Option<PublisherId>,
    terms: &Policy,
) -> Result<(), Fault> {
    let Some(id) = terms.maintenance_window_id else { return Ok(()) };
    let window = maintenance_windows::by_id(conn, None, id).await?;
    if window.is_some_and(|window| window.publisher_id == publisher) {
        return Ok(());
    }
    Err(Fault::field("maintenance_window_id", "there is no such window of the same publisher"))
}

/// Whether the caller may say that secrets go there; gives what is written down of its own rights.
fn may_deliver(
    authority: &Authority,
    grantor: &Grantor,
    level: Level,
    scopes: Option<&ScopeSet>,
    delivery: &Delivery,
) -> Result<ScopeSet, Fault> {
    if *delivery == Delivery::None {
        return Ok(ScopeSet::default());
    }
    let refused =
        |detail: &str| Fault::ScopeExceedsGrantor { missing: ScopeSet::default(), detail: detail.to_owned() };
    if delivery.kind().is_of_the_node() && grantor.home.is_some() {
        return Err(refused("files and programs of this server are for the platform alone"));
    }
    if grantor.bounded.is_some() {
        return Err(refused(
            "a personal token, or one of a service account, does not decide where secrets go to",
        ));
    }
    let makes_tokens = match level {
        Level::ServiceAccount => {
            grantor.holds(service_accounts::ADMIN) || grantor.holds(service_tokens::ADMIN)
        }
        Level::ServiceToken | Level::Publisher | Level::Platform => grantor.holds(service_tokens::ADMIN),
    };
    if !makes_tokens {
        return Err(refused("where secrets go to is decided by those who may make such tokens"));
    }
    if let Some(scopes) = scopes {
        grantor.may_grant(scopes)?;
    }
    let bad = |field: &str, detail: String| Fault::field(&format!("delivery.{field}"), detail);
    if level != Level::ServiceToken
        && let Some(field) = delivery.one_place()
    {
        let detail = "must contain {lineage_id}: tokens would overwrite each other's secrets";
        return Err(bad(field, detail.to_owned()));
    }
    deliveries::admits(authority, delivery).map_err(|(field, detail)| bad(field, detail))?;
    Ok(grantor.permissions.clone())
}

/// Changes a policy; rotations that have begun go on as they were decided on. What its deliveries are signed with,
/// where that is new, is told this once.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`];
/// [`Fault::Invalid`]; [`Fault::ScopeExceedsGrantor`].
pub async fn update(
    authority: &Authority,
    call: Call,
    id: RotationPolicyId,
    wanted: Update,
) -> Result<Minted<PolicyRow>, Fault> {
    let own = authority.clone();
    authority
        .carry_out(async move {
            let mut change = Change::begin_with(&own, &call, &needs(ADMIN)?, &[], &[id.0]).await?;
            let before = rotation_policies::by_id(change.tx.conn(), call.within(), id).await?;
            let before = before.ok_or(Fault::NotFound)?;
            call.expects(before.version)?;
            let after = write(&own, &call, before, &wanted, &mut change).await?;
            own.commit(change.tx, Invalidation::None, call.confirm).await?;
            Ok(after)
        })
        .await
}

async fn write(
    authority: &Authority,
    call: &Call,
    before: PolicyRow,
    wanted: &Update,
    Change { tx, grantor, now, .. }: &mut Change,
) -> Result<Minted<PolicyRow>, Fault> {
    let (mut after, mut new) = (before.clone(), None);
    wanted.apply(&mut after.terms);
    if after.terms.maintenance_window_id != before.terms.maintenance_window_id {
        may_name_window(tx.conn(), after.publisher_id, &after.terms).await?;
    }
    if let Some(delivery) = &wanted.delivery {
        let scopes = scopes_of(tx.conn(), &before).await?;
        let (reach, key) = match delivery {
            Some(change) => (
                may_deliver(authority, grantor, before.level, scopes.as_ref(), &change.delivery)?,
                key_of(authority, before.id, change, Some(&before))?,
            ),
            None => (ScopeSet::default(), Key::default()),
        };
        (after.reach, after.sealed_secret, new) = (reach, key.sealed, key.new);
    }
    if after == before {
        return Ok(told(before, None));
    }
    if !rotation_policies::update(tx.conn(), &after, *now).await? {
        return Err(Fault::PreconditionFailed);
    }
    (after.version, after.updated_at) = (before.version + 1, *now);
    let event =
        Event::new("rotation_policy.updated", grantor.actor.clone(), Some(call), event_subject(&after));
    let event = event.publisher(after.publisher_id).before(&before).after(&after);
    event.write(authority, tx.conn()).await?;
    Ok(told(after, new))
}

/// What the tokens under a policy can do at most, where that is known. Of a line of tokens that changes, and is
/// compared with what is written down when one of them is rotated.
async fn scopes_of(conn: Conn<'_>, row: &PolicyRow) -> Result<Option<ScopeSet>, Fault> {
    if row.level != Level::ServiceAccount {
        return Ok(None);
    }
    let account = accounts::by_id(conn, None, ServiceAccountId(row.subject_id)).await?;
    Ok(account.map(|account| account.scopes))
}

/// Says all of the policy on an account anew, and makes one where there is none; a new secret is told as by [`update`].
///
/// # Errors
/// As [`update`], with `service_accounts:admin` in the place of `monitoring:admin`.
pub async fn put_of_account(
    authority: &Authority,
    call: Call,
    id: ServiceAccountId,
    terms: Policy,
    delivery: Option<DeliveryChange>,
) -> Result<Minted<PolicyRow>, Fault> {
    let own = authority.clone();
    authority
        .carry_out(async move {
            let needed = needs(service_accounts::ADMIN)?;
            let mut change = Change::begin_with(&own, &call, &needed, &[], &[id.0]).await?;
            accounts::by_id(change.tx.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
            let found = rotation_policies::by_subject(change.tx.conn(), id.0).await?;
            let after = if let Some(before) = found {
                call.expects(before.version)?;
                let wanted = Update::replacing(&terms, delivery);
                write(&own, &call, before, &wanted, &mut change).await?
            } else {
                call.expects(0)?;
                let found = PolicySubject::ServiceAccount(id).find(change.tx.conn(), &call).await?;
                insert(&own, &call, found, terms, delivery, &mut change).await?
            };
            own.commit(change.tx, Invalidation::None, call.confirm).await?;
            Ok(after)
        })
        .await
}

/// Deletes a policy; rotations that have begun go on, but for deliveries that needed its secret. Deleting it again
/// changes nothing.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`].
pub async fn delete(authority: &Authority, call: Call, id: RotationPolicyId) -> Result<(), Fault> {
    let own = authority.clone();
    authority
        .carry_out(async move {
            let change = Change::begin_with(&own, &call, &needs(ADMIN)?, &[], &[id.0]).await?;
            let Change { mut tx, grantor, now, .. } = change;
            let Some(before) = rotation_policies::by_id(tx.conn(), call.within(), id).await? else {
                let existed = rotation_policies::has_existed(tx.conn(), call.within(), id).await?;
                return if existed { Ok(()) } else { Err(Fault::NotFound) };
            };
            call.expects(before.version)?;
            rotation_policies::delete(tx.conn(), id, now).await?;
            let event =
                Event::new("rotation_policy.deleted", grantor.actor, Some(&call), event_subject(&before));
            event.publisher(before.publisher_id).before(&before).write(&own, tx.conn()).await?;
            own.commit(tx, Invalidation::None, call.confirm).await?;
            Ok(())
        })
        .await
}
