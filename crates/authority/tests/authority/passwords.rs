//! Passwords that were kept under weaker parameters than those of today.

use argon2::password_hash::{PasswordHasher as _, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use keywright_authority::accounts::change_password;
use keywright_authority::sessions::{self, Login, Visitor};
use keywright_authority::{Authority, Fault, entropy};
use keywright_core::{PasswordHash, PlainPassword, UserId};
use keywright_store::testing::insert_user;
use keywright_store::users;

use crate::people::Person;
use crate::world::{World, at_once, worlds};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery staple";
const OF_TODAY: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

/// A user whose password was hashed as it would not be today.
async fn kept_weakly(world: &World) -> (UserId, String) {
    let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8 * 1024, 1, 1, None).unwrap());
    let hash: phc::PasswordHash =
        weak.hash_password_with_salt(PASSWORD.as_bytes(), &entropy::salt()).unwrap();
    let user = UserId::generate(world.now(), entropy::id());
    let mut tx = world.store.begin().await.unwrap();
    insert_user(tx.conn(), user, EMAIL, None, world.now()).await.unwrap();
    let kept = PasswordHash::from_phc(hash.to_string());
    assert!(users::set_password(tx.conn(), user, &kept, world.now()).await.unwrap());
    tx.commit().await.unwrap();
    (user, hash.to_string())
}

async fn kept(world: &World, user: UserId) -> String {
    let mut reader = world.store.read().await.unwrap();
    users::password_hash(reader.conn(), user).await.unwrap().unwrap().as_phc().to_owned()
}

async fn log_in(authority: Authority, password: &'static str) -> Result<(), Fault> {
    let password = PlainPassword::presented(password);
    let login = Login { email: EMAIL.to_owned(), password, publisher: None };
    sessions::login(&authority, Visitor::default(), login).await.outcome.map(drop)
}

#[tokio::test]
async fn a_login_keeps_the_password_under_the_parameters_of_today() {
    for world in worlds().await {
        let (user, weak) = kept_weakly(&world).await;
        let wrong = log_in(world.authority.clone(), "wrong password 123").await;
        assert!(matches!(wrong, Err(Fault::InvalidCredentials)), "{wrong:?}");
        assert!(kept(&world, user).await == weak, "who does not know it changes nothing");
        log_in(world.authority.clone(), PASSWORD).await.unwrap();
        let strong = kept(&world, user).await;
        assert!(strong.starts_with(OF_TODAY));
        log_in(world.authority.clone(), PASSWORD).await.unwrap();
        assert!(kept(&world, user).await == strong, "it is done once");
        let wrong = log_in(world.authority.clone(), "wrong password 123").await;
        assert!(matches!(wrong, Err(Fault::InvalidCredentials)), "{wrong:?}");
    }
}

/// The first of them changes what the others have compared their password with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_logins_at_once_none_is_refused_because_another_kept_the_password_anew() {
    for world in worlds().await {
        let (user, _) = kept_weakly(&world).await;
        let outcomes = at_once(4, |_| log_in(world.authority.clone(), PASSWORD)).await;
        assert!(outcomes.iter().all(Result::is_ok), "{:?}: {outcomes:?}", world.engine());
        assert!(kept(&world, user).await.starts_with(OF_TODAY));
    }
}

/// So many attempts would make a network wait, and a twentieth of them an account.
const MANY: usize = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_failed_by_a_fault_of_ours_is_held_against_nobody() {
    for world in worlds().await {
        let person = Person::of_platform(&world, EMAIL).await;
        let right = world.authority.passwords().hash(PlainPassword::parse(PASSWORD).unwrap()).await.unwrap();
        let keep = async |hash| {
            let mut tx = world.store.begin().await.unwrap();
            assert!(users::set_password(tx.conn(), person.user, &hash, world.now()).await.unwrap());
            tx.commit().await.unwrap();
        };
        keep(PasswordHash::from_phc("damaged".to_owned())).await;
        for _ in 0..MANY {
            let login = log_in(world.authority.clone(), PASSWORD).await;
            assert!(matches!(login, Err(Fault::Internal(_))), "{:?}: {login:?}", world.engine());
            let change = change_password(&world.authority, person.call(), PASSWORD, "x").await;
            assert!(matches!(change, Err(Fault::Internal(_))), "{:?}: {change:?}", world.engine());
        }
        keep(right).await;
        log_in(world.authority.clone(), PASSWORD).await.unwrap();
    }
}

/// Two attempts at once read the clock in one order and are counted in the other; so do two nodes.
#[tokio::test]
async fn nobody_waits_for_an_attempt_of_a_later_moment_that_makes_nobody_wait() {
    for world in worlds().await {
        kept_weakly(&world).await;
        for seconds in [0, -1, -7_200, 0, 7_200] {
            world.advance_seconds(seconds);
            let wrong = log_in(world.authority.clone(), "wrong password 123").await;
            assert!(
                matches!(wrong, Err(Fault::InvalidCredentials)),
                "{:?}, {seconds}: {wrong:?}",
                world.engine()
            );
        }
    }
}
