//! Reporting what was decided here: where the journal's records go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use keywright_api::remote_cache::{MAX_REPORTED, ReportUsage, ReportedCode, ReportedDecision, UsageReported};
use keywright_core::Scope;
use keywright_core::id::SegmentId;
use keywright_verify::{
    Appended, DecisionRecord, EventKind, EventSink, Piece, RecordCode, Reject, SourceError,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::ClientError;
use crate::transport::Call;

/// The file beside the segments that says how far they were reported.
const POSITIONS: &str = "reported.json";
/// Most bytes of what a record holds beside its facts: what the journal keeps of details.
const MAX_DETAILS_BYTES: usize = 2_000;
/// About so many bytes go into one report, below what the authority takes.
const MAX_REPORT_BYTES: usize = 700 * 1024;

/// What a record of a kept decision holds beside its facts, as the details of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Details {
    voucher: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    missing_scopes: Vec<String>,
}

impl Details {
    /// Whether a voucher can be recorded at all.
    pub(super) fn fits(voucher: &str) -> bool {
        voucher.len() <= MAX_DETAILS_BYTES - 100
    }

    /// As they are recorded, with as many scopes as fit.
    pub(super) fn write(voucher: &str, missing: &[Scope]) -> String {
        let mut left = (MAX_DETAILS_BYTES - 100).saturating_sub(voucher.len());
        let missing = missing.iter().map(Scope::as_str).take_while(|scope| {
            let fits = scope.len() + 3 <= left;
            left = left.saturating_sub(scope.len() + 3);
            fits
        });
        let details =
            Self { voucher: voucher.to_owned(), missing_scopes: missing.map(str::to_owned).collect() };
        serde_json::to_string(&details).unwrap_or_default()
    }
}

/// Takes records of the journal to the authority. Which it has taken is known there, by the ids of the records, which are
/// the same each time that they are read; how far a segment was reported is kept beside it, so that the next process
/// need not report all of it again.
pub(super) struct Reporter {
    client: Client,
    path: PathBuf,
    positions: Mutex<BTreeMap<SegmentId, u64>>,
}

impl Reporter {
    /// For the journal in this folder.
    pub(super) fn new(client: Client, dir: &Path) -> Self {
        let path = dir.join(POSITIONS);
        let known = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { client, path, positions: Mutex::new(known.unwrap_or_default()) }
    }

    /// Keeps the positions. Where that fails, more is reported again than is needed, and nothing else.
    async fn keep(&self, change: impl FnOnce(&mut BTreeMap<SegmentId, u64>)) {
        let text = {
            let mut positions = self.positions.lock();
            change(&mut positions);
            serde_json::to_vec(&*positions).unwrap_or_default()
        };
        let new = self.path.with_extension("new");
        let kept = async {
            tokio::fs::write(&new, text).await?;
            tokio::fs::rename(&new, &self.path).await
        };
        if let Err(error) = kept.await {
            tracing::warn!(%error, "how far decisions were reported is not kept");
        }
    }

    async fn send(&self, decisions: Vec<ReportedDecision>) -> Result<(), SourceError> {
        let call = Call::post("/auth/verify/usage", &ReportUsage { decisions }).map(Call::repeatable);
        let call = call.map_err(|error| SourceError::Refused(error.to_string()))?;
        let sent: Result<UsageReported, _> = self.client.transport().send(&call).await;
        match sent {
            Ok(_) => Ok(()),
            // About the decisions themselves; each of them is then tried alone.
            Err(ClientError::Problem(problem)) if matches!(problem.status, 413 | 422) => {
                Err(SourceError::Refused(problem.to_string()))
            }
            Err(error) => Err(SourceError::Unavailable(error.to_string())),
        }
    }
}

impl EventSink for Reporter {
    async fn append(&self, pieces: &[Piece]) -> Result<Appended, SourceError> {
        let (mut decisions, mut bytes) = (Vec::new(), 0);
        for record in pieces.iter().flat_map(|piece| &piece.records) {
            let Some((decision, size)) = reported(record) else {
                return Err(SourceError::Refused("a record that is no kept decision".to_owned()));
            };
            if decisions.len() == MAX_REPORTED || bytes + size > MAX_REPORT_BYTES {
                self.send(std::mem::take(&mut decisions)).await?;
                bytes = 0;
            }
            bytes += size;
            decisions.push(decision);
        }
        if !decisions.is_empty() {
            self.send(decisions).await?;
        }
        self.keep(|positions| positions.extend(pieces.iter().map(|piece| (piece.segment, piece.to)))).await;
        Ok(Appended::Done)
    }

    async fn reject(&self, reject: &Reject) -> Result<Appended, SourceError> {
        // It is too old, or vouched for under a key that is gone: nobody will take it any more.
        tracing::error!(
            segment = %reject.segment, offset = reject.from, reason = %reject.reason,
            "a decision cannot be reported; it is passed over"
        );
        self.keep(|positions| positions.extend([(reject.segment, reject.to)])).await;
        Ok(Appended::Done)
    }

    async fn position(&self, segment: SegmentId) -> Result<u64, SourceError> {
        Ok(self.positions.lock().get(&segment).copied().unwrap_or(0))
    }

    async fn forget(&self, segment: SegmentId) -> Result<(), SourceError> {
        self.keep(|positions| positions.retain(|own, _| *own != segment)).await;
        Ok(())
    }
}

/// A record as it is reported, and about how long that is.
fn reported(record: &DecisionRecord) -> Option<(ReportedDecision, usize)> {
    let details: Details = serde_json::from_str(record.error_details.as_deref()?).ok()?;
    let code = match record.code {
        RecordCode::Valid => ReportedCode::Valid,
        RecordCode::IpNotAllowed => ReportedCode::IpNotAllowed,
        RecordCode::InsufficientScope => ReportedCode::InsufficientScope,
        _ => return None,
    };
    let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
    let facts = [&record.user_agent, &record.method, &record.endpoint, &record.cloudflare_ray_id];
    let size = facts.into_iter().flatten().map(|text| 2 * text.len()).sum::<usize>();
    let size = size + record.error_details.as_deref().map_or(0, str::len) + 512;
    let decision = ReportedDecision {
        event_id: record.id.0,
        voucher: details.voucher,
        code,
        looked: (record.kind == EventKind::Look).then_some(true),
        occurred_at: record.occurred_at.to_string(),
        ip_address: record.ip_address.map(|address| address.to_string()),
        user_agent: text(&record.user_agent),
        method: text(&record.method),
        endpoint: text(&record.endpoint),
        cloudflare_ray_id: text(&record.cloudflare_ray_id),
        request_id: Some(record.request_id.to_string()),
        latency_microseconds: Some(record.latency_micros),
        missing_scopes: (!details.missing_scopes.is_empty()).then_some(details.missing_scopes),
    };
    Some((decision, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_fit_into_a_record_whatever_is_missing() {
        let scopes: Vec<Scope> =
            (0..100).map(|n| format!("{}:{n}", "a".repeat(90)).parse().unwrap()).collect();
        for length in [0, 100, MAX_DETAILS_BYTES - 100] {
            let voucher = "v".repeat(length);
            assert!(Details::fits(&voucher));
            let text = Details::write(&voucher, &scopes);
            assert!(text.len() <= MAX_DETAILS_BYTES, "{}", text.len());
            let read: Details = serde_json::from_str(&text).unwrap();
            assert_eq!(read.voucher, voucher);
        }
        assert!(!Details::fits(&"v".repeat(MAX_DETAILS_BYTES)));
    }
}
