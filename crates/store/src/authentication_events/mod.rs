//! Authentication events: one row for each recorded decision.

mod batch;
mod partitions;
mod retention;

use std::net::IpAddr;

use keywright_core::{CredentialId, EventId, Timestamp};
use keywright_verify::RecordCode;
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

pub(crate) use self::batch::append_batch;
pub use self::partitions::{EventTable, MadePartitions, tables};
pub use self::retention::{Slice, SliceDone, delete_slice, drop_partition};
use crate::conn::{Conn, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::security_events::{SortOrder, push_order};
use crate::sql::{Sql, builder};
use crate::types::{Ip, Time, to_u64};

macro_rules! event_columns {
    () => {
        "occurred_at, id, event_type, success, code, occurrences, credential_id, token_name, principal_type, principal_id, \
         asked_by, publisher_id, user_email, ip_address, country, user_agent, method, endpoint, \
         cloudflare_ray_id, request_id, latency_micros, stale, error_details, node_id"
    };
}
use event_columns;

statements! {
    COUNT = ["SELECT COUNT(*) FROM authentication_events"];
}

/// An authentication event as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthenticationEventRow {
    /// Its id.
    pub id: EventId,
    /// When the decision was made.
    pub occurred_at: Timestamp,
    /// What was going on: `verify` or `gate`.
    pub event_type: String,
    /// Whether the credential was accepted.
    pub success: bool,
    /// How it ended.
    pub code: String,
    /// How many decisions it stands for: more than 1 where a flood was only counted.
    pub occurrences: u64,
    /// The credential decided on, when it is known.
    pub credential_id: Option<CredentialId>,
    /// Its name at that moment.
    pub token_name: Option<String>,
    /// What its principal is.
    pub principal_type: Option<String>,
    /// Its principal.
    pub principal_id: Option<Uuid>,
    /// The credential that asked about another.
    pub asked_by: Option<CredentialId>,
    /// The publisher that it was decided for.
    pub publisher_id: Option<Uuid>,
    /// The address that was given at a login, where no user has it: users are kept by id alone.
    pub user_email: Option<String>,
    /// The original client.
    pub ip_address: Option<IpAddr>,
    /// In which country that is, or `private`.
    pub country: Option<String>,
    /// Its user agent.
    pub user_agent: Option<String>,
    /// The original method.
    pub method: Option<String>,
    /// The original endpoint.
    pub endpoint: Option<String>,
    /// Cloudflare's id of the original request.
    pub cloudflare_ray_id: Option<String>,
    /// Keywright's id of the request.
    pub request_id: String,
    /// From the request's arrival to the decision, in microseconds.
    pub latency_micros: u64,
    /// Decided in the stale grace.
    pub stale: bool,
    /// More about a failure.
    pub error_details: Option<Value>,
    /// The node that decided.
    pub node_id: Uuid,
}

#[derive(sqlx::FromRow)]
struct RawEvent {
    occurred_at: Time,
    id: Uuid,
    event_type: String,
    success: bool,
    code: String,
    occurrences: i64,
    credential_id: Option<Uuid>,
    token_name: Option<String>,
    principal_type: Option<String>,
    principal_id: Option<Uuid>,
    asked_by: Option<Uuid>,
    publisher_id: Option<Uuid>,
    user_email: Option<String>,
    ip_address: Option<Ip>,
    country: Option<String>,
    user_agent: Option<String>,
    method: Option<String>,
    endpoint: Option<String>,
    cloudflare_ray_id: Option<String>,
    request_id: String,
    latency_micros: i64,
    stale: bool,
    error_details: Option<Json<Value>>,
    node_id: Uuid,
}

