//! Who calls, decided on: a client is a service account with a service token that is accepted.

use http::HeaderMap;
use keywright_core::{Bearer, DenialCode, Requirements};
use keywright_verify::RecordCode;

use super::form::Parameters;
use super::refusal::{Refusal, Way};
use super::said::{Client, Said};
use crate::http::answer::denied;
use crate::http::auth::verification::Verification;
use crate::http::gate::{conflicting, missing};
use crate::http::look_up::Found;

/// A caller that is known.
pub(super) struct Caller {
    /// Its credential; of a client the service token.
    pub(super) found: Found,
    /// How it said who it is.
    pub(super) way: Way,
}

/// The caller, if it says who it is; a refusal is recorded.
///
/// # Errors
/// When it is not who it says, is not accepted, or lacks what is wanted.
pub(super) async fn caller(
    verification: &Verification<'_>,
    parameters: &Parameters,
    wanted: &Requirements,
) -> Result<Option<Caller>, Refusal> {
    match Said::read(verification.asked.headers, parameters) {
        Said::Nothing => Ok(None),
        Said::Bearer(credential) => {
            let found = verification.caller(credential, None, wanted).await;
            let found = found.map_err(|problem| Refusal::of(&problem, Way::Bearer))?;
            Ok(Some(Caller { found, way: Way::Bearer }))
        }
        Said::Client(client) => of_client(verification, &client, wanted).await.map(Some),
        Said::Twice => Err(twice(verification).await),
    }
}

/// The client that calls: nobody else may.
///
/// # Errors
/// As [`caller`], and without a client.
pub(super) async fn client(
    verification: &Verification<'_>,
    parameters: &Parameters,
) -> Result<Caller, Refusal> {
    match Said::read(verification.asked.headers, parameters) {
        Said::Client(client) => of_client(verification, &client, &Requirements::none()).await,
        Said::Nothing | Said::Bearer(_) => Err(nobody(verification).await),
        Said::Twice => Err(twice(verification).await),
    }
}

/// Whether the request says in any way who sends it.
pub(super) fn is_said(headers: &HeaderMap, parameters: &Parameters) -> bool {
    !matches!(Said::read(headers, parameters), Said::Nothing)
}

/// The refusal of whoever does not say who they are.
pub(super) async fn nobody(verification: &Verification<'_>) -> Refusal {
    let problem = verification.refusal(RecordCode::MissingCredential, None, missing()).await;
    Refusal::of(&problem, Way::Client)
}

async fn twice(verification: &Verification<'_>) -> Refusal {
    let problem = verification.refusal(RecordCode::ConflictingCredentials, None, conflicting()).await;
    Refusal::of(&problem, Way::Client)
}

/// Only a service token is a client's secret, and only one of that very account.
async fn of_client(
    verification: &Verification<'_>,
    client: &Client,
    wanted: &Requirements,
) -> Result<Caller, Refusal> {
    let secret = client.secret.as_bytes();
    let (Some(id), Bearer::Service(_)) = (client.id, Bearer::sort(secret)) else {
        let malformed = denied(DenialCode::Malformed, &[]);
        let problem = verification.refusal(RecordCode::Malformed, None, malformed).await;
        return Err(Refusal::of(&problem, Way::Client));
    };
    match verification.caller(secret, Some(id), wanted).await {
        Ok(found) => Ok(Caller { found, way: Way::Client }),
        Err(problem) => Err(Refusal::of(&problem, Way::Client)),
    }
}
