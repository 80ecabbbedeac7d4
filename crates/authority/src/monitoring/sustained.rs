//! When a finding is one: it has lasted, and so has its end.

/// What follows from a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// Nothing.
    Nothing,
    /// It has been bad for long enough: it is to be told.
    Tell,
    /// It has been good for long enough: it is over.
    Over,
}

/// A condition as it was seen, look by look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sustained {
    /// Since when it has been bad, or good, without a break, in microseconds of the boot-time clock.
    since: Option<(bool, i64)>,
    /// What was done about it last; none at the start, when an earlier process may have left something.
    settled: Option<bool>,
}

impl Sustained {
    /// Notes a look at `now`: what has lasted for `lasting` microseconds is to be acted on, once.
    pub(super) fn note(&mut self, bad: bool, now: i64, lasting: i64) -> Follows {
        let since = match self.since {
            Some((before, since)) if before == bad => since,
            _ => now,
        };
        self.since = Some((bad, since));
        if self.settled == Some(bad) || now - since < lasting {
            return Follows::Nothing;
        }
        if bad { Follows::Tell } else { Follows::Over }
    }

    /// What followed was done.
    pub(super) fn settle(&mut self, bad: bool) {
        self.settled = Some(bad);
    }

    /// Since when it has been as it is, in microseconds of the boot-time clock.
    pub(super) fn since(&self) -> Option<i64> {
        self.since.map(|(_, since)| since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(condition: &mut Sustained, looks: &[(i64, bool)]) -> Vec<(i64, Follows)> {
        let mut followed = Vec::new();
        for (now, bad) in looks {
            let follows = condition.note(*bad, *now, 30);
            if follows != Follows::Nothing {
                condition.settle(*bad);
                followed.push((*now, follows));
            }
        }
        followed
    }

    #[test]
    fn what_lasts_is_told_once_and_over_once() {
        let mut condition = Sustained::default();
        let seen: Vec<_> = (0..10).map(|n| (n * 10, true)).chain((10..20).map(|n| (n * 10, false))).collect();
        assert_eq!(looks(&mut condition, &seen), [(30, Follows::Tell), (130, Follows::Over)]);
    }

    #[test]
    fn what_flickers_is_nothing() {
        let mut condition = Sustained::default();
        let seen: Vec<_> = (0..100).map(|n| (n * 10, n % 3 != 0)).collect();
        assert_eq!(looks(&mut condition, &seen), []);
    }

    #[test]
    fn what_an_earlier_process_left_is_ended_once() {
        let mut condition = Sustained::default();
        let seen: Vec<_> = (0..10).map(|n| (n * 10, false)).collect();
        assert_eq!(looks(&mut condition, &seen), [(30, Follows::Over)]);
    }

    #[test]
    fn what_could_not_be_done_is_tried_again() {
        let mut condition = Sustained::default();
        assert_eq!(condition.note(true, 0, 30), Follows::Nothing);
        assert_eq!(condition.note(true, 30, 30), Follows::Tell);
        assert_eq!(condition.note(true, 40, 30), Follows::Tell);
        condition.settle(true);
        assert_eq!(condition.note(true, 50, 30), Follows::Nothing);
        assert_eq!(condition.since(), Some(0));
    }
}