impl From<RawEvent> for AuthenticationEventRow {
    fn from(raw: RawEvent) -> Self {
        Self {
            id: EventId(raw.id),
            occurred_at: raw.occurred_at.into(),
            event_type: raw.event_type,
            success: raw.success,
            code: raw.code,
            occurrences: to_u64(raw.occurrences),
            credential_id: raw.credential_id.map(CredentialId),
            token_name: raw.token_name,
            principal_type: raw.principal_type,
            principal_id: raw.principal_id,
            asked_by: raw.asked_by.map(CredentialId),
            publisher_id: raw.publisher_id,
            user_email: raw.user_email,
            ip_address: raw.ip_address.map(Into::into),
            country: raw.country,
            user_agent: raw.user_agent,
            method: raw.method,
            endpoint: raw.endpoint,
            cloudflare_ray_id: raw.cloudflare_ray_id,
            request_id: raw.request_id,
            latency_micros: to_u64(raw.latency_micros),
            stale: raw.stale,
            error_details: raw.error_details.map(|json| json.0),
            node_id: raw.node_id,
        }
    }
}

/// Which authentication events to list; `None` is all.
#[derive(Clone, Debug, Default)]
pub struct AuthenticationEventFilter {
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Of this principal.
    pub principal_id: Option<Uuid>,
    /// About this credential.
    pub credential_id: Option<CredentialId>,
    /// Decided for this publisher.
    pub publisher_id: Option<Uuid>,
    /// Of this type.
    pub event_type: Option<String>,
    /// Accepted or refused.
    pub success: Option<bool>,
    /// Ended so.
    pub code: Option<String>,
    /// From this address.
    pub ip_address: Option<IpAddr>,
    /// In this order.
    pub order: SortOrder,
    /// After this one in the list.
    pub after: Option<(Timestamp, EventId)>,
    /// Most rows to give.
    pub limit: u32,
}

impl AuthenticationEventFilter {
    /// The condition on `success`: written out, since an index over failures only serves a statement
    /// that asks for nothing else whatever its values are. A denial's code asks for failures too.
    fn outcome(&self) -> Option<&'static str> {
        match self.success {
            Some(true) => Some(" AND success"),
            Some(false) => Some(" AND NOT success"),
            None if self.code.as_deref().is_some_and(|code| code != RecordCode::Valid.as_str()) => {
                Some(" AND NOT success")
            }
            None => None,
        }
    }
}

/// Lists authentication events.
///
/// # Errors
/// As any query.
pub async fn list(
    conn: Conn<'_>,
    filter: &AuthenticationEventFilter,
) -> Result<Vec<AuthenticationEventRow>, StoreError> {
    let sql = list_statement(filter);
    let raw = on!(conn, |c| async { builder!(sql).build_query_as::<RawEvent>().fetch_all(c).await })?;
    Ok(raw.into_iter().map(Into::into).collect())
}

pub(crate) fn list_statement(filter: &AuthenticationEventFilter) -> Sql {
    let mut sql = Sql::new(concat!("SELECT ", event_columns!(), " FROM authentication_events WHERE 1 = 1"));
    sql.filter(" AND occurred_at >= ", filter.since)
        .filter(" AND occurred_at < ", filter.until)
        .filter(" AND principal_id = ", filter.principal_id)
        .filter(" AND credential_id = ", filter.credential_id.map(|id| id.0))
        .filter(" AND publisher_id = ", filter.publisher_id)
        .filter(" AND event_type = ", filter.event_type.as_deref())
        .filter(" AND code = ", filter.code.as_deref())
        .filter(" AND ip_address = ", filter.ip_address);
    if let Some(outcome) = filter.outcome() {
        sql.text(outcome);
    }
    if let Some((moment, _)) = filter.after {
        // The comparison of pairs says it too, but skips no partition.
        let beyond = match filter.order {
            SortOrder::Descending => " AND occurred_at <= ",
            SortOrder::Ascending => " AND occurred_at >= ",
        };
        sql.text(beyond).bind(moment);
    }
    push_order(&mut sql, filter.order, filter.after, filter.limit);
    sql
}

/// How many events are stored.
///
/// # Errors
/// As any query.
pub async fn count(conn: Conn<'_>) -> Result<u64, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(COUNT.text::<DB>()).fetch_one(c))?;
    Ok(to_u64(count))
}
