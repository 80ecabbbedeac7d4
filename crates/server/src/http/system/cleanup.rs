//! `POST /system/cleanup`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::WireEnum;
use keywright_api::cleanup::{CleanUp, CleanedUp, Leftover, LeftoverKind};
use keywright_api::request::FromFields;
use keywright_authority::cleanup;

use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Caller, TokensCleanUp};
use crate::http::input::{JsonBytes, NoQuery, rules};

/// Do at once what jobs do in their time: switch off, remove and forget what is over. Or only tell what would go.
#[utoipa::path(
    post, path = "/system/cleanup", tag = "system", operation_id = "clean_up",
    request_body = CleanUp,
    responses((status = 200, description = "What was over, and what is left of it", body = CleanedUp),
        Refused),
)]
pub async fn clean_up(
    State(app): State<App>,
    caller: Caller<TokensCleanUp>,
    _: NoQuery,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let CleanUp { dry_run } = CleanUp::from_body_or_empty(&body, &rules(&app))?;
    let found = cleanup::clean_up(app.authority(), caller.call, dry_run).await?;
    let items = found.into_iter().filter_map(|found| {
        let kind = LeftoverKind::from_word(found.kind.as_str())?;
        Some(Leftover { kind, due: found.due, left: found.left })
    });
    Ok(json_no_store(StatusCode::OK, &CleanedUp { dry_run, items: items.collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_the_same_words_for_what_is_over() {
        let stored: Vec<_> =
            keywright_store::leftovers::Leftover::ALL.iter().map(|kind| kind.as_str()).collect();
        let shown: Vec<_> = LeftoverKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(stored, shown);
    }
}
