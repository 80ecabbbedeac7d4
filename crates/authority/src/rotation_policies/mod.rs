//! Policies of automated rotation: on a line of service tokens, on an account, on a publisher, on the platform.
//!
//! Where secrets go to is the one thing in them that gives somebody something: whoever says it gets every secret
//! that is made under it. So it is for those alone who could make such tokens themselves, and what they could do
//! then is written down beside it ([`PolicyRow::reach`]): a token that can do more is not rotated under it.

mod change;
mod effective;
mod key;
mod subject;

pub use change::{Create, DeliveryChange, Update, create, delete, put_of_account, update};
pub use effective::{EffectiveOf, effective};
pub use subject::PolicySubject;

use keywright_core::{RotationPolicyId, ServiceAccountId};
use keywright_store::rotation_policies::{self, ListFilter, PolicyRow};
use keywright_store::service_accounts as accounts;
use serde_json::{Value, json};

use crate::audit::{Snapshot, Subject};
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use crate::service_accounts;

pub use crate::maintenance_windows::{ADMIN, READ};

/// What the secret of a delivery is sealed for; its salt is the id of the policy.
pub(crate) const PURPOSE: &str = "keywright rotation delivery v1";

fn event_subject(row: &PolicyRow) -> Subject {
    Subject { kind: "rotation_policy", id: Some(row.id.0), name: None }
}

/// Without what lets a delivery in, of which only is told whether it is there.
impl Snapshot for PolicyRow {
    fn snapshot(&self) -> Value {
        json!({
            "level": self.level,
            "subject_id": self.subject_id,
            "publisher_id": self.publisher_id,
            "terms": self.terms,
            "reach": self.reach,
            "has_secret": self.sealed_secret.is_some(),
        })
    }
}

/// One policy.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`; [`Fault::NotFound`].
pub async fn get(authority: &Authority, call: &Call, id: RotationPolicyId) -> Result<PolicyRow, Fault> {
    call.require(READ)?;
    let mut reader = authority.store().read().await?;
    rotation_policies::by_id(reader.conn(), call.within(), id).await?.ok_or(Fault::NotFound)
}

/// The policy on an account; none when there is none.
///
/// # Errors
/// [`Fault::Denied`] without `service_accounts:read`; [`Fault::NotFound`] when there is no such account.
pub async fn of_account(
    authority: &Authority,
    call: &Call,
    id: ServiceAccountId,
) -> Result<Option<PolicyRow>, Fault> {
    call.require(service_accounts::READ)?;
    let mut reader = authority.store().read().await?;
    accounts::by_id(reader.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
    Ok(rotation_policies::by_subject(reader.conn(), id.0).await?)
}

/// A page of policies, newest first: those of the publisher that the call is about, or all.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`.
pub async fn list(authority: &Authority, call: &Call, filter: ListFilter) -> Result<Vec<PolicyRow>, Fault> {
    call.require(READ)?;
    let Ok(within) = call.narrowed_to(filter.within) else { return Ok(Vec::new()) };
    let filter = ListFilter { within, ..filter };
    Ok(rotation_policies::list(authority.store().read().await?.conn(), &filter).await?)
}
