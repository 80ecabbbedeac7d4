//! The same for every backend: what is granted, against a list of all that was granted before.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt as _;
use keywright_core::{Budget, Timestamp, Window};
use proptest::prelude::*;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::counter::{SLOTS, slot_at, slot_micros};
use super::testing::RedisServer;
use super::{LimitState, Limiter, Taken};

const SECOND: i64 = 1_000_000;

fn budget(key: u128, window: Window, limit: u32) -> Budget {
    Budget { key: Uuid::from_u128(key), window, limit }
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000 * SECOND + micros)
}

/// A limiter, and what it counts in.
struct Backend {
    runtime: Runtime,
    limiter: Limiter,
    _server: Option<RedisServer>,
}

/// The one in memory, and the one in Redis where that can be had.
fn backends() -> Vec<Backend> {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let local = Backend { runtime: runtime(), limiter: Limiter::default(), _server: None };
    let redis = local.runtime.block_on(RedisServer::start()).map(|server| Backend {
        runtime: runtime(),
        limiter: Limiter::patient(&server.url()),
        _server: Some(server),
    });
    std::iter::once(local).chain(redis).collect()
}

impl Backend {
    fn take(&self, budgets: &[Budget], cost: u32, micros: i64) -> Taken {
        let taken = self.runtime.block_on(self.limiter.take(budgets, cost, at(micros))).unwrap();
        assert!(!self.limiter.status().away);
        taken
    }
}

/// All that was granted, and when.
#[derive(Default)]
struct Model(BTreeMap<(Uuid, Window), Vec<(i64, u32)>>);

impl Model {
    /// The units that count at a moment: those of slots that do not lie wholly outside.
    fn counts(&self, budget: &Budget, micros: i64) -> u32 {
        let slot = slot_at(budget.window, at(micros));
        let granted = self.0.get(&(budget.key, budget.window)).into_iter().flatten();
        let counts = granted.filter(|(then, _)| slot_at(budget.window, at(*then)) + SLOTS >= slot);
        counts.map(|(_, cost)| cost).sum()
    }

    fn grants(&self, budgets: &[Budget], cost: u32, micros: i64) -> bool {
        cost == 0 || budgets.iter().all(|budget| self.counts(budget, micros) + cost <= budget.limit)
    }

    fn note(&mut self, budgets: &[Budget], cost: u32, micros: i64) {
        for budget in budgets.iter().filter(|_| cost > 0) {
            self.0.entry((budget.key, budget.window)).or_default().push((micros, cost));
        }
    }

    /// What each budget is to tell.
    fn states(&self, budgets: &[Budget], micros: i64) -> Vec<LimitState> {
        let state = |budget: &Budget| {
            let length = slot_micros(budget.window);
            let granted = self.0.get(&(budget.key, budget.window)).into_iter().flatten();
            let newest = granted.map(|(then, _)| slot_at(budget.window, at(*then))).max().unwrap_or(0);
            let counts = self.counts(budget, micros);
            let until = (newest + SLOTS + 1) * length - at(micros).as_micros();
            LimitState {
                window: budget.window,
                limit: budget.limit,
                remaining: budget.limit - counts,
                reset_seconds: if counts == 0 {
                    0
                } else {
                    u32::try_from((until + SECOND - 1) / SECOND).unwrap()
                },
            }
        };
        budgets.iter().map(state).collect()
    }

    /// The most that was granted in any window of exactly that length.
    fn most_in_any_window(&self, budget: &Budget) -> u32 {
        let granted = self.0.get(&(budget.key, budget.window)).map(Vec::as_slice).unwrap_or_default();
        let length = i64::from(budget.window.seconds()) * SECOND;
        let from = |begin: i64| {
            let within = granted.iter().filter(|(then, _)| (begin..=begin + length).contains(then));
            within.map(|(_, cost)| cost).sum()
        };
        granted.iter().map(|(begin, _)| from(*begin)).max().unwrap_or(0)
    }
}

fn uses() -> impl Strategy<Value = Vec<(i64, u32, usize)>> {
    let step = prop_oneof![0..SECOND, 0..70 * SECOND, 0..4_000 * SECOND, Just(SECOND), Just(60 * SECOND)];
    proptest::collection::vec((step, 0u32..4, 0usize..4), 1..100)
}

