//! The states of a rotation, and what follows from each.
//!
//! [`step`] is asked again and again with what is so; whoever asks does what it says in one transaction. So a
//! process may die between any two steps, and two may ask at once.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Where a rotation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationState {
    /// It was decided on; nothing is minted yet.
    Scheduled,
    /// The new secret exists and is being delivered. Both work.
    Delivering,
    /// The receiver has it. Both work until it is used.
    AwaitingConfirmation,
    /// The new one was used: the old one's grace has begun.
    Confirmed,
    /// The old one is retired.
    Closed,
    /// Nothing left this server: the new one is revoked, the old one as it was.
    Failed,
    /// The new one was not used in time. Both work until somebody decides, or it is used after all.
    Unconfirmed,
    /// The new one is revoked, the old one is what counts.
    RolledBack,
}

impl RotationState {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Scheduled,
        Self::Delivering,
        Self::AwaitingConfirmation,
        Self::Confirmed,
        Self::Closed,
        Self::Failed,
        Self::Unconfirmed,
        Self::RolledBack,
    ];

    /// The text in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Delivering => "delivering",
            Self::AwaitingConfirmation => "awaiting_confirmation",
            Self::Confirmed => "confirmed",
            Self::Closed => "closed",
            Self::Failed => "failed",
            Self::Unconfirmed => "unconfirmed",
            Self::RolledBack => "rolled_back",
        }
    }

    /// Reads [`RotationState::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether nothing follows any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::Failed | Self::RolledBack)
    }

    /// Whether both tokens live side by side and neither was decided on.
    pub const fn is_undecided(self) -> bool {
        matches!(self, Self::Delivering | Self::AwaitingConfirmation | Self::Unconfirmed)
    }

    /// Whether this one may follow.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Scheduled => matches!(next, Self::Delivering | Self::Failed | Self::RolledBack),
            Self::Delivering => matches!(
                next,
                Self::AwaitingConfirmation
                    | Self::Confirmed
                    | Self::Failed
                    | Self::Unconfirmed
                    | Self::RolledBack
            ),
            Self::AwaitingConfirmation => {
                matches!(next, Self::Confirmed | Self::Failed | Self::Unconfirmed | Self::RolledBack)
            }
            Self::Unconfirmed => matches!(next, Self::Confirmed | Self::Failed | Self::RolledBack),
            Self::Confirmed => matches!(next, Self::Closed | Self::RolledBack),
            Self::Closed | Self::Failed | Self::RolledBack => false,
        }
    }
}

/// From where the new secret was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// At least once from a network that the old one was used from.
    Familiar,
    /// Only from networks that the old one never was: it may be in wrong hands.
    Unfamiliar,
}

/// What is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all of their combinations are met"
)]
pub struct Facts {
    /// Where the rotation stands.
    pub state: RotationState,
    /// The moment.
    pub now: Timestamp,
    /// Whether the old one is accepted.
    pub old_works: bool,
    /// Whether the new one is accepted.
    pub new_works: bool,
    /// When delivery may be tried again; while a try is under way, when it counts as lost.
    pub next_attempt_at: Timestamp,
    /// Whether it is possible that a byte of the secret has left.
    pub may_have_sent: bool,
    /// Until when the first use is waited for.
    pub confirm_by: Timestamp,
    /// How the new one was used, as far as is known.
    pub used: Option<Use>,
    /// Whether its use from elsewhere has been told.
    pub told_of_use: bool,
    /// When the old one may be retired: the end of its grace, or when it has been quiet long enough.
    pub retire_at: Timestamp,
    /// Up to which moment the decisions of all nodes are known.
    pub known_through: Timestamp,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, now.
    Wait,
    /// Make the new one.
    Mint,
    /// Try to deliver.
    Deliver,
    /// Tell that the new one was used from where the old one never was.
    TellOfUse,
    /// It was used: the old one's grace begins.
    Confirm,
    /// It was not used in time: tell what is known, and leave both as they are.
    LeaveUnconfirmed,
    /// Nothing has left this server: revoke the new one.
    Fail,
    /// The new one was ended by somebody: the old one is what counts again.
    RollBack,
    /// Both were ended by somebody.
    Abandon,
    /// Retire the old one.
    Retire,
}

/// What is to be done about a rotation.
pub fn step(facts: &Facts) -> Step {
    let Facts { state, now, .. } = *facts;
    match state {
        RotationState::Scheduled if facts.old_works => Step::Mint,
        RotationState::Scheduled => Step::Abandon,
        _ if state.is_undecided() => undecided(facts),
        RotationState::Confirmed if !facts.old_works => Step::Retire,
        RotationState::Confirmed => {
            let known = facts.known_through >= facts.retire_at;
            if now.has_reached(Some(facts.retire_at)) && known { Step::Retire } else { Step::Wait }
        }
        _ => Step::Wait,
    }
}

fn undecided(facts: &Facts) -> Step {
    let Facts { state, now, .. } = *facts;
    if !facts.new_works {
        return if facts.old_works { Step::RollBack } else { Step::Abandon };
    }
    match facts.used {
        Some(Use::Familiar) => return Step::Confirm,
        Some(Use::Unfamiliar) if !facts.told_of_use => return Step::TellOfUse,
        _ => {}
    }
    let too_late = now.has_reached(Some(facts.confirm_by));
    match state {
        RotationState::Delivering if !now.has_reached(Some(facts.next_attempt_at)) => Step::Wait,
        RotationState::Delivering if too_late && facts.may_have_sent => Step::LeaveUnconfirmed,
        RotationState::Delivering if too_late => Step::Fail,
        RotationState::Delivering => Step::Deliver,
        // What was decided before that moment may still be on its way here.
        RotationState::AwaitingConfirmation if too_late && facts.known_through >= facts.confirm_by => {
            Step::LeaveUnconfirmed
        }
        _ => Step::Wait,
    }
}

#[cfg(test)]
mod tests;
