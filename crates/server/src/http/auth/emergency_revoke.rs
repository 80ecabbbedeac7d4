//! `POST /auth/emergency-revoke`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::emergency::{
    AllowExternal, EmergencyRevoke as Body, EmergencyRevoked, EmergencyScope, ExternalAllowed, Include,
    NodeConfirmations, PendingNode, RevokedCounts,
};
use keywright_api::request::FromFields;
use keywright_authority::emergency;
use keywright_authority::nodes::Confirmations;
use keywright_core::{PublisherId, ServiceAccountId, UserId};

use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Caller, EmergencyRevoke};
use crate::http::input::{JsonBytes, NoQuery, rules};
use crate::http::{App, view};

/// Revoke everything in reach, at once.
///
/// In force on this node when the call returns, and on every node that is named as confirmed. A node
/// that is pending will have stopped by itself at the moment given.
#[utoipa::path(
    post, path = "/auth/emergency-revoke", tag = "service tokens", operation_id = "emergency_revoke",
    request_body = Body,
    responses((status = 200, description = "Revoked", body = EmergencyRevoked),
        Refused),
)]
pub async fn emergency_revoke(
    State(app): State<App>,
    caller: Caller<EmergencyRevoke>,
    _: NoQuery,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let wanted = Body::from_body(&body, &rules(&app))?;
    let wanted = emergency::EmergencyRevoke {
        reason: wanted.reason,
        scope: scope(wanted.scope),
        kinds: emergency::Kinds {
            service: wanted.include.contains(&Include::Service),
            personal: wanted.include.contains(&Include::Personal),
            sessions: wanted.include.contains(&Include::Sessions),
            external: wanted.include.contains(&Include::External),
        },
        keep_caller: wanted.keep_caller,
    };
    let revoked = emergency::revoke(app.authority(), caller.call, wanted).await?;
    let answer = EmergencyRevoked {
        revoked: RevokedCounts {
            service: revoked.service,
            personal: revoked.personal,
            sessions: revoked.sessions,
        },
        event_id: revoked.event_id.0,
        nodes: confirmations(&revoked.nodes),
    };
    Ok(json_no_store(StatusCode::OK, &answer))
}

/// Accept the tokens of other issuers again that an emergency refuses.
#[utoipa::path(
    post, path = "/auth/emergency-revoke/allow-external", tag = "service tokens", operation_id = "allow_external",
    request_body = AllowExternal,
    responses((status = 200, description = "Accepted again", body = ExternalAllowed),
        Refused),
)]
pub async fn allow_external(
    State(app): State<App>,
    caller: Caller<EmergencyRevoke>,
    _: NoQuery,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let wanted = AllowExternal::from_body(&body, &rules(&app))?;
    let nodes = emergency::allow_external(app.authority(), caller.call, scope(wanted.scope)).await?;
    Ok(json_no_store(StatusCode::OK, &ExternalAllowed { nodes: confirmations(&nodes) }))
}

fn scope(scope: EmergencyScope) -> emergency::Scope {
    match scope {
        EmergencyScope::All(_) => emergency::Scope::All,
        EmergencyScope::PublisherId(id) => emergency::Scope::Publisher(PublisherId(id)),
        EmergencyScope::ServiceAccountId(id) => emergency::Scope::Account(ServiceAccountId(id)),
        EmergencyScope::UserId(id) => emergency::Scope::User(UserId(id)),
    }
}

/// The nodes, as the API shows them.
pub fn confirmations(nodes: &Confirmations) -> NodeConfirmations {
    NodeConfirmations {
        confirmed: nodes.confirmed.iter().map(|node| node.0).collect(),
        pending: nodes
            .pending
            .iter()
            .map(|pending| PendingNode { node: pending.node.0, stops_by: view::time(pending.stops_by) })
            .collect(),
    }
}
