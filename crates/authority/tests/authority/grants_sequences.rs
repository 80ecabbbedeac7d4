//! Nobody grants what they lack, by whatever sequence of calls.

use keywright_authority::Call;
use keywright_authority::service_tokens::{self, Rotate, Target, Update};
use keywright_core::{Scope, ScopeSet, Status, Timestamp};
use keywright_store::service_tokens::ServiceTokenRow;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::rotation::rotation;
use crate::world::{Made, World, by, made, operator, scopes, wanted, worlds};

const CASES: u32 = 24;
/// What tokens are asked about: enough to tell any two of the scopes below apart.
const PROBES: [&str; 7] = ["a", "b", "w:a", "w:b", "w:x:a", "w:x:b", "v:a"];

/// One call of the under-privileged actor, or of a token that it has made.
#[derive(Clone, Debug)]
enum Step {
    Create(Vec<String>),
    Permissions(usize, Vec<String>),
    End(usize, Option<i64>),
    Active(usize, bool),
    /// All three ways at once.
    Everything(usize, Vec<String>, Option<i64>, bool),
    Rotate(usize, Option<i64>),
}

fn some_scopes() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("(\\*|a|b|w:(\\*|a|b|admin|x:(a|b|\\*))|v:(a|admin)|tokens:admin)", 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    let end = || proptest::option::of(1i64..200);
    prop_oneof![
        some_scopes().prop_map(Step::Create),
        (any::<usize>(), some_scopes()).prop_map(|(of, scopes)| Step::Permissions(of, scopes)),
        (any::<usize>(), end()).prop_map(|(of, end)| Step::End(of, end)),
        (any::<usize>(), any::<bool>()).prop_map(|(of, on)| Step::Active(of, on)),
        (any::<usize>(), some_scopes(), end(), any::<bool>())
            .prop_map(|(of, scopes, end, on)| Step::Everything(of, scopes, end, on)),
        (any::<usize>(), end()).prop_map(|(of, end)| Step::Rotate(of, end)),
    ]
}

#[derive(Clone, Debug)]
struct Case {
    actor: Vec<String>,
    others: Vec<(Vec<String>, bool)>,
    steps: Vec<(usize, Step)>,
}

fn case() -> impl Strategy<Value = Case> {
    let others = proptest::collection::vec((some_scopes(), any::<bool>()), 1..4);
    let steps = proptest::collection::vec((any::<usize>(), step()), 1..14);
    (some_scopes(), others, steps).prop_map(|(actor, others, steps)| Case { actor, others, steps })
}

fn set(texts: &[String]) -> ScopeSet {
    ScopeSet::parse(texts).unwrap()
}

/// The moment `days` from now, or never.
fn after(world: &World, days: Option<i64>) -> Option<Timestamp> {
    days.map(|days| world.now().plus_days(days))
}

struct Play<'a> {
    world: &'a World,
    /// All tokens; those before `originals` are the operator's.
    tokens: Vec<Made>,
    originals: Vec<ServiceTokenRow>,
    /// Who may call: the actor, and whatever it has made.
    callers: Vec<usize>,
    number: u32,
}