#[test]
fn never_more_than_the_limit_in_any_window_and_no_less_than_the_slots_allow() {
    for backend in backends() {
        let case = Cell::new(0);
        let limits = (1u32..8, 1u32..30, 1u32..12);
        proptest!(ProptestConfig::with_cases(100), |(uses in uses(), (own, own_hour, shared) in limits)| {
            case.set(case.get() + 16);
            let budget = |key: u128, window, limit| budget(case.get() + key, window, limit);
            // Two credentials, one of them with two budgets, under one publisher; and the second one after its
            // rotation, which is the same line.
            let publisher = budget(9, Window::Minute, shared);
            let (first, hour) = (budget(1, Window::Minute, own), budget(1, Window::Hour, own_hour));
            let second = budget(2, Window::Minute, own);
            let sets = [vec![first, hour, publisher], vec![second, publisher], vec![second, publisher], vec![hour]];
            let (mut model, mut now) = (Model::default(), 0);
            for (step, cost, set) in uses {
                now += step;
                let budgets = &sets[set];
                let expected = model.grants(budgets, cost, now);
                let taken = backend.take(budgets, cost, now);
                prop_assert_eq!(taken.granted, expected);
                if taken.granted {
                    model.note(budgets, cost, now);
                    let states = model.states(budgets, now);
                    prop_assert_eq!(Some(taken.tightest), LimitState::tightest(&states));
                } else if budgets.iter().all(|budget| cost <= budget.limit) {
                    // As long as was told, and no second longer.
                    let wait = i64::from(taken.retry_after_seconds) * SECOND;
                    prop_assert!(model.grants(budgets, cost, now + wait), "after {wait}");
                    prop_assert!(!model.grants(budgets, cost, now + wait - SECOND), "before {wait}");
                }
            }
            let states = backend.runtime.block_on(backend.limiter.states(&sets[0], at(now)));
            prop_assert_eq!(states, model.states(&sets[0], now));
            for budget in sets.iter().flatten() {
                prop_assert!(model.most_in_any_window(budget) <= budget.limit);
            }
        });
    }
}

#[test]
fn a_clock_that_is_set_back_forgives_nothing_and_blocks_nobody_for_longer_than_a_window() {
    for backend in backends() {
        let case = Cell::new(0);
        let uses = proptest::collection::vec(0..120 * SECOND, 1..20);
        proptest!(ProptestConfig::with_cases(100), |(uses in uses, back in 0..7_200 * SECOND)| {
            case.set(case.get() + 1);
            let budgets = [budget(case.get(), Window::Minute, 3)];
            let mut now = 7_200 * SECOND;
            for step in uses {
                now += step;
                backend.take(&budgets, 1, now);
            }
            let before = backend.take(&budgets, 0, now).tightest.remaining;
            let after = backend.take(&budgets, 0, now - back).tightest;
            prop_assert_eq!(after.remaining, before);
            // Something is taken, so that it is not only looked at.
            let window = i64::from(Window::Minute.seconds()) * SECOND + slot_micros(Window::Minute);
            if before > 0 {
                prop_assert!(backend.take(&budgets, before, now - back).granted);
            }
            prop_assert!(!backend.take(&budgets, 1, now - back).granted);
            let longest = if back > window { window } else { window + back };
            prop_assert_eq!(backend.take(&budgets, 0, now - back + longest).tightest.remaining, 3);
        });
    }
}

#[test]
fn what_one_budget_refuses_is_taken_from_none() {
    for backend in backends() {
        let budgets = [budget(1, Window::Minute, 5), budget(1, Window::Hour, 2)];
        assert!(backend.take(&budgets, 2, 0).granted);
        let refused = backend.take(&budgets, 1, 0);
        assert!(!refused.granted);
        assert_eq!((refused.tightest.window, refused.tightest.remaining), (Window::Hour, 0));
        assert_eq!(
            backend.take(&budgets[..1], 0, 0).tightest.remaining,
            3,
            "of the minute nothing was taken"
        );
        assert_eq!(refused.retry_after_seconds, 61 * 60, "at the begin of a slot: the window, and that slot");
    }
}

