//! Other issuers: whether their keys can be had from here.

use keywright_verify::jwt::KeySet;
use keywright_verify::tokens::FetchKeys;

use super::finding::Finding;
use crate::config::Config;
use crate::issuers::{Fetcher, configured};

const CHECK: &str = "issuer";
const ADVICE: &str = "see that this machine reaches the issuer over HTTPS, and that it is the right one: while its \
     keys cannot be fetched, known ones count for a day";

/// Fetches the keys of each issuer.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let issuers = configured(config);
    let fetcher = match Fetcher::new() {
        Ok(fetcher) => fetcher,
        Err(error) => return vec![Finding::error(CHECK, error.to_string(), ADVICE)],
    };
    let mut findings = Vec::new();
    for issuer in issuers {
        let read = fetcher.fetch(&issuer).await.and_then(|bytes| {
            let set = KeySet::parse(&bytes).map_err(|error| error.to_string())?;
            if set.keys().is_empty() { Err("no usable key among them".to_owned()) } else { Ok(set) }
        });
        findings.push(match read {
            Ok(set) => Finding::ok(CHECK, format!("{} publishes {} keys", issuer.name, set.keys().len())),
            Err(reason) => Finding::error(
                CHECK,
                format!("the keys of {} cannot be fetched: {reason}", issuer.name),
                ADVICE,
            ),
        });
    }
    findings
}
