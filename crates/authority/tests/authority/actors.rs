//! Whoever loses the right to a change in the middle of it does not finish it.

use std::time::Duration;

use keywright_authority::emergency::{self, EmergencyRevoke, Kinds, Scope};
use keywright_authority::service_tokens::{self, CleanUp, Target, Update};
use keywright_authority::{Authority, Call, Fault};
use keywright_core::{CredentialId, Timestamp};
use keywright_store::service_tokens::{self as rows, Changes};
use keywright_store::{Engine, Tx};

use crate::rotation::rotation;
use crate::world::{World, at_once, by, denial, operator, scopes, wanted, worlds};

#[derive(Clone, Copy, Debug)]
enum Doing {
    Create,
    Update,
    Rotate,
    Revoke,
    RotateSelf,
    RevokeSelf,
    CleanUp,
    Emergency,
}

impl Doing {
    const ALL: [Self; 8] = [
        Self::Create,
        Self::Update,
        Self::Rotate,
        Self::Revoke,
        Self::RotateSelf,
        Self::RevokeSelf,
        Self::CleanUp,
        Self::Emergency,
    ];

    async fn carry_out(self, authority: Authority, call: Call, target: CredentialId) -> Result<(), Fault> {
        let id = Target::Id(target);
        match self {
            Self::Create => service_tokens::create(&authority, call, wanted("late", &[])).await.map(drop),
            Self::Update => {
                let off = Update { is_active: Some(false), ..Update::default() };
                service_tokens::update(&authority, call, target, off).await.map(drop)
            }
            Self::Rotate => service_tokens::rotate(&authority, call, id, rotation()).await.map(drop),
            Self::Revoke => service_tokens::revoke(&authority, call, id, None).await.map(drop),
            Self::RotateSelf => {
                service_tokens::rotate(&authority, call, Target::Myself, rotation()).await.map(drop)
            }
            Self::RevokeSelf => {
                service_tokens::revoke(&authority, call, Target::Myself, None).await.map(drop)
            }
            Self::CleanUp => {
                let wanted = CleanUp { deactivate_only: false, older_than_days: 0 };
                service_tokens::clean_up(&authority, call, wanted).await.map(drop)
            }
            Self::Emergency => emergency::revoke(&authority, call, all("late")).await.map(drop),
        }
    }
}

fn all(reason: &str) -> EmergencyRevoke {
    EmergencyRevoke {
        reason: reason.to_owned(),
        scope: Scope::All,
        kinds: Kinds { service: true, ..Kinds::default() },
        keep_caller: false,
    }
}

#[derive(Clone, Copy, Debug)]
enum Loss {
    Revoked,
    SwitchedOff,
    Expired,
    Demoted,
}

impl Loss {
    const ALL: [Self; 4] = [Self::Revoked, Self::SwitchedOff, Self::Expired, Self::Demoted];

    async fn befall(self, tx: &mut Tx, actor: CredentialId, now: Timestamp) {
        let changes = match self {
            Self::Revoked => {
                assert!(rows::revoke(tx.conn(), actor, now, None).await.unwrap());
                return;
            }
            Self::SwitchedOff => Changes { is_active: Some(false), ..Changes::none(now) },
            Self::Expired => Changes { expires_at: Some(Some(now)), ..Changes::none(now) },
            Self::Demoted => Changes { permissions: Some(scopes(&["works:read"])), ..Changes::none(now) },
        };
        assert!(rows::update(tx.conn(), actor, 1, &changes).await.unwrap());
    }

    const fn told(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::SwitchedOff => "inactive",
            Self::Expired => "expired",
            Self::Demoted => "insufficient_scope",
        }
    }
}

/// What stands in the store about tokens and events.
async fn state(world: &World) -> Vec<i64> {
    let mut raw = world.raw().await;
    let mut numbers = Vec::new();
    for sql in [
        "SELECT COUNT(*) FROM service_tokens",
        "SELECT CAST(SUM(version) AS BIGINT) FROM service_tokens",
        "SELECT COUNT(*) FROM security_events",
        "SELECT service_epoch FROM platform",
    ] {
        numbers.push(raw.number(sql).await);
    }
    numbers
}

