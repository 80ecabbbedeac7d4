//! `/leaks`: credentials that were found where they should not be.

pub mod github;
pub mod report;

use keywright_api::problem::Problem;
use keywright_authority::leaks::Leak;
use keywright_core::Bearer;

use super::App;
use super::gate::unavailable;

/// What was found, and where. An access token is told by its signature, however long ago it ended.
async fn leak(app: &App, text: &str, found_in: String) -> Result<Leak, Problem> {
    let made_from = match Bearer::sort(text.as_bytes()) {
        Bearer::Jwt(token) => {
            let epochs = app.authority().verifier().epochs();
            app.tokens().made_from(token, epochs).await.map_err(|_| unavailable())?
        }
        _ => None,
    };
    Ok(Leak::new(text, made_from, found_in))
}
