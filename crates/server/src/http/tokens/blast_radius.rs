//! `GET /auth/tokens/{id}/blast-radius`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::blast_radius::{
    BlastRadius, BlastRadiusQuery, ChangeTally, EndpointCount, LeakPlace, LineageToken, MadeThing,
    OutcomeCount,
};
use keywright_api::location::SeenPlace;
use keywright_authority::analytics::Tally;
use keywright_authority::blast_radius;
use keywright_core::Timestamp;
use keywright_store::changes_made::{ChangeCount, MadeObject};
use keywright_store::leaks::LeakRow;
use keywright_store::usage::PlaceCount;

use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Caller, TokensRead};
use crate::http::input::{PathId, Query, invalid};
use crate::http::{App, view};

/// What a service token could do, and did: what to look through after a leak.
#[utoipa::path(
    get, path = "/auth/tokens/{id}/blast-radius", tag = "leaks", operation_id = "get_service_token_blast_radius",
    params(("id" = uuid::Uuid, Path, description = "The token"), BlastRadiusQuery),
    responses((status = 200, description = "What it could do, and did", body = BlastRadius),
        Refused),
)]
pub async fn blast_radius(
    State(app): State<App>,
    caller: Caller<TokensRead>,
    Query(query): Query<BlastRadiusQuery>,
    PathId(id): PathId,
) -> Result<Response, Refused> {
    let since = query.since.as_deref().map(str::parse::<Timestamp>).transpose();
    let since = since.map_err(|error| invalid("since", &error.to_string()))?;
    let found = blast_radius::of_service_token(app.authority(), &caller.call, id, since).await?;
    Ok(json_no_store(StatusCode::OK, &shown(found, app.authority().now())))
}

fn shown(found: blast_radius::BlastRadius, now: Timestamp) -> BlastRadius {
    let blast_radius::BlastRadius { token, epochs, from, .. } = found;
    BlastRadius {
        token_id: token.id.0,
        token_name: token.token_name.as_str().to_owned(),
        status: view::status(token.status(epochs, now)),
        permissions: view::scopes(&found.permissions),
        service_account_id: found.account.map(|account| account.id.0),
        publisher_id: found.publisher.map(|id| id.0),
        since: view::time(found.since),
        outcomes: found
            .outcomes
            .into_iter()
            .map(|(code, decisions)| OutcomeCount { code, decisions })
            .collect(),
        endpoints: found.endpoints.into_iter().take(100).map(endpoint).collect(),
        countries: from.countries.into_iter().map(seen).collect(),
        networks: from.networks.into_iter().map(seen).collect(),
        addresses: from.addresses.into_iter().map(seen).collect(),
        user_agents: from.user_agents.into_iter().map(seen).collect(),
        lineage: found
            .lineage
            .iter()
            .map(|row| LineageToken {
                token_id: row.id.0,
                token_name: row.token_name.as_str().to_owned(),
                status: view::status(row.status(epochs, now)),
                created_at: view::time(row.created_at),
            })
            .collect(),
        changes: found.changes.into_iter().map(changed).collect(),
        made: found.made.into_iter().map(made).collect(),
        leaks: found.leaks.into_iter().map(leaked).collect(),
    }
}

fn endpoint((endpoint, tally): (String, Tally)) -> EndpointCount {
    EndpointCount { endpoint, decisions: tally.decisions, denials: tally.denials }
}

fn seen(place: PlaceCount) -> SeenPlace {
    SeenPlace {
        name: place.label,
        decisions: place.decisions,
        denials: place.failures,
        first_seen_at: view::time(place.first_at),
        last_seen_at: view::time(place.last_at),
    }
}

fn changed(count: ChangeCount) -> ChangeTally {
    ChangeTally { kind: count.type_, changes: count.changes, last_at: view::time(count.last_at) }
}

fn made(object: MadeObject) -> MadeThing {
    MadeThing { kind: object.kind, id: object.id, name: object.name, made_at: view::time(object.made_at) }
}

fn leaked(row: LeakRow) -> LeakPlace {
    LeakPlace {
        found_in: row.found_in,
        source: row.source,
        revoked: row.revoked,
        reported_at: view::time(row.reported_at),
    }
}
