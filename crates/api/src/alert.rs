//! Alerts: what somebody should look at.

use crate::{
    Time,
    actor::{Actor, Subject},
    kind::{Id, choice},
    page::PageQuery,
    request::{Fields, FromFields, Refused},
    wire_enum::wire_enum,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

wire_enum! {
    /// What an alert is about.
    pub enum AlertKind {
        /// A credential that is in use ends soon.
        TokenExpiring = "token_expiring",
        /// Credentials that nobody has used for a while end soon: one alert for many.
        DormantTokensExpiring = "dormant_tokens_expiring",
        /// A credential is presented after it was revoked, or has expired.
        TokenExpiredInUse = "token_expired_in_use",
        /// A credential is used far more, or far less, than it is at such hours.
        Volume = "volume",
        /// Many uses of a credential are denied.
        DenialBurst = "denial_burst",
        /// A credential is used from a country where it never was.
        NewCountry = "new_country",
        /// A credential is used from a network where it never was.
        NewNetwork = "new_network",
        /// A credential is used at two places, between which nobody travels so fast.
        ImpossibleTravel = "impossible_travel",
        /// A credential is used at an hour at which it never is.
        UnusualHour = "unusual_hour",
        /// A credential that nobody had used for long is used.
        DormantAwake = "dormant_awake",
        /// One address tries many credentials that are not known.
        UnknownTokens = "unknown_tokens",
        /// A credential is due for rotation, and waits for somebody.
        RotationDue = "rotation_due",
        /// A rotation came to nothing; the old credential is as it was.
        RotationFailed = "rotation_failed",
        /// A new credential was delivered, and nobody uses it.
        RotationUnconfirmed = "rotation_unconfirmed",
        /// A new credential was first used from a network that the old one never was.
        RotationNewNetwork = "rotation_new_network",
        /// A credential was found where it should not be.
        LeakReported = "leak_reported",
        /// The store answers slowly.
        StoreLatency = "store_latency",
        /// The store does not answer.
        StoreUnreachable = "store_unreachable",
        /// All connections to the store are in use, and others wait.
        PoolExhausted = "pool_exhausted",
        /// Recorded decisions wait too long before they are stored.
        JournalLag = "journal_lag",
        /// A node hears of changes late.
        ListenerLag = "listener_lag",
        /// No key that signs was made in time.
        KeyAge = "key_age",
        /// Deliveries wait too long.
        DeliveryBacklog = "delivery_backlog",
        /// A journal fell silent: decisions that it holds are not in the audit trail.
        JournalGap = "journal_gap",
        /// Rate limits that all nodes count together are counted by each for itself.
        LimitsAway = "limits_away",
        /// A delivery was given up.
        DeliveryDead = "delivery_dead",
    }
}

wire_enum! {
    /// How soon somebody should look.
    pub enum Severity {
        /// When there is time.
        Low = "low",
        /// This week.
        Medium = "medium",
        /// Today.
        High = "high",
        /// Now.
        Critical = "critical",
    }
}

wire_enum! {
    /// What became of an alert.
    pub enum AlertState {
        /// Nobody has looked.
        Open = "open",
        /// Somebody knows.
        Acknowledged = "acknowledged",
        /// Its cause is gone, or somebody said so.
        Resolved = "resolved",
    }
}

/// Something that somebody should look at. It is over when its cause goes, or somebody says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// Its id.
    pub id: Uuid,
    /// The publisher that it concerns; null: the platform.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// What it is about.
    pub kind: AlertKind,
    /// How soon somebody should look.
    pub severity: Severity,
    /// What became of it.
    pub state: AlertState,
    /// Which object: of type `credential`, `service_account`, `user`, `publisher`, `node`, `journal`,
    /// `signing_key`, `channel` or `platform`.
    pub subject: Subject,
    /// One plain sentence.
    pub summary: String,
    /// What was seen, and what was expected.
    #[schema(value_type = Object)]
    pub evidence: Map<String, Value>,
    /// Of all alerts with one key there is one, for ever.
    pub dedupe_key: String,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Time,
    /// When somebody said that they know.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub acknowledged_at: Option<Time>,
    /// Who.
    #[schema(required = true)]
    pub acknowledged_by: Option<Actor>,
    /// Since when it is over.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub resolved_at: Option<Time>,
    /// Who said so; a job when its cause is gone.
    #[schema(required = true)]
    pub resolved_by: Option<Actor>,
    /// Why it is over.
    #[schema(required = true)]
    pub resolved_reason: Option<String>,
}

/// The query of `GET /alerts`. All filters that are given must apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AlertQuery {
    /// Only alerts that concern this publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub publisher_id: Option<Uuid>,
    /// Only alerts in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, inline)]
    pub state: Option<AlertState>,
    /// Only alerts of this severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, inline)]
    pub severity: Option<Severity>,
    /// Only alerts of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, inline)]
    pub kind: Option<AlertKind>,
    /// Only alerts about this object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub subject_id: Option<Uuid>,
    /// Which page.
    #[serde(flatten)]
    #[param(ignore)]
    pub page: PageQuery,
}

impl FromFields for AlertQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            publisher_id: fields.optional("publisher_id", Id),
            state: fields.optional("state", choice()),
            severity: fields.optional("severity", choice()),
            kind: fields.optional("kind", choice()),
            subject_id: fields.optional("subject_id", Id),
            page: PageQuery::read(&mut fields),
        };
        fields.finish(|| Some(query))
    }
}
