//! What a change holds from its begin on, so that it stays as the change has read it.
//!
//! By advisory locks and not by share locks on rows, on PostgreSQL: whoever asks for a share of a row
//! that others share does not queue behind one who waits to change it. A mint that never rests would
//! keep an emergency out for ever, and a leaked token that mints its own revocation. Advisory locks
//! queue in order, and write to no row. SQLite's one writer holds everything.
//!
//! Locks are taken in one order, so that no two changes wait for each other: the epochs, then ids.

use std::collections::BTreeMap;
use std::fmt::Write;

use uuid::Uuid;

/// The epochs: a pair of numbers of our own, which collides with no id.
const EPOCHS: &str = "1265922894, 1";

pub(crate) const LOCK_EPOCHS: &str = "SELECT pg_advisory_xact_lock(1265922894, 1)";

/// What a transaction holds from its begin on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hold<'a> {
    Nothing,
    /// The epochs and `reads` shared with other changes, `changes` alone.
    Change {
        reads: &'a [Uuid],
        changes: &'a [Uuid],
    },
}

/// Begins a transaction on PostgreSQL and takes what it is to hold, in one round trip.
pub(crate) fn begin(hold: Hold<'_>) -> String {
    let mut sql = "BEGIN".to_owned();
    if let Hold::Change { reads, changes } = hold {
        let mut wanted: BTreeMap<i64, &str> = reads.iter().map(|id| (number(*id), "_shared")).collect();
        wanted.extend(changes.iter().map(|id| (number(*id), "")));
        let _ = write!(sql, "; SELECT pg_advisory_xact_lock_shared({EPOCHS})");
        for (number, kind) in wanted {
            let _ = write!(sql, "; SELECT pg_advisory_xact_lock{kind}({number})");
        }
    }
    sql
}

/// The random half of an id: two that share a number wait for each other for nothing, and that is all.
fn number(id: Uuid) -> i64 {
    id.as_u64_pair().1.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_taken_in_one_order_whatever_they_are_wanted_for() {
        let [low, high] = [Uuid::from_u64_pair(9, 1), Uuid::from_u64_pair(1, 2)];
        assert_eq!(begin(Hold::Nothing), "BEGIN");
        let epochs = "BEGIN; SELECT pg_advisory_xact_lock_shared(1265922894, 1)";
        assert_eq!(begin(Hold::Change { reads: &[], changes: &[] }), epochs);
        for (reads, changes, locks) in [
            ([low], [high], "SELECT pg_advisory_xact_lock_shared(1); SELECT pg_advisory_xact_lock(2)"),
            ([high], [low], "SELECT pg_advisory_xact_lock(1); SELECT pg_advisory_xact_lock_shared(2)"),
            ([low], [low], "SELECT pg_advisory_xact_lock(1)"),
        ] {
            let sql = begin(Hold::Change { reads: &reads, changes: &changes });
            assert_eq!(sql, format!("{epochs}; {locks}"));
        }
    }
}
