//! A schedule that is read answers, and its openings go on; nothing panics or hangs.
#![no_main]

use keywright_core::Timestamp;
use keywright_core::rotation::Schedule;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, u32, &str, i64)| {
    let (cron, minutes, zone, micros) = input;
    for zone in [zone, "Europe/Berlin"] {
        let Ok(schedule) = Schedule::parse(cron, minutes, zone) else { continue };
        let moment = Timestamp::from_micros(micros.rem_euclid(4_000_000_000_000_000));
        let next = schedule.opens_after(moment);
        assert!(next.is_none_or(|next| next > moment));
        if let Some(next) = next {
            assert!(schedule.is_open_at(next));
        }
    }
});
