//! The job: looks at every rotation that is not over, does what follows, and decides on new ones.

use std::net::IpAddr;
use std::time::Duration;

use keywright_core::rotation::{Facts, RotationState, Step, Use, step};
use keywright_core::{Epochs, Timestamp};
use keywright_store::rotations::{self, RotationRow, Traces};
use keywright_store::service_tokens::{self, ServiceTokenRow};
use keywright_store::{Conn, journals, leases, platform};
use tracing::{info, warn};

use super::{JOB, conclude, deliver, mint, schedule};
use crate::authority::Authority;
use crate::fault::Fault;

/// Rotations that are read with one question.
const PAGE: u32 = 1_000;
/// Longer than a run takes; one that takes longer is only joined by another node.
const LEASE: Duration = Duration::from_mins(2);
/// Steps of one rotation in one run: each is a transaction of its own.
const STEPS: u32 = 4;

/// Does what is to be done; tells how many steps were taken. One node does it at a time; two at once do nothing
/// twice.
///
/// # Errors
/// As the store.
pub async fn run(authority: &Authority) -> Result<u64, Fault> {
    let now = authority.now();
    let mut tx = authority.store().begin().await?;
    let lease = leases::acquire(tx.conn(), JOB, authority.node(), now, LEASE).await?;
    tx.commit().await?;
    if lease.is_none() {
        return Ok(0);
    }
    let mut done = carry_on_all(authority, |_| true).await?;
    if authority.settings().rotation.enabled {
        let scheduled = schedule::schedule(authority).await?;
        if scheduled > 0 {
            done += scheduled + carry_on_all(authority, |row| row.state == RotationState::Scheduled).await?;
        }
    }
    Ok(done)
}

/// Goes on with all that are not over: those that wait for somebody keep no other back, however many they are.
async fn carry_on_all(authority: &Authority, which: impl Fn(&RotationRow) -> bool) -> Result<u64, Fault> {
    let (mut done, mut after) = (0, rotations::FIRST);
    loop {
        let open = rotations::open(authority.store().read().await?.conn(), after, PAGE).await?;
        for row in open.iter().filter(|row| which(row)) {
            done += carry_on(authority, row).await?;
        }
        match open.last() {
            Some(last) if open.len() >= PAGE as usize => {
                after = (last.next_attempt_at, last.id);
            }
            _ => return Ok(done),
        }
    }
}

/// The same where a node serves. One that carries out a single command leaves rotations to those that last.
pub(crate) async fn run_in_background(authority: &Authority) -> Result<u64, Fault> {
    if authority.own_journal().get().is_some() { run(authority).await } else { Ok(0) }
}

/// Takes the steps of one rotation that follow at once. What goes wrong with one keeps no other back.
async fn carry_on(authority: &Authority, row: &RotationRow) -> Result<u64, Fault> {
    let mut row = row.clone();
    for taken in 0..STEPS {
        match take(authority, &row).await {
            Ok(false) => return Ok(taken.into()),
            Ok(true) => {}
            Err(fault @ (Fault::Unavailable(_) | Fault::OutcomeUnknown(_))) => return Err(fault),
            Err(fault) => {
                warn!(rotation = %row.id, %fault, "a step of a rotation failed; it is tried again");
                return Ok(taken.into());
            }
        }
        let found = rotations::by_id(authority.store().read().await?.conn(), None, row.id).await?;
        match found {
            Some(found) => row = found,
            None => return Ok(taken.into()),
        }
    }
    Ok(STEPS.into())
}

/// What is so, as read at one moment.
pub(super) struct Seen {
    pub(super) facts: Facts,
    pub(super) new_traces: Traces,
}

/// Does what follows from where a rotation stands; false when nothing does, or another was faster.
async fn take(authority: &Authority, row: &RotationRow) -> Result<bool, Fault> {
    let seen = look(authority, authority.store().read().await?.conn(), row).await?;
    let step = step(&seen.facts);
    if step != Step::Wait {
        info!(rotation = %row.id, credential = %row.credential_id, ?step, state = row.state.as_str(), "a step of a rotation");
    }
    match step {
        Step::Wait => Ok(false),
        Step::Mint => mint::mint(authority, row).await,
        Step::Deliver => deliver::attempt(authority, row).await,
        Step::TellOfUse => conclude::tell_of_use(authority, row, &seen.new_traces).await,
        Step::Confirm => conclude::confirm(authority, row, None).await,
        Step::LeaveUnconfirmed => conclude::leave_unconfirmed(authority, row).await,
        Step::Fail => conclude::undo(authority, row, RotationState::Failed, conclude::NOTHING_SENT).await,
        Step::RollBack => {
            conclude::undo(authority, row, RotationState::RolledBack, conclude::SUCCESSOR_ENDED).await
        }
        Step::Abandon => conclude::abandon(authority, row).await,
        Step::Retire => conclude::retire(authority, row).await,
    }
}

