//! The server of this machine, asked through its socket.

use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use super::finding::Finding;
use crate::cli::output::details::text;
use crate::cli::transport::{Api, Request, Wire};

const CHECK: &str = "server";

/// What a running server says of itself; nothing when none runs.
pub(super) async fn look(socket: &Path) -> Option<Vec<Finding>> {
    UnixStream::connect(socket).ok()?;
    let api = match Wire::socket(socket) {
        Ok(wire) => Api::Wire(wire),
        Err(error) => return Some(vec![unreachable(&error)]),
    };
    Some(match api.send(&Request::get("/system/status")).await {
        Err(error) => vec![unreachable(&error)],
        Ok(answer) if !answer.status.is_success() => vec![unreachable(&answer.status)],
        Ok(answer) => told(&answer.json),
    })
}

fn unreachable(why: &dyn std::fmt::Display) -> Finding {
    Finding::error(
        CHECK,
        format!("it runs, but cannot be asked: {why}"),
        "look into its log; then start it anew",
    )
}

fn told(status: &Value) -> Vec<Finding> {
    let version = format!("running, version {}, node {}", text(status, "version"), text(status, "node_id"));
    let mut findings = vec![Finding::ok(CHECK, version)];
    let mut check = |name: &'static str, good: bool, yes: &str, no: &str, advice: &str| {
        findings.push(if good { Finding::ok(name, yes) } else { Finding::error(name, no, advice) });
    };
    let is = |part: &str, fact: &str| status[part][fact] == Value::Bool(true);
    check("store", is("store", "reachable"), "reachable", "cannot be reached", "look into the server's log");
    check(
        "verification",
        is("verification", "able"),
        "answers",
        "does not answer",
        "look into the server's log",
    );
    let no = "cannot be written: nothing is verified";
    check(
        "journal of the server",
        is("journal", "writable"),
        "can be written",
        no,
        "make room, or give its rights back",
    );
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn where_no_server_runs_nothing_is_said() {
        assert!(look(Path::new("/nonexistent/keywright.db.sock")).await.is_none());
    }

    #[test]
    fn what_the_server_lacks_is_an_error() {
        let status = |able: bool| {
            json!({"version": "0.1.0", "node_id": "n", "store": {"reachable": true},
                   "verification": {"able": able}, "journal": {"writable": true}})
        };
        let bad =
            |able| told(&status(able)).iter().filter(|finding| finding.severity == Severity::Error).count();
        assert_eq!((bad(true), bad(false)), (0, 1));
    }
}
