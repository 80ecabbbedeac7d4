//! A decision that is kept, and deciding anew by it.

use keywright_api::remote_cache::Keepable;
use keywright_api::verify::{Denial as WireDenial, DenialCode as WireDenialCode, TokenType};
use keywright_core::grant::Bounds;
use keywright_core::{
    Allowlist, CredentialId, CredentialKind, Denial, DenialCode, Epochs, Facts, Grant, PrincipalKind, Scope,
    Timestamp, decide,
};
use keywright_verify::journal::Writer;
use keywright_verify::stamps::Noted;
use keywright_verify::{EventKind, RecordCode, RecordRef};
use uuid::Uuid;

use super::follow::mark_id;
use super::report::Details;
use crate::layer::{Question, Verdict};
use crate::principal::Principal;

/// Before its end the authority is asked again by so much, in microseconds, so that two clocks need not agree on the
/// moment at which a credential expires.
const MARGIN_MICROS: i64 = 50_000;

/// A kept decision.
pub(super) struct Entry {
    /// What decides: what the core would decide on, as far as it is known here.
    grant: Grant,
    principal: Principal,
    /// Noted before the authority was asked.
    pub(super) noted: Noted,
    /// The ids of the marks that it depends on.
    pub(super) depends_on: Box<[Uuid]>,
    /// Until when it may be kept, on the boot-time clock.
    pub(super) ends_at: i64,
    /// The authority's time less the boot-time clock's.
    offset_micros: i64,
    voucher: Box<str>,
    /// What is recorded of each accepted decision beside its facts.
    details: Box<str>,
}

impl Entry {
    /// Of an answer to what was asked at `asked_at`; `None` where it cannot be kept after all.
    pub(super) fn new(
        principal: &Principal,
        keepable: &Keepable,
        noted: Noted,
        asked_at: i64,
    ) -> Option<Self> {
        let list = |networks: &Vec<String>| {
            Allowlist::new(networks.iter().map(|text| text.parse().ok()).collect::<Option<Vec<_>>>()?)
        };
        let allowlists = keepable.ip_allowlists.iter().map(list).collect::<Option<Box<[_]>>>()?;
        // Without a single mark that is understood a change would not end it.
        let depends_on =
            keepable.depends_on.iter().map(|mark| mark_id(mark)).collect::<Option<Box<[_]>>>()?;
        let decided_at: Timestamp = keepable.decided_at.parse().ok()?;
        let life = i64::try_from(keepable.for_microseconds).ok()?;
        let is_token = matches!(principal.token_type(), TokenType::Service | TokenType::Personal);
        let fits = Details::fits(&keepable.voucher);
        (is_token && fits && !depends_on.is_empty()).then(|| Self {
            grant: grant(principal, allowlists),
            principal: principal.clone(),
            noted,
            depends_on,
            // It was decided later than it was asked for: so it ends early rather than late.
            ends_at: asked_at.saturating_add(life).saturating_sub(MARGIN_MICROS),
            offset_micros: decided_at.as_micros().saturating_sub(asked_at),
            voucher: keepable.voucher.as_str().into(),
            details: Details::write(&keepable.voucher, &[]).into(),
        })
    }

    /// Decides at this moment of the boot-time clock, and records that; `None` where it cannot be recorded, so that the
    /// authority has to. Nothing is waited for: the journal of a cache is not synced before each answer.
    pub(super) fn decide(&self, question: &Question<'_>, at: i64, writer: &Writer) -> Option<Verdict> {
        let now = Timestamp::from_micros(at.saturating_add(self.offset_micros));
        let facts = Facts { now, address: question.ip_address };
        let denial = decide(&self.grant, None, Epochs::default(), question.wanted, facts).err();
        let code = denial.as_ref().map_or(RecordCode::Valid, |denial| denial.code.into());
        let missing = denial.as_ref().map(|denial| Details::write(&self.voucher, &denial.missing_scopes));
        // Accepted for nothing, it was looked at and not used.
        let looked = question.cost == 0 && denial.is_none();
        let kind = if looked { EventKind::Look } else { EventKind::Verify };
        let record = RecordRef {
            ip_address: question.ip_address,
            user_agent: question.user_agent,
            method: Some(question.method),
            endpoint: Some(question.endpoint),
            cloudflare_ray_id: question.cloudflare_ray_id,
            error_details: Some(missing.as_deref().unwrap_or(&self.details)),
            ..RecordRef::bare(now, kind, code, question.request_id)
        };
        writer.append(&record).ok()?;
        Some(match denial {
            None => Verdict::Valid(self.principal.clone(), None),
            Some(denial) => Verdict::Denied(Box::new(self.denied(&denial, question.request_id)?)),
        })
    }

    /// As the authority would tell it.
    fn denied(&self, denial: &Denial, request_id: &str) -> Option<WireDenial> {
        let code = match denial.code {
            DenialCode::IpNotAllowed => WireDenialCode::IpNotAllowed,
            DenialCode::InsufficientScope => WireDenialCode::InsufficientScope,
            _ => return None,
        };
        let missing: Vec<_> = denial.missing_scopes.iter().map(Scope::as_str).map(str::to_owned).collect();
        Some(WireDenial {
            token_type: Some(self.principal.token_type()),
            credential_id: Some(self.principal.credential_id()),
            name: Some(self.principal.credential_name().to_owned()),
            principal: Some(self.principal.wire().clone()),
            expires_at: self.principal.expires_at().map(str::to_owned),
            rotation: Some(self.principal.rotation().clone()),
            missing_scopes: (!missing.is_empty()).then_some(missing),
            ..WireDenial::bare(code, request_id)
        })
    }
}

/// A grant with all that the authority lets a cache decide by. Whatever else could end it is told by the stream, or by
/// its end.
fn grant(principal: &Principal, allowlists: Box<[Allowlist]>) -> Grant {
    let bounds = Bounds { allowlists, ..Bounds::default() };
    Grant {
        credential_id: CredentialId(principal.credential_id()),
        kind: CredentialKind::Service,
        name: principal.credential_name().into(),
        principal: PrincipalKind::ServiceToken,
        scopes: principal.scopes().clone(),
        metadata: None,
        expires_at: None,
        is_active: true,
        revoked: false,
        superseded: false,
        grace_expires_at: None,
        epoch: 0,
        bonds: None,
        bounds: (!bounds.allowlists.is_empty()).then(|| Box::new(bounds)),
    }
}
