//! What a cache elsewhere may keep of a decision (docs/decisions/0026-remote-caches-hear-marks.md).

use bytes::Bytes;
use keywright_api::problem::Problem;
use keywright_api::remote_cache::Keepable;
use keywright_authority::remote_caches::{MAX_KEPT_MICROS, Voucher};
use keywright_core::{DenialCode, Network, PublisherId};
use keywright_verify::Known;

use super::verification::{Asker, Question, Told, Verification};
use super::verify_write;
use crate::http::App;
use crate::http::look_up::{Found, Looked, Verdict, look_up};

/// An answer, and whether it accepts the credential.
struct Answer {
    json: Bytes,
    valid: bool,
}

impl Told for Answer {
    fn known(known: Known, verdict: &Verdict, request_id: &str) -> Result<Self, Problem> {
        let json = verify_write::known(&known, verdict, request_id);
        Ok(Self { json, valid: verdict.decision.is_ok() })
    }

    fn bare(code: DenialCode, request_id: &str) -> Result<Self, Problem> {
        Ok(Self { json: verify_write::bare(code.as_str(), request_id), valid: false })
    }
}

impl Verification<'_> {
    /// As [`Verification::decide`], with what may be kept of the answer.
    pub(super) async fn decide_keepable(
        &self,
        credential: &[u8],
        question: &Question<'_>,
        asker: Option<Asker>,
    ) -> Result<Bytes, Problem> {
        let client = question.ip_address.or(self.asked.ip_address);
        let looked = look_up(self.app, (credential, question.publisher), client, self.now).await;
        self.conclude_keepable(looked, question, asker).await
    }

    /// As [`Verification::conclude`], with what may be kept of the answer.
    pub(super) async fn conclude_keepable(
        &self,
        looked: Looked,
        question: &Question<'_>,
        asker: Option<Asker>,
    ) -> Result<Bytes, Problem> {
        let home = asker.and_then(|asker| asker.home);
        let keepable = match &looked {
            Looked::Known(found) => keepable(self.app, found, home),
            Looked::Denied(_) | Looked::Unavailable => None,
        };
        let Answer { json, valid } = self.conclude(looked, question, asker).await?;
        match keepable.filter(|_| valid) {
            Some(keepable) => Ok(with_cache(&json, &keepable)),
            None => Ok(json),
        }
    }
}

/// What may be kept of a decision on this credential; none of what changes in ways that the stream does not tell:
/// limits, which are counted here, and JWTs, whose keys come and go.
fn keepable(app: &App, found: &Found, home: Option<PublisherId>) -> Option<Keepable> {
    let Found { known, at, elsewhere, .. } = found;
    let (authority, grant) = (app.authority(), known.grant());
    let verifier = authority.verifier();
    let is_limited = grant.bounds.as_deref().is_some_and(|bounds| !bounds.budgets.is_empty());
    // What was loaded before notifications were lost is not confirmed by the beats of now.
    let is_followed = !known.stale && verifier.freshness().is_current(&known.entry.era);
    if is_limited || known.token.is_some() || *elsewhere || !is_followed {
        return None;
    }
    let now = authority.clock().at(*at);
    let end = [grant.expires_at, grant.grace_expires_at].into_iter().flatten().min();
    let life = end.map_or(MAX_KEPT_MICROS, |end| end.micros_since(now).min(MAX_KEPT_MICROS));
    let marks = known.entry.depends_on().map(|id| verifier.changes().mark(id).to_string());
    let lists = grant.bounds.iter().flat_map(|bounds| &bounds.allowlists);
    Some(Keepable {
        node: authority.node().0,
        for_microseconds: u64::try_from(life).ok()?,
        decided_at: now.to_string(),
        depends_on: marks.collect(),
        ip_allowlists: lists.map(|list| list.iter().map(Network::to_string).collect()).collect(),
        voucher: Voucher::new(grant, now, life).seal(authority, home),
    })
}

/// The member is the last one of the object.
fn with_cache(json: &[u8], keepable: &Keepable) -> Bytes {
    let Some((b'}', members)) = json.split_last() else { return Bytes::copy_from_slice(json) };
    let cache = serde_json::to_vec(keepable).unwrap_or_else(|_| b"null".to_vec());
    [members, b",\"cache\":", &cache, b"}"].concat().into()
}