/// Long enough for a change to get as far as it can. If it does not get there in this time it begins
/// later and is refused as well: nothing that is asserted depends on it.
async fn let_it_begin() {
    tokio::time::sleep(Duration::from_millis(30)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_actor_loses_while_its_change_waits_it_cannot_use() {
    for world in worlds().await {
        for loss in Loss::ALL {
            for doing in Doing::ALL {
                if matches!((loss, doing), (Loss::Demoted, Doing::RevokeSelf)) {
                    continue; // Every usable token may revoke itself.
                }
                let label = format!("{:?}: {loss:?} during {doing:?}", world.engine());
                let actor = world.token(&format!("actor of {label}"), &["*"]).await;
                let target = world.token(&format!("target of {label}"), &["a"]).await;
                let mut losing = world.store.begin_change(&[], &[actor.row.id.0]).await.unwrap();
                loss.befall(&mut losing, actor.row.id, world.now()).await;
                let change = doing.carry_out(world.authority.clone(), by(&actor), target.row.id);
                let change = tokio::spawn(change);
                let_it_begin().await;
                assert!(!change.is_finished(), "{label}: it did not wait");
                losing.commit().await.unwrap();
                let before = state(&world).await;
                assert_eq!(denial(&change.await.unwrap()), loss.told(), "{label}");
                assert_eq!(state(&world).await, before, "{label}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_expires_while_its_change_waits_does_not_finish_it() {
    for world in worlds().await {
        for doing in Doing::ALL {
            let label = format!("{:?}: {doing:?}", world.engine());
            let actor = world.token(&format!("actor of {label}"), &["*"]).await;
            let target = world.token(&format!("target of {label}"), &["a"]).await;
            let end = Update { expires_at: Some(Some(world.now().plus_seconds(10))), ..Update::default() };
            world.update(operator(), &actor, end).await.unwrap();
            let barrier = world.store.begin_change(&[], &[actor.row.id.0]).await.unwrap();
            let change = tokio::spawn(doing.carry_out(world.authority.clone(), by(&actor), target.row.id));
            let_it_begin().await;
            world.advance_seconds(10);
            barrier.rollback().await;
            assert_eq!(denial(&change.await.unwrap()), "expired", "{label}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_an_emergency_reaches_while_its_change_waits_does_not_finish_it() {
    for world in worlds().await {
        for doing in Doing::ALL {
            let label = format!("{:?}: {doing:?}", world.engine());
            let actor = world.token(&format!("actor of {label}"), &["*"]).await;
            let target = world.token(&format!("target of {label}"), &["a"]).await;
            let mut raising = world.store.begin().await.unwrap();
            keywright_store::testing::raise_service_epoch(raising.conn()).await.unwrap();
            let change = tokio::spawn(doing.carry_out(world.authority.clone(), by(&actor), target.row.id));
            let_it_begin().await;
            assert!(!change.is_finished(), "{label}: it did not wait");
            raising.commit().await.unwrap();
            assert_eq!(denial(&change.await.unwrap()), "revoked", "{label}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_that_revoke_each_other_at_once_one_does() {
    for world in worlds().await {
        for round in 0..10 {
            let one = world.token(&format!("one {round}"), &["tokens:admin"]).await;
            let two = world.token(&format!("two {round}"), &["tokens:admin"]).await;
            let outcomes = at_once(2, |number| {
                let (authority, pair) = (world.authority.clone(), [&one, &two]);
                let (call, target) = (by(pair[number]), Target::Id(pair[1 - number].row.id));
                async move { service_tokens::revoke(&authority, call, target, None).await }
            })
            .await;
            let refused: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_err()).collect();
            assert_eq!(refused.len(), 1, "{:?}: {outcomes:?}", world.engine());
            assert_eq!(denial(refused[0]), "revoked");
            let mut verdicts = [world.verdict(&one).await, world.verdict(&two).await];
            verdicts.sort_unstable();
            assert_eq!(verdicts, ["revoked", "valid"]);
        }
    }
}

/// Whoever is refused is refused for a reason: no two changes ever wait for each other, whoever
/// changes whom, and an emergency waits for none of them in vain.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_two_changes_wait_for_each_other() {
    for world in worlds().await {
        if world.engine() == Engine::Sqlite {
            continue; // One writer: they wait in line.
        }
        for round in 0..6 {
            let mut admins = Vec::new();
            for number in 0..4 {
                admins.push(world.token(&format!("{round}: admin {number}"), &["*"]).await);
            }
            let outcomes = at_once(24, |number| {
                let authority = world.authority.clone();
                let (call, target) = (by(&admins[number % 4]), admins[(number / 4 + number) % 4].row.id);
                let doing = Doing::ALL[number % 8];
                async move { (doing, doing.carry_out(authority, call, target).await) }
            })
            .await;
            for (doing, outcome) in outcomes {
                let crossed = matches!(
                    outcome,
                    Err(Fault::Unavailable(_) | Fault::Internal(_) | Fault::OutcomeUnknown(_))
                );
                assert!(!crossed, "{doing:?}: {outcome:?}");
            }
        }
    }
}
