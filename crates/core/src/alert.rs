//! Alerts: what somebody should look at (lifecycle.md, Watching).

use crate::principal::texts;
use serde::{Deserialize, Serialize};

texts! {
    /// What an alert is about. The list is closed: whoever reads alerts can know all of them.
    AlertKind {
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

    /// How soon somebody should look, from the least.
    Severity {
        /// When there is time.
        Low = "low",
        /// This week.
        Medium = "medium",
        /// Today.
        High = "high",
        /// Now.
        Critical = "critical",
    }

    /// What became of an alert.
    AlertState {
        /// Nobody has looked.
        Open = "open",
        /// Somebody knows.
        Acknowledged = "acknowledged",
        /// Its cause is gone, or somebody said so.
        Resolved = "resolved",
    }

    /// The kinds of object that an alert can be about.
    AlertSubjectKind {
        /// A service token, a personal token or a session.
        Credential = "credential",
        /// A service account.
        ServiceAccount = "service_account",
        /// A person.
        User = "user",
        /// A publisher.
        Publisher = "publisher",
        /// One boot of a process that serves.
        Node = "node",
        /// A directory of journal segments.
        Journal = "journal",
        /// A key that signs access tokens.
        SigningKey = "signing_key",
        /// A way by which alerts leave.
        Channel = "channel",
        /// The platform as a whole.
        Platform = "platform",
    }
}

impl Severity {
    /// Whether it is as urgent as `least`, or more.
    pub const fn is_at_least(self, least: Self) -> bool {
        self as u8 >= least as u8
    }
}

impl AlertState {
    /// Whether somebody may say that they know: not of what is over.
    pub const fn may_be_acknowledged(self) -> bool {
        !matches!(self, Self::Resolved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_rise_in_the_order_of_the_list() {
        for (number, one) in Severity::ALL.iter().enumerate() {
            for (other_number, other) in Severity::ALL.iter().enumerate() {
                assert_eq!(one.is_at_least(*other), number >= other_number, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn words_are_read_back_and_are_those_of_json() {
        for kind in AlertKind::ALL {
            assert_eq!(AlertKind::parse(kind.as_str()), Some(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(AlertKind::parse("no such kind"), None);
    }
}
