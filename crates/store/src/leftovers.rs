//! What is over and still there: how much of each kind, for those who want to know before it goes.

use keywright_core::Timestamp;

use crate::conn::{Conn, on};
use crate::dialect::{Statement, statements};
use crate::error::StoreError;
use crate::types::{Time, to_u64};

statements! {
    SERVICE_TOKENS_EXPIRED = [
        "SELECT COUNT(*) FROM service_tokens WHERE is_active AND revoked_at IS NULL \
         AND (expires_at <= $1 OR grace_expires_at <= $1)"
    ];
    SERVICE_TOKENS_DEAD = [
        "SELECT COUNT(*) FROM service_tokens WHERE revoked_at <= $1 OR expires_at <= $1 OR grace_expires_at <= $1"
    ];
    PERSONAL_TOKENS_EXPIRED = [
        "SELECT COUNT(*) FROM personal_tokens WHERE is_active AND revoked_at IS NULL \
         AND (expires_at <= $1 OR grace_expires_at <= $1)"
    ];
    PERSONAL_TOKENS_DEAD = [
        "SELECT COUNT(*) FROM personal_tokens WHERE revoked_at <= $1 OR expires_at <= $1 OR grace_expires_at <= $1"
    ];
    SESSIONS = [
        "SELECT COUNT(*) FROM sessions WHERE revoked_at <= $1 OR expires_at <= $1 OR idle_expires_at <= $1"
    ];
    LOGIN_THROTTLES = ["SELECT COUNT(*) FROM login_throttles WHERE blocked_until < $1"];
    LOGIN_NETWORKS = ["SELECT COUNT(*) FROM login_networks WHERE last_seen_at < $1"];
    IDEMPOTENCY_SECRETS = [
        "SELECT COUNT(*) FROM idempotency_records WHERE sealed_secret IS NOT NULL AND created_at < $1"
    ];
    IDEMPOTENCY_ANSWERS = ["SELECT COUNT(*) FROM idempotency_records WHERE created_at < $1"];
    MAILED_TOKENS = ["SELECT COUNT(*) FROM mailed_tokens WHERE expires_at < $1"];
    DELIVERIES = [
        "SELECT COUNT(*) FROM outbox WHERE created_at < $1 AND (delivered_at IS NOT NULL OR dead_at IS NOT NULL)"
    ];
    EVENTS_OF_SUCCESS = ["SELECT COUNT(*) FROM authentication_events WHERE occurred_at < $1 AND success"];
    EVENTS_OF_FAILURE = ["SELECT COUNT(*) FROM authentication_events WHERE occurred_at < $1 AND NOT success"];
    USAGE = ["SELECT COUNT(*) FROM usage_daily WHERE day <= $1"];
    ALERTS = ["SELECT COUNT(*) FROM alerts WHERE resolved_at <= $1"];
}

/// Declares the kinds, each with its word and its statement.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $word:literal, $statement:ident;)+) => {
        /// A kind of what is over.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Leftover { $($(#[$doc])* $kind,)+ }

        impl Leftover {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// Its word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $word,)+ }
            }

            const fn statement(self) -> &'static Statement {
                match self { $(Self::$kind => &$statement,)+ }
            }
        }
    };
}

kinds! {
    /// Service tokens whose life, or grace, ended, and that are not switched off.
    ServiceTokensExpired = "service_tokens_expired", SERVICE_TOKENS_EXPIRED;
    /// Service tokens that were revoked, or ended.
    ServiceTokensDead = "service_tokens_dead", SERVICE_TOKENS_DEAD;
    /// Personal tokens whose life, or grace, ended, and that are not switched off.
    PersonalTokensExpired = "personal_tokens_expired", PERSONAL_TOKENS_EXPIRED;
    /// Personal tokens that were revoked, or ended.
    PersonalTokensDead = "personal_tokens_dead", PERSONAL_TOKENS_DEAD;
    /// Sessions that are over.
    Sessions = "sessions", SESSIONS;
    /// Failed logins that are counted no more.
    LoginThrottles = "login_throttles", LOGIN_THROTTLES;
    /// Networks in which users were not seen for long.
    LoginNetworks = "login_networks", LOGIN_NETWORKS;
    /// Secrets in answers to idempotent requests that are not told again.
    IdempotencySecrets = "idempotency_secrets", IDEMPOTENCY_SECRETS;
    /// Answers to idempotent requests.
    IdempotencyAnswers = "idempotency_answers", IDEMPOTENCY_ANSWERS;
    /// Links that were mailed and can be used no more.
    MailedTokens = "mailed_tokens", MAILED_TOKENS;
    /// Deliveries that were settled.
    Deliveries = "deliveries", DELIVERIES;
    /// Events of successful verifications.
    EventsOfSuccess = "events_of_success", EVENTS_OF_SUCCESS;
    /// Events of failures.
    EventsOfFailure = "events_of_failure", EVENTS_OF_FAILURE;
    /// Sums of usage by day.
    Usage = "usage", USAGE;
    /// Alerts that are resolved.
    Alerts = "alerts", ALERTS;
}

/// How many of a kind were over at a moment.
///
/// # Errors
/// As any query.
pub async fn count(conn: Conn<'_>, kind: Leftover, moment: Timestamp) -> Result<u64, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(kind.statement().text::<DB>())
        .bind(Time(moment))
        .fetch_one(c))?;
    Ok(to_u64(count))
}
