//! `/publishers`: the tenants.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod settings;
pub mod suspend;
pub mod update;

use keywright_api::WireEnum as _;
use keywright_api::anomaly::{ChangeAnomalies, Sensitivity};
use keywright_api::bounds::ChangeRateLimits;
use keywright_api::patch::Patch;
use keywright_api::problem::{FieldCode, FieldError, Problem};
use keywright_api::publisher_request::{ChangePersonalTokens, ChangePublisherSettings};
use keywright_authority::RateLimitsChange;
use keywright_authority::publishers::{AnomaliesChange, PersonalTokensChange, SettingsChange};
use keywright_core::anomalies::{self, AnomalyKind, AnomalyTuning};

use super::bounds::wish;

/// What is asked of settings, below the path at which it stands in the body.
fn settings_change(request: ChangePublisherSettings, path: &str) -> Result<SettingsChange, Problem> {
    if request.require_second_factor == Some(true) {
        let field = format!("{path}require_second_factor");
        let detail = "is not available in this version, which has no second factors";
        return Err(Problem::of_fields(vec![FieldError::new(field, FieldCode::NotAvailableYet, detail)]));
    }
    Ok(SettingsChange {
        allowed_login_domains: request.allowed_login_domains,
        access_token_max_minutes: wish(request.access_token_max_minutes),
        session_max_days: wish(request.session_max_days),
        default_rate_limits: wish(request.default_rate_limits.map(limits_change)),
        rate_limits: wish(request.rate_limits.map(limits_change)),
        personal_tokens: personal_tokens_change(request.personal_tokens),
        anomalies: anomalies_change(request.anomalies),
        require_second_factor: request.require_second_factor,
    })
}

fn personal_tokens_change(wanted: Patch<ChangePersonalTokens>) -> PersonalTokensChange {
    match wanted {
        Patch::Absent => PersonalTokensChange::default(),
        Patch::Null => {
            PersonalTokensChange { allowed: Some(true), max_days: Some(None), require_approval: Some(false) }
        }
        Patch::Value(ChangePersonalTokens { allowed, max_days, require_approval }) => {
            PersonalTokensChange { allowed, max_days: wish(max_days), require_approval }
        }
    }
}

fn anomalies_change(wanted: Patch<ChangeAnomalies>) -> AnomaliesChange {
    match wanted {
        Patch::Absent => AnomaliesChange::default(),
        Patch::Null => {
            let AnomalyTuning { sensitivity, off, history_days } = AnomalyTuning::default();
            AnomaliesChange {
                sensitivity: Some(sensitivity),
                off: Some(off),
                history_days: Some(history_days),
            }
        }
        Patch::Value(change) => AnomaliesChange {
            sensitivity: change.sensitivity.map(|wanted| match wanted {
                Sensitivity::Low => anomalies::Sensitivity::Low,
                Sensitivity::Normal => anomalies::Sensitivity::Normal,
                Sensitivity::High => anomalies::Sensitivity::High,
            }),
            // The words are the same, which a test holds.
            off: change.off.map(|kinds| {
                kinds.into_iter().filter_map(|kind| AnomalyKind::from_text(kind.as_str())).collect()
            }),
            history_days: change.history_days,
        },
    }
}

/// What is asked of limits.
fn limits_change(ChangeRateLimits { per_minute, per_hour }: ChangeRateLimits) -> RateLimitsChange {
    RateLimitsChange { per_minute: wish(per_minute), per_hour: wish(per_hour) }
}
