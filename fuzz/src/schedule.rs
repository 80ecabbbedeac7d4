//! A schedule that is read answers, and its openings go on; nothing panics or hangs.

use keywright_core::Timestamp;
use keywright_core::rotation::Schedule;

/// Holds it against any input.
pub fn hold(cron: &str, minutes: u32, zone: &str, micros: i64) {
    for zone in [zone, "Europe/Berlin"] {
        let Ok(schedule) = Schedule::parse(cron, minutes, zone) else { continue };
        let moment = Timestamp::from_micros(micros.rem_euclid(4_000_000_000_000_000));
        let next = schedule.opens_after(moment);
        assert!(next.is_none_or(|next| next > moment));
        if let Some(next) = next {
            assert!(schedule.is_open_at(next));
        }
    }
}
