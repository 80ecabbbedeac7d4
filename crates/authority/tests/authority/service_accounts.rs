//! Service accounts: what is done to one reaches all of its tokens, by touching none of them.

use keywright_authority::service_accounts::{self, Create, Update};
use keywright_authority::service_tokens::{self, Holder, RotateAll, Target};
use keywright_authority::{Fault, jobs};
use keywright_core::{
    Actor, Allowlist, Bearing, Metadata, Name, RateLimits, ServiceAccountId, ServiceType, Wanted,
};
use keywright_store::grants;

use crate::emergency::multiply;
use crate::world::{Made, World, made, operator, scopes, wanted, worlds};

pub(crate) fn new_account(name: &str, of: &[&str]) -> Create {
    Create {
        publisher: None,
        name: Name::parse(name).unwrap(),
        description: String::new(),
        service_type: ServiceType::Partner,
        owner_email: None,
        scopes: scopes(of),
        limits: RateLimits::UNLIMITED,
        allowlist: Allowlist::default(),
        metadata: Metadata::default(),
    }
}

async fn account(world: &World, name: &str, of: &[&str]) -> ServiceAccountId {
    service_accounts::create(&world.authority, operator(), new_account(name, of)).await.unwrap().object.id
}

async fn token_of(world: &World, account: ServiceAccountId, name: &str) -> Made {
    let new =
        service_tokens::Create { holder: Holder::Above(account), permissions: None, ..wanted(name, &[]) };
    made(service_tokens::create(&world.authority, operator(), new).await)
}

/// What a token carries at this moment.
async fn carried(world: &World, token: &Made) -> keywright_core::ScopeSet {
    let mut reader = world.store.read().await.unwrap();
    let wanted = Wanted::token(token.secret.hash());
    grants::load(reader.conn(), &wanted).await.unwrap().unwrap().grant.scopes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_an_account_touches_none_of_its_hundred_thousand_tokens() {
    for world in worlds().await {
        let id = account(&world, "songtrust-api", &["works:read", "works:create"]).await;
        let known = token_of(&world, id, "known").await;
        let mut raw = world.raw().await;
        multiply(&mut raw, 99_999).await;
        assert_eq!(world.verdict(&known).await, "valid");
        let touched = "SELECT COUNT(*) FROM service_tokens WHERE version > 1 OR updated_at > created_at OR \
                       revoked_at IS NOT NULL";
        let events = raw.number("SELECT COUNT(*) FROM security_events").await;

        let narrow = Update { scopes: Some(scopes(&["works:read"])), ..Update::default() };
        service_accounts::update(&world.authority, operator(), id, narrow).await.unwrap();
        assert_eq!(carried(&world, &known).await, scopes(&["works:read"]));
        service_accounts::disable(&world.authority, operator(), id, None).await.unwrap();
        assert_eq!(world.verdict(&known).await, "principal_disabled");
        service_accounts::enable(&world.authority, operator(), id, None).await.unwrap();
        assert_eq!(world.verdict(&known).await, "valid");
        let done = service_accounts::revoke_tokens(&world.authority, operator(), id, None).await.unwrap();
        assert_eq!((done.revoked, world.verdict(&known).await), (100_000, "revoked"));
        let next = token_of(&world, id, "next").await;
        assert_eq!(world.verdict(&next).await, "valid");
        service_accounts::delete(&world.authority, operator(), id, None).await.unwrap();
        assert_eq!(world.verdict(&next).await, "revoked");

        assert_eq!(raw.number(touched).await, 0, "{:?}", world.engine());
        // Four changes of the account, one token that was made, one deletion.
        assert_eq!(raw.number("SELECT COUNT(*) FROM security_events").await, events + 6);
        assert_eq!(jobs::mark(&world.authority).await.unwrap(), 100_001);
        assert_eq!(jobs::mark(&world.authority).await.unwrap(), 0);
        assert_eq!(raw.number("SELECT COUNT(*) FROM service_tokens WHERE revoked_at IS NULL").await, 0);
    }
}

#[tokio::test]
async fn a_name_is_free_as_soon_as_its_bearer_is_revoked_with_the_others() {
    for world in worlds().await {
        let id = account(&world, "a", &["works:read"]).await;
        let first = token_of(&world, id, "ci").await;
        service_accounts::revoke_tokens(&world.authority, operator(), id, None).await.unwrap();
        let second = token_of(&world, id, "ci").await;
        assert_eq!((world.verdict(&first).await, world.verdict(&second).await), ("revoked", "valid"));
        let row = world.row(&first).await;
        assert!(row.revoked_at.is_some() && row.revoked_reason.is_some());
    }
}

/// Whoever calls with a token of an account.
fn bearing(token: &Made, account: ServiceAccountId) -> keywright_authority::Call {
    let mut call = crate::world::by(token);
    if let Actor::Bearer(bearing) = &mut call.actor {
        let Bearing { principal, .. } = bearing.as_mut();
        principal.id = Some(account.0);
    }
    call
}

#[tokio::test]
async fn a_token_that_was_revoked_with_its_account_cannot_finish_what_it_began() {
    for world in worlds().await {
        let id = account(&world, "a", &["service_accounts:admin", "tokens:admin"]).await;
        let caller = token_of(&world, id, "caller").await;
        let other = token_of(&world, id, "other").await;
        service_accounts::revoke_tokens(&world.authority, operator(), id, None).await.unwrap();
        let late = |outcome: Result<(), Fault>| match outcome {
            Err(Fault::Denied(denial)) => denial.code.as_str(),
            other => panic!("it was not denied: {other:?}"),
        };
        let call = || bearing(&caller, id);
        let target = Target::OfAccount(id, other.row.id);
        let authority = &world.authority;
        let outcome = service_tokens::revoke(authority, call(), target, None).await.map(drop);
        assert_eq!(late(outcome), "revoked");
        let all = RotateAll { reason: "r".to_owned(), grace_seconds: None };
        let outcome = service_tokens::rotate_all(authority, call(), id, all).await.map(drop);
        assert_eq!(late(outcome), "revoked");
        let outcome = service_accounts::create(authority, call(), new_account("b", &[])).await.map(drop);
        assert_eq!(late(outcome), "revoked");
        let outcome = service_accounts::delete(authority, call(), id, None).await;
        assert_eq!(late(outcome), "revoked");
    }
}