#[test]
fn looking_takes_nothing_and_is_never_refused() {
    for backend in backends() {
        let budgets = [budget(1, Window::Minute, 1)];
        for _ in 0..3 {
            assert_eq!(backend.take(&budgets, 0, 0).tightest.remaining, 1);
        }
        assert_eq!(backend.limiter.status().budgets, 0, "what was only looked at is not kept");
        backend.take(&budgets, 1, 0);
        let looked = backend.take(&budgets, 0, 0);
        assert!(looked.granted);
        assert_eq!((looked.tightest.remaining, looked.tightest.reset_seconds), (0, 61));
    }
}

#[test]
fn more_than_the_limit_at_once_is_refused_however_long_one_waits() {
    for backend in backends() {
        let budgets = [budget(1, Window::Minute, 3)];
        for micros in [0, 60 * SECOND, 3_600 * SECOND] {
            let taken = backend.take(&budgets, 4, micros);
            assert_eq!((taken.granted, taken.retry_after_seconds), (false, 60));
        }
    }
}

#[test]
fn a_narrowed_limit_counts_what_was_taken_before() {
    for backend in backends() {
        assert!(backend.take(&[budget(1, Window::Minute, 9)], 9, 0).granted);
        let taken = backend.take(&[budget(1, Window::Minute, 2)], 1, SECOND);
        assert_eq!((taken.granted, taken.tightest.remaining, taken.retry_after_seconds), (false, 0, 60));
    }
}

#[test]
fn of_many_at_once_exactly_as_many_pass_as_the_limit_allows() {
    for backend in backends() {
        let shared = budget(1_000, Window::Hour, 100);
        let (limiter, runtime) = (backend.limiter.clone(), &backend.runtime);
        let passed = runtime.block_on(async {
            let uses = (0..500u128).map(|number| {
                let limiter = limiter.clone();
                // What is shared comes first or last: all are locked in one order anyway.
                let own = budget(number % 50, Window::Minute, 1_000);
                let budgets = if number % 2 == 0 { [own, shared] } else { [shared, own] };
                tokio::spawn(async move { limiter.take(&budgets, 1, at(0)).await.unwrap().granted })
            });
            let uses: Vec<_> = uses.collect();
            let mut passed = 0;
            for granted in uses {
                passed += usize::from(granted.await.unwrap());
            }
            passed
        });
        assert_eq!(passed, 100);
    }
}

#[test]
fn uses_that_go_together_each_get_their_own_answer() {
    let wishes: Vec<(Vec<Budget>, u32)> = (0..300u32)
        .map(|number| {
            let of = |which| budget(u128::from(number * 10 + which), Window::Minute, number % 7);
            ((0..=number % 4).map(of).collect(), number % 5)
        })
        .collect();
    let alone = Limiter::default();
    let wanted: Vec<_> = wishes
        .iter()
        .map(|(budgets, cost)| alone.take(budgets, *cost, at(0)).now_or_never().flatten().unwrap())
        .collect();
    for backend in backends() {
        let limiter = &backend.limiter;
        let taken = backend.runtime.block_on(futures::future::join_all(
            wishes.iter().map(|(budgets, cost)| limiter.take(budgets, *cost, at(0))),
        ));
        assert!(!limiter.status().away);
        let taken: Vec<_> = taken.into_iter().map(Option::unwrap).collect();
        assert_eq!(taken, wanted);
    }
}

#[tokio::test]
async fn uses_that_come_while_a_call_is_under_way_go_together_with_the_next() {
    let Some(server) = RedisServer::start().await else { return };
    let limiter = Limiter::patient(&server.url());
    let budgets = [budget(1, Window::Hour, 100)];
    let take = || limiter.take(&budgets, 1, at(0));
    // It learns the script before.
    assert!(take().await.unwrap().granted);
    let before = server.calls_of_scripts().await;
    server.pause();
    let first = take();
    tokio::pin!(first);
    let others = futures::future::join_all((0..50).map(|_| take()));
    tokio::pin!(others);
    // All have asked, in this order, when the server goes on.
    assert!(first.as_mut().now_or_never().is_none());
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(others.as_mut().now_or_never().is_none());
    server.resume();
    assert!(first.await.unwrap().granted);
    assert!(others.await.into_iter().all(|taken| taken.unwrap().granted));
    assert_eq!(take().await.unwrap().tightest.remaining, 47);
    assert_eq!(server.calls_of_scripts().await - before, 3);
}

