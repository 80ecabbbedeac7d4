//! What limits and places depend on: the server that nodes share, and the database of places.

use keywright_verify::{Limiter, Places, PlacesStatus};

use super::finding::Finding;
use crate::config::{Config, RateLimitBackend};

const LIMITS: &str = "rate limits";
const PLACES: &str = "places";

/// Looks at both, as far as they are configured.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let (RateLimitBackend::Redis, Some(url)) = (config.rate_limit.backend, &config.rate_limit.redis_url) {
        findings.push(shared(url.reveal()).await);
    }
    findings.extend(config.geoip.database.as_deref().map(places));
    findings
}

async fn shared(url: &str) -> Finding {
    let reached = match Limiter::shared(url) {
        Ok(limiter) => limiter.reach().await,
        Err(reason) => Err(reason),
    };
    match reached {
        Ok(()) => Finding::ok(LIMITS, "rate_limit.redis_url answers: all nodes count together"),
        Err(reason) => Finding::error(
            LIMITS,
            format!("rate_limit.redis_url cannot be reached ({reason}): each node counts by itself"),
            advice(&reason),
        ),
    }
}

/// Something answers there that TLS does not trust, or nothing does.
fn advice(reason: &str) -> &'static str {
    if reason.contains("certificate") {
        "add the authority of its certificate to the system's, or name a file of authorities in SSL_CERT_FILE"
    } else {
        "start Redis or Valkey there, or correct rate_limit.redis_url"
    }
}

fn places(path: &std::path::Path) -> Finding {
    let shown = path.display();
    match Places::open(path).status() {
        Some(PlacesStatus { built_at: Some(built_at), .. }) => {
            Finding::ok(PLACES, format!("{shown} can be read; it was built at {built_at}"))
        }
        status => Finding::error(
            PLACES,
            format!("{shown} cannot be read: {}", status.and_then(|status| status.fault).unwrap_or_default()),
            "put a whole database in MMDB format there, or take geoip.database out",
        ),
    }
}