/// Looks at what is so.
pub(super) async fn look(
    authority: &Authority,
    mut conn: Conn<'_>,
    row: &RotationRow,
) -> Result<Seen, Fault> {
    let now = authority.now();
    let epochs = platform::epochs(conn.reborrow()).await?;
    let old = service_tokens::by_id(conn.reborrow(), None, row.credential_id).await?;
    let new = match row.successor_id {
        Some(id) => service_tokens::by_id(conn.reborrow(), None, id).await?,
        None => None,
    };
    // Asked for before the uses: what is counted later was decided later.
    let known_through = journals::moved_through(conn.reborrow()).await?.all;
    let mut new_traces = Traces::default();
    let mut used = None;
    if let Some(new) = new.as_ref().filter(|_| row.state.is_undecided()) {
        new_traces = rotations::traces(conn.reborrow(), new.id).await?;
        if new_traces.uses > 0 {
            let old_traces = rotations::traces(conn, row.credential_id).await?;
            used = familiarity(&old_traces, &new_traces);
        }
    }
    let facts = Facts {
        state: row.state,
        now,
        old_works: works(old.as_ref(), epochs, now),
        new_works: works(new.as_ref(), epochs, now),
        next_attempt_at: row.next_attempt_at,
        may_have_sent: row.may_have_sent,
        confirm_by: row.confirm_by.unwrap_or(Timestamp::MAX),
        used,
        told_of_use: row.told_of_use,
        retire_at: retire_at(row, old.as_ref()),
        known_through,
    };
    Ok(Seen { facts, new_traces })
}

/// Whether a token is accepted, as far as that is its own matter.
pub(super) fn works(token: Option<&ServiceTokenRow>, epochs: Epochs, now: Timestamp) -> bool {
    token.is_some_and(|token| token.status(epochs, now).is_usable())
}

/// The end of the grace, or when the old one will have been quiet long enough.
fn retire_at(row: &RotationRow, old: Option<&ServiceTokenRow>) -> Timestamp {
    let Some(grace) = row.grace_expires_at else { return Timestamp::MAX };
    let quiet = i64::from(row.quiet_hours) * 3_600;
    let last = old.and_then(|old| old.last_used_at).filter(|_| quiet > 0);
    last.map_or(grace, |last| grace.max(last.plus_seconds(quiet)))
}

/// From where the new one was used, seen from where the old one was.
///
/// Where no use of the old one told an address, none is expected of the new one.
pub(super) fn familiarity(old: &Traces, new: &Traces) -> Option<Use> {
    if new.uses == 0 {
        return None;
    }
    let familiar = if new.addresses.is_empty() && new.networks.is_empty() {
        old.uses > 0 && old.addresses.is_empty()
    } else {
        let known: Vec<_> = old.addresses.iter().map(|address| network(*address)).collect();
        new.addresses.iter().any(|address| known.contains(&network(*address)))
            || new.networks.iter().any(|network| old.networks.contains(network))
    };
    Some(if familiar { Use::Familiar } else { Use::Unfamiliar })
}

/// The network of a client: /24, or /64.
fn network(address: IpAddr) -> [u8; 9] {
    let mut network = [0; 9];
    match address {
        IpAddr::V4(v4) => network[..3].copy_from_slice(&v4.octets()[..3]),
        IpAddr::V6(v6) => {
            network[..8].copy_from_slice(&v6.octets()[..8]);
            network[8] = 1;
        }
    }
    network
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(uses: u64, addresses: &[&str], networks: &[&str]) -> Traces {
        Traces {
            uses,
            last_used_at: None,
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            networks: networks.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    #[test]
    fn a_use_is_familiar_from_a_network_that_the_old_one_was_used_from() {
        let old = traces(9, &["192.0.2.7", "2001:db8:1:2::9"], &["AS64500 Example"]);
        for (addresses, networks, expected) in [
            (&["192.0.2.200"][..], &[][..], Use::Familiar),
            (&["192.0.3.7"], &[], Use::Unfamiliar),
            (&["192.0.3.7", "192.0.2.1"], &[], Use::Familiar),
            (&["2001:db8:1:2:3::1"], &[], Use::Familiar),
            (&["2001:db8:1:3::9"], &[], Use::Unfamiliar),
            (&["203.0.113.9"], &["AS64500 Example"], Use::Familiar),
            (&["203.0.113.9"], &["AS64501 Other"], Use::Unfamiliar),
            // An address is expected where the old one's uses told some.
            (&[], &[], Use::Unfamiliar),
        ] {
            let new = traces(1, addresses, networks);
            assert_eq!(familiarity(&old, &new), Some(expected), "{addresses:?}");
        }
        assert_eq!(familiarity(&old, &traces(0, &[], &[])), None);
    }

    #[test]
    fn a_token_that_was_never_used_makes_no_network_familiar() {
        let never = traces(0, &[], &[]);
        assert_eq!(familiarity(&never, &traces(1, &["192.0.2.7"], &[])), Some(Use::Unfamiliar));
        assert_eq!(familiarity(&never, &traces(1, &[], &[])), Some(Use::Unfamiliar));
        // Whoever verifies tells no addresses, of neither.
        assert_eq!(familiarity(&traces(5, &[], &[]), &traces(1, &[], &[])), Some(Use::Familiar));
        // Of an address of version 4 no network of version 6 is the same.
        let zero = traces(5, &["0.0.0.1"], &[]);
        assert_eq!(familiarity(&zero, &traces(1, &["::1"], &[])), Some(Use::Unfamiliar));
    }
}
