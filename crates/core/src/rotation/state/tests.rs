use super::*;
use proptest::prelude::*;

const HOUR: i64 = 3_600_000_000;
const QUIET_HOURS: i64 = 6;
const GRACE_HOURS: i64 = 10;
const CONFIRM_HOURS: i64 = 24;

fn at(hours: i64) -> Timestamp {
    Timestamp::from_micros((10_000 + hours) * HOUR)
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// Certain that nothing left.
    NothingSent,
    /// Something left, and nobody knows what became of it.
    Lost {
        received: bool,
    },
    Delivered,
    /// The process dies, before or after the receiver had it.
    Died {
        received: bool,
    },
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Hours(i64),
    Step(Outcome),
    /// A consumer that has the new secret takes it up.
    TakeUp(usize),
    /// All journals are moved.
    Move,
    /// Somebody elsewhere uses the new one.
    Intruder,
}

fn deeds() -> impl Strategy<Value = Deed> {
    let outcome = prop_oneof![
        Just(Outcome::NothingSent),
        any::<bool>().prop_map(|received| Outcome::Lost { received }),
        Just(Outcome::Delivered),
        any::<bool>().prop_map(|received| Outcome::Died { received }),
    ];
    prop_oneof![
        3 => (1i64..4).prop_map(Deed::Hours),
        6 => outcome.prop_map(Deed::Step),
        2 => (0usize..2).prop_map(Deed::TakeUp),
        3 => Just(Deed::Move),
        1 => Just(Deed::Intruder),
    ]
}

/// A token with two consumers, one of which may be slow to take up the new secret.
#[derive(Debug)]
struct World {
    hour: i64,
    facts: Facts,
    received: bool,
    new_revoked: bool,
    old_retired: bool,
    /// Whether each consumer presents the new one.
    new_taken_up: [bool; 2],
    /// The last use of the old one that is known, and the last one.
    old_used: (i64, i64),
    new_used: (Option<Use>, Option<Use>),
    confirmed_at: i64,
}

impl World {
    fn new() -> Self {
        let facts = Facts {
            state: RotationState::Scheduled,
            now: at(0),
            old_works: true,
            new_works: false,
            next_attempt_at: at(0),
            may_have_sent: false,
            confirm_by: at(0),
            used: None,
            told_of_use: false,
            retire_at: at(0),
            known_through: at(0),
        };
        Self {
            hour: 0,
            facts,
            received: false,
            new_revoked: false,
            old_retired: false,
            new_taken_up: [false; 2],
            old_used: (0, 0),
            new_used: (None, None),
            confirmed_at: 0,
        }
    }

    fn become_(&mut self, next: RotationState) {
        assert!(self.facts.state.may_become(next), "{:?} became {next:?}", self.facts.state);
        self.facts.state = next;
    }

    /// Each consumer presents what it knows, which must be accepted.
    fn use_all(&mut self) {
        for new in self.new_taken_up {
            if new {
                assert!(self.facts.state != RotationState::Scheduled && !self.new_revoked, "{self:?}");
                self.new_used.1 = Some(Use::Familiar);
            } else {
                assert!(!self.old_retired, "{self:?}");
                self.old_used.1 = self.hour;
            }
        }
    }

    fn step(&mut self, outcome: Outcome) {
        self.facts.now = at(self.hour);
        self.facts.old_works = !self.old_retired;
        self.facts.new_works = self.facts.state != RotationState::Scheduled && !self.new_revoked;
        self.facts.used = self.new_used.0;
        self.facts.retire_at = at((self.confirmed_at + GRACE_HOURS).max(self.old_used.0 + QUIET_HOURS));
        match step(&self.facts) {
            Step::Wait => {}
            Step::Mint => {
                self.become_(RotationState::Delivering);
                self.facts.confirm_by = at(self.hour + CONFIRM_HOURS);
            }
            Step::Deliver => self.deliver(outcome),
            Step::TellOfUse => self.facts.told_of_use = true,
            Step::Confirm => {
                self.become_(RotationState::Confirmed);
                self.confirmed_at = self.hour;
            }
            Step::LeaveUnconfirmed => self.become_(RotationState::Unconfirmed),
            Step::Fail => {
                self.become_(RotationState::Failed);
                self.new_revoked = true;
            }
            Step::Retire => {
                self.become_(RotationState::Closed);
                self.old_retired = true;
            }
            other @ (Step::RollBack | Step::Abandon) => panic!("nobody asked for {other:?}"),
        }
    }