impl Play<'_> {
    async fn take(&mut self, caller: usize, step: &Step) {
        let call = by(&self.tokens[self.callers[caller % self.callers.len()]]);
        let target = |of: &usize| of % self.tokens.len();
        match step {
            Step::Create(permissions) => {
                self.number += 1;
                let mut new = wanted(&format!("new {}", self.number), &[]);
                new.permissions = Some(set(permissions));
                let outcome = service_tokens::create(&self.world.authority, call, new).await;
                if outcome.is_ok() {
                    self.keep(made(outcome));
                }
            }
            Step::Permissions(of, permissions) => {
                let change = Update { permissions: Some(set(permissions)), ..Update::default() };
                self.update(call, target(of), change).await;
            }
            Step::End(of, days) => {
                let change = Update { expires_at: Some(after(self.world, *days)), ..Update::default() };
                self.update(call, target(of), change).await;
            }
            Step::Active(of, on) => {
                let change = Update { is_active: Some(*on), ..Update::default() };
                self.update(call, target(of), change).await;
            }
            Step::Everything(of, permissions, days, on) => {
                let change = Update {
                    permissions: Some(set(permissions)),
                    expires_at: Some(after(self.world, *days)),
                    is_active: Some(*on),
                    ..Update::default()
                };
                self.update(call, target(of), change).await;
            }
            Step::Rotate(of, days) => {
                let old = Target::Id(self.tokens[target(of)].row.id);
                let how = Rotate { expires_at: days.map(|_| after(self.world, *days)), ..rotation() };
                let outcome = service_tokens::rotate(&self.world.authority, call, old, how).await;
                if outcome.is_ok() {
                    self.keep(made(outcome));
                }
            }
        }
    }

    async fn update(&self, call: Call, target: usize, change: Update) {
        // Refused or not: what counts is what is so afterwards.
        let _ = self.world.update(call, &self.tokens[target], change).await;
    }

    fn keep(&mut self, token: Made) {
        self.callers.push(self.tokens.len());
        self.tokens.push(token);
    }

    /// Whatever the actor lacks is held only by the operator's tokens, and those hold it no longer
    /// and no more than they did.
    async fn check(&self, held: &ScopeSet) {
        for (number, token) in self.tokens.iter().enumerate() {
            let row = self.world.row(token).await;
            for probe in scopes(&PROBES).iter().filter(|probe| !held.covers(probe)) {
                if !row.permissions.covers(probe) {
                    continue;
                }
                let original = self.originals.get(number).unwrap_or_else(|| {
                    panic!("{} was made with {probe}, which its maker lacks", row.token_name)
                });
                assert!(original.permissions.covers(probe), "{probe} was added to {}", row.token_name);
                assert!(original.is_active || !row.is_active, "{} was switched on", row.token_name);
                let longer = match (original.expires_at, row.expires_at) {
                    (Some(before), Some(after)) => after > before,
                    (Some(_), None) => true,
                    (None, _) => false,
                };
                assert!(!longer, "the life of {} was made longer", row.token_name);
            }
        }
    }
}

async fn play(world: &World, case: Case) {
    let mut raw = world.raw().await;
    raw.run("DELETE FROM service_tokens").await;
    let mut held = case.actor;
    held.push("tokens:admin".to_owned());
    let held = set(&held);
    let texts: Vec<_> = held.iter().map(Scope::as_str).collect();
    let mut play = Play { world, tokens: Vec::new(), originals: Vec::new(), callers: vec![0], number: 0 };
    play.tokens.push(world.token("actor", &texts).await);
    for (number, (permissions, on)) in case.others.iter().enumerate() {
        let texts: Vec<_> = permissions.iter().map(String::as_str).collect();
        let other = world.token(&format!("other {number}"), &texts).await;
        if !on {
            let off = Update { is_active: Some(false), ..Update::default() };
            world.update(operator(), &other, off).await.unwrap();
        }
        play.tokens.push(other);
    }
    for token in &play.tokens {
        play.originals.push(world.row(token).await);
    }
    for (caller, step) in &case.steps {
        play.take(*caller, step).await;
        play.check(&held).await;
    }
    assert_ne!(world.row(&play.tokens[0]).await.status(epochs(world).await, world.now()), Status::Revoked);
}

async fn epochs(world: &World) -> keywright_core::Epochs {
    keywright_store::platform::epochs(world.store.read().await.unwrap().conn()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sequence_of_calls_gives_anybody_what_its_caller_lacks() {
    for world in worlds().await {
        let runtime = tokio::runtime::Handle::current();
        let mut runner =
            TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
        let outcome = tokio::task::block_in_place(|| {
            runner.run(&case(), |case| {
                runtime.block_on(play(&world, case));
                Ok(())
            })
        });
        outcome.unwrap_or_else(|failure| panic!("{:?}: {failure}", world.engine()));
    }
}
