//! `keywright token cleanup`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::failure::Outcome;
use super::super::output::progress;
use super::super::session::Session;
use super::super::transport::Request;

/// Tidy up expired tokens.
#[derive(Args, Debug)]
pub(crate) struct Cleanup {
    /// Remove nothing
    #[arg(long)]
    deactivate_only: bool,

    /// Only tokens that expired at least so many days ago
    #[arg(long, value_name = "DAYS")]
    older_than_days: Option<u32>,
}

impl Cleanup {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let spinner = progress::spinner(session.output, "cleaning up");
        let answer = session.ask(&Request::post("/auth/tokens/cleanup", self.body()).repeatable(true)).await;
        spinner.finish_and_clear();
        session.show(&answer?)
    }

    fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("deactivate_only".to_owned(), json!(self.deactivate_only));
        if let Some(days) = self.older_than_days {
            body.insert("older_than_days".to_owned(), json!(days));
        }
        Value::Object(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_api::request::{Format, FromFields};
    use keywright_api::service_token_request::CleanupRequest;

    #[test]
    fn the_api_reads_what_the_flags_say() {
        let anything = |_: Format, _: &str| Ok(());
        for (deactivate_only, older_than_days) in [(true, None), (false, Some(30))] {
            let body = Cleanup { deactivate_only, older_than_days }.body();
            let request = CleanupRequest::from_body(body.to_string().as_bytes(), &anything).unwrap();
            let read = (request.deactivate_only, request.older_than_days);
            assert_eq!(read, (deactivate_only, older_than_days.unwrap_or(0)));
        }
    }
}