    fn deliver(&mut self, outcome: Outcome) {
        // Written down before anything is sent.
        let sent_before = std::mem::replace(&mut self.facts.may_have_sent, true);
        self.facts.next_attempt_at = at(self.hour + 1);
        match outcome {
            Outcome::NothingSent => self.facts.may_have_sent = sent_before,
            Outcome::Lost { received } | Outcome::Died { received } => self.received |= received,
            Outcome::Delivered => {
                self.received = true;
                self.become_(RotationState::AwaitingConfirmation);
                self.facts.confirm_by = at(self.hour + CONFIRM_HOURS);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Consumers use what they know every hour; whatever is lost and whoever dies, it is accepted.
    #[test]
    fn no_consumer_is_ever_without_a_secret_that_works(
        deeds in proptest::collection::vec(deeds(), 1..120),
    ) {
        let mut world = World::new();
        for deed in deeds {
            match deed {
                Deed::Hours(hours) => {
                    for _ in 0..hours {
                        world.hour += 1;
                        world.use_all();
                    }
                }
                Deed::Step(outcome) => world.step(outcome),
                Deed::TakeUp(consumer) => world.new_taken_up[consumer] |= world.received,
                Deed::Move => {
                    world.old_used.0 = world.old_used.1;
                    world.new_used.0 = world.new_used.1;
                    world.facts.known_through = at(world.hour);
                }
                Deed::Intruder => {
                    if world.received && world.new_used.1.is_none() {
                        world.new_used.1 = Some(Use::Unfamiliar);
                    }
                }
            }
            world.use_all();
            if world.facts.state == RotationState::Confirmed {
                prop_assert_eq!(world.new_used.1, Some(Use::Familiar));
            }
        }
    }

    /// Delivered, taken up and moved, it closes: it is no machine that only waits.
    #[test]
    fn a_rotation_that_everybody_takes_part_in_closes(lost in 0usize..4) {
        let mut world = World::new();
        world.step(Outcome::NothingSent);
        for _ in 0..lost {
            world.step(Outcome::NothingSent);
            world.hour += 1;
        }
        world.step(Outcome::Delivered);
        prop_assert_eq!(world.facts.state, RotationState::AwaitingConfirmation);
        world.new_taken_up = [true; 2];
        for _ in 0..GRACE_HOURS + QUIET_HOURS + 2 {
            world.hour += 1;
            world.use_all();
            (world.old_used.0, world.new_used.0) = (world.old_used.1, world.new_used.1);
            world.facts.known_through = at(world.hour);
            world.step(Outcome::Delivered);
        }
        prop_assert_eq!(world.facts.state, RotationState::Closed);
    }
}

fn facts(state: RotationState) -> Facts {
    Facts {
        state,
        now: at(50),
        old_works: true,
        new_works: true,
        next_attempt_at: at(0),
        may_have_sent: false,
        confirm_by: at(100),
        used: None,
        told_of_use: false,
        retire_at: at(40),
        known_through: at(50),
    }
}

#[test]
fn the_new_one_is_revoked_by_itself_only_when_nothing_can_have_left() {
    let late = Facts { now: at(100), ..facts(RotationState::Delivering) };
    assert_eq!(step(&late), Step::Fail);
    assert_eq!(step(&Facts { may_have_sent: true, ..late }), Step::LeaveUnconfirmed);
    assert_eq!(step(&Facts { next_attempt_at: at(101), ..late }), Step::Wait);
}

#[test]
fn a_use_from_elsewhere_is_told_once_and_confirms_nothing() {
    for state in [RotationState::Delivering, RotationState::AwaitingConfirmation, RotationState::Unconfirmed]
    {
        let used = Facts { used: Some(Use::Unfamiliar), next_attempt_at: at(60), ..facts(state) };
        assert_eq!(step(&used), Step::TellOfUse);
        assert_eq!(step(&Facts { told_of_use: true, ..used }), Step::Wait);
        assert_eq!(step(&Facts { used: Some(Use::Familiar), ..used }), Step::Confirm);
    }
}

#[test]
fn nothing_is_concluded_from_silence_before_all_journals_have_moved() {
    let waiting = Facts { now: at(200), ..facts(RotationState::AwaitingConfirmation) };
    assert_eq!(step(&waiting), Step::Wait);
    assert_eq!(step(&Facts { known_through: at(100), ..waiting }), Step::LeaveUnconfirmed);
    let confirmed = facts(RotationState::Confirmed);
    assert_eq!(step(&confirmed), Step::Retire);
    assert_eq!(step(&Facts { known_through: at(39), ..confirmed }), Step::Wait);
    assert_eq!(step(&Facts { now: at(39), ..confirmed }), Step::Wait);
}

#[test]
fn what_somebody_else_ended_is_not_brought_back() {
    for state in RotationState::ALL.into_iter().filter(|state| state.is_undecided()) {
        let gone = Facts { new_works: false, ..facts(state) };
        assert_eq!(step(&gone), Step::RollBack);
        assert_eq!(step(&Facts { old_works: false, ..gone }), Step::Abandon);
    }
    assert_eq!(step(&Facts { old_works: false, ..facts(RotationState::Scheduled) }), Step::Abandon);
    assert_eq!(step(&Facts { old_works: false, ..facts(RotationState::Confirmed) }), Step::Retire);
}

#[test]
fn what_is_over_stays_so_and_every_state_has_its_word() {
    for state in RotationState::ALL {
        assert_eq!(RotationState::parse(state.as_str()), Some(state));
        if state.is_over() {
            assert_eq!(step(&facts(state)), Step::Wait);
            assert!(RotationState::ALL.into_iter().all(|next| !state.may_become(next)));
        } else {
            assert!(state.may_become(RotationState::RolledBack));
        }
    }
}
