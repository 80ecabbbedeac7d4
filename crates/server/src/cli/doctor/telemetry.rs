//! Metrics and traces: whether what is configured can be served, and reached.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;

use super::finding::Finding;
use crate::config::Config;

const METRICS: &str = "metrics";
const TRACES: &str = "traces";
/// Nothing here is worth a longer wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at both.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = vec![metrics(config.server.metrics_listen).await];
    findings.extend(traces(config).await);
    findings
}

fn client() -> Option<reqwest::Client> {
    reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build().ok()
}

async fn metrics(listen: Option<SocketAddr>) -> Finding {
    let Some(address) = listen else {
        return Finding::ok(METRICS, "on the main listener, for bearers of system_status");
    };
    let free = match TcpListener::bind(address) {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::AddrInUse => false,
        Err(error) => {
            let what = format!("server.metrics_listen, {address}, cannot be listened on: {error}");
            return Finding::error(METRICS, what, "give an address of this machine and a free port");
        }
    };
    if !free && !answers(address).await {
        let what = format!("server.metrics_listen, {address}, is taken by something else");
        return Finding::error(METRICS, what, "give a free port");
    }
    let state = if free { "is free" } else { "answers" };
    if address.ip().is_loopback() {
        return Finding::ok(METRICS, format!("server.metrics_listen, {address}, {state}"));
    }
    Finding::warning(
        METRICS,
        format!("server.metrics_listen, {address}, {state}, and asks for no credential"),
        "make sure that only your Prometheus can connect to it",
    )
}

/// Whether a server of ours serves metrics there.
async fn answers(address: SocketAddr) -> bool {
    let ip = if address.ip().is_unspecified() { "localhost".to_owned() } else { bracketed(address) };
    let Some(client) = client() else { return false };
    let answer = client.get(format!("http://{ip}:{}/metrics", address.port())).send().await;
    let Ok(answer) = answer else { return false };
    answer.text().await.is_ok_and(|text| text.contains("keywright_build_info"))
}

fn bracketed(address: SocketAddr) -> String {
    if address.is_ipv6() { format!("[{}]", address.ip()) } else { address.ip().to_string() }
}

/// Sends an empty batch, which every receiver takes.
async fn traces(config: &Config) -> Option<Finding> {
    let endpoint = config.telemetry.otlp_endpoint.as_ref()?.as_str();
    let request =
        client()?.post(format!("{endpoint}/v1/traces")).header(CONTENT_TYPE, "application/x-protobuf");
    let advice = "look whether telemetry.otlp_endpoint is the address of a receiver of OTLP over HTTP, often on port 4318";
    Some(match request.send().await {
        Ok(answer) if answer.status().is_success() => Finding::ok(TRACES, format!("{endpoint} takes them")),
        Ok(answer) if matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            Finding::warning(
                TRACES,
                format!("{endpoint} asks for a credential"),
                "the server sends the headers in OTEL_EXPORTER_OTLP_HEADERS, which this check does not",
            )
        }
        Ok(answer) => Finding::warning(TRACES, format!("{endpoint} answers {}", answer.status()), advice),
        Err(error) => {
            let error = error.without_url();
            Finding::warning(TRACES, format!("{endpoint} cannot be reached: {error}"), advice)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;
    use crate::config::{LoadInput, load};
    use axum::Router;
    use axum::routing::{get, post};

    async fn serve(router: Router) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    fn config(settings: &[(&str, &str)]) -> Config {
        let flags = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        load(&LoadInput { flags, dev: true, ..LoadInput::default() }).config.unwrap()
    }

    #[tokio::test]
    async fn a_port_for_metrics_is_free_ours_or_taken() {
        let ours = serve(Router::new().route("/metrics", get(async || "keywright_build_info{} 1"))).await;
        assert_eq!(metrics(Some(ours)).await.severity, Severity::Ok);
        let taken = serve(Router::new().route("/", get(async || "something else"))).await;
        assert_eq!(metrics(Some(taken)).await.severity, Severity::Error);
        assert_eq!(metrics(None).await.severity, Severity::Ok);
        assert_eq!(metrics(Some("127.0.0.1:0".parse().unwrap())).await.severity, Severity::Ok);
        assert_eq!(metrics(Some("0.0.0.0:0".parse().unwrap())).await.severity, Severity::Warning);
        // Documentation addresses are nobody's (RFC 5737).
        assert_eq!(metrics(Some("192.0.2.1:1".parse().unwrap())).await.severity, Severity::Error);
    }

    #[tokio::test]
    async fn a_receiver_of_traces_takes_them_or_the_finding_says_why_not() {
        assert_eq!(traces(&config(&[])).await, None);
        let takes = serve(Router::new().route("/v1/traces", post(async || ""))).await;
        let asks = serve(Router::new().route("/v1/traces", post(async || StatusCode::UNAUTHORIZED))).await;
        let other = serve(Router::new()).await;
        for (address, severity, said) in [
            (takes, Severity::Ok, "takes"),
            (asks, Severity::Warning, "credential"),
            (other, Severity::Warning, "404"),
        ] {
            let url = format!("http://{address}");
            let finding = traces(&config(&[("telemetry.otlp_endpoint", &url)])).await.unwrap();
            assert_eq!(finding.severity, severity, "{finding:?}");
            assert!(finding.what.contains(said), "{finding:?}");
        }
    }
}