#[tokio::test]
async fn who_waits_for_a_call_to_end_does_not_ask_a_server_that_gave_it_no_answer() {
    let Some(server) = RedisServer::start().await else { return };
    let limiter = Limiter::shared(&server.url()).unwrap();
    let budgets = [budget(1, Window::Hour, 100)];
    let take = || limiter.take(&budgets, 1, at(0));
    assert!(take().await.unwrap().granted);
    server.pause();
    let first = take();
    tokio::pin!(first);
    assert!(first.as_mut().now_or_never().is_none());
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let others = futures::future::join_all((0..10).map(|_| take())).await;
    assert!(others.into_iter().all(|taken| taken.unwrap().granted));
    assert!(first.await.unwrap().granted);
    let status = limiter.status();
    assert_eq!((status.away, status.failures), (true, 1));
    server.resume();
}

#[test]
fn threads_that_use_the_same_budgets_at_once_let_no_more_through() {
    let limiter = Limiter::default();
    let shared = budget(7_000, Window::Hour, 100);
    let start = Arc::new(std::sync::Barrier::new(50));
    let threads: Vec<_> = (0..50u128)
        .map(|number| {
            let (limiter, start) = (limiter.clone(), Arc::clone(&start));
            std::thread::spawn(move || {
                let own = budget(number, Window::Minute, 1_000);
                let budgets = if number % 2 == 0 { [own, shared] } else { [shared, own] };
                start.wait();
                let take = || limiter.take(&budgets, 1, at(0)).now_or_never().flatten().unwrap();
                (0..10).filter(|_| take().granted).count()
            })
        })
        .collect();
    let passed: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(passed, 100);
}

#[test]
fn idle_budgets_are_let_go() {
    let limiter = Limiter::default();
    for key in 0..100_000u128 {
        // One minute after the other: only the last ones are in use.
        let minute = i64::try_from(key / 1_000).unwrap();
        let budgets = [budget(key, Window::Minute, 1)];
        limiter.take(&budgets, 1, at(minute * 120 * SECOND)).now_or_never().flatten().unwrap();
    }
    let kept = limiter.status().budgets;
    assert!(kept <= 2 * 1_000 + 64 * 64, "{kept}");
}

#[test]
fn what_has_no_budget_is_not_limited() {
    for backend in backends() {
        assert_eq!(backend.runtime.block_on(backend.limiter.take(&[], 1, at(0))), None);
    }
}

#[tokio::test]
async fn while_the_server_is_away_each_node_counts_by_itself_what_passed_here_included() {
    let Some(mut server) = RedisServer::start().await else { return };
    let [one, other] = [(); 2].map(|()| Limiter::shared(&server.url()).unwrap());
    let budgets = [budget(1, Window::Hour, 4)];
    let take = async |limiter: &Limiter| limiter.take(&budgets, 1, at(0)).await.unwrap();
    for limiter in [&one, &other] {
        let watch = limiter.watch().unwrap();
        tokio::spawn(watch);
        assert!(take(limiter).await.granted);
    }
    assert_eq!(take(&one).await.tightest.remaining, 1, "both count together");
    let until = async |away: bool| {
        while [&one, &other].iter().any(|limiter| limiter.status().away != away) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    server.pause();
    until(true).await;
    assert_eq!(take(&one).await.tightest.remaining, 1, "two of the three passed here, and this one");
    assert_eq!(take(&other).await.tightest.remaining, 2);
    assert!(one.status().failures > 0);
    server.resume();
    until(false).await;
    assert_eq!(take(&one).await.tightest.remaining, 0, "together again, and nothing was forgotten");
    assert!(!take(&other).await.granted);
    server.restart().await;
    until(false).await;
    server.end();
    until(true).await;
    assert!(take(&other).await.granted, "two passed here so far");
}
