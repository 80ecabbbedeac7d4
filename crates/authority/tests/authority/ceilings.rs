//! How many live tokens a user, and an account, may have: exactly so many, however many are asked for at once.

use keywright_authority::idempotency::Minted;
use keywright_authority::personal_tokens::{self, PersonalToken};
use keywright_authority::service_accounts;
use keywright_authority::service_tokens::{self, Expiry, Holder, Target};
use keywright_authority::{Authority, Call, Fault, Settings, entropy};
use keywright_core::{
    Actor, ActorKind, ActorRef, Allowlist, Bearing, BuiltInRole, CredentialId, Metadata, Name, RateLimits,
    ScopeSet, ServiceAccountId, ServiceType, SessionId, UserId, Wanted,
};
use keywright_store::platform;
use keywright_store::testing::{accept_invitation, insert_session, insert_user, test_stores};

use crate::rotation::rotation;
use crate::world::{World, at_once, name, operator, settings, wanted};

const MOST: u32 = 5;

async fn small_worlds() -> Vec<World> {
    let settings = || Settings { max_per_account: MOST, max_per_user: MOST, ..settings() };
    test_stores().await.into_iter().map(|store| World::with(store, settings())).collect()
}

/// A platform administrator with a session.
async fn person(world: &World) -> Call {
    let (user, session) =
        (UserId::generate(world.now(), entropy::id()), SessionId::generate(world.now(), entropy::id()));
    let mut tx = world.store.begin().await.unwrap();
    let role = Some(BuiltInRole::PlatformAdmin.as_str());
    insert_user(tx.conn(), user, "ada@example.com", role, world.now()).await.unwrap();
    accept_invitation(tx.conn(), user).await.unwrap();
    let epochs = platform::epochs(tx.conn()).await.unwrap();
    insert_session(tx.conn(), session, user, epochs.counter, world.now()).await.unwrap();
    tx.commit().await.unwrap();
    let bearing = Bearing {
        wanted: Wanted::Session { id: session, publisher: None },
        credential_id: CredentialId(session.0),
        credential_name: "ada".to_owned(),
        principal: ActorRef { kind: ActorKind::User, id: Some(user.0), name: String::new() },
        home: None,
        claimed: None,
        address: None,
    };
    Call { actor: Actor::Bearer(Box::new(bearing)), ..operator() }
}

async fn make_personal(
    authority: Authority,
    call: Call,
    token: String,
) -> Result<Minted<PersonalToken>, Fault> {
    let wanted = personal_tokens::Create {
        name: name(&token),
        scopes: ScopeSet::default(),
        inherit_user_permissions: false,
        publisher_ids: None,
        rate_limits: RateLimits::UNLIMITED,
        ip_allowlist: Allowlist::default(),
        expiry: Expiry::InDays(1),
    };
    personal_tokens::create(&authority, call, wanted).await
}

async fn account(world: &World) -> ServiceAccountId {
    let wanted = service_accounts::Create {
        publisher: None,
        name: Name::parse("a").unwrap(),
        description: String::new(),
        service_type: ServiceType::Internal,
        owner_email: None,
        scopes: ScopeSet::default(),
        limits: RateLimits::UNLIMITED,
        allowlist: Allowlist::default(),
        metadata: Metadata::default(),
    };
    service_accounts::create(&world.authority, operator(), wanted).await.unwrap().object.id
}

async fn make_service(authority: Authority, id: ServiceAccountId, token: String) -> Result<Minted, Fault> {
    let wanted = wanted(&token, &[]);
    let wanted = service_tokens::Create { holder: Holder::Above(id), expiry: Expiry::InDays(1), ..wanted };
    service_tokens::create(&authority, operator(), wanted).await
}

/// The ids of those that were made; all others were told that there are too many.
fn made<T>(outcomes: Vec<Result<Minted<T>, Fault>>, id: impl Fn(&T) -> CredentialId) -> Vec<CredentialId> {
    let mut ids = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(minted) => ids.push(id(&minted.token)),
            Err(Fault::TooManyTokens(MOST)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    ids
}

fn is_full<T>(outcome: &Result<T, Fault>) -> bool {
    matches!(outcome, Err(Fault::TooManyTokens(MOST)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_user_never_has_more_live_tokens_than_allowed() {
    for world in small_worlds().await {
        let authority = &world.authority;
        let call = person(&world).await;
        let make = |token: String| make_personal(authority.clone(), call.clone(), token);
        let outcomes = at_once(20, |number| make(format!("token {number}"))).await;
        let ids = made(outcomes, |token| token.row.id);
        assert_eq!(ids.len(), MOST as usize, "{:?}", world.engine());
        // What is replaced leaves its place to its successor.
        personal_tokens::rotate(authority, call.clone(), ids[0], rotation()).await.unwrap();
        assert!(is_full(&make("one more".to_owned()).await));
        personal_tokens::revoke(authority, call.clone(), ids[1], None).await.unwrap();
        make("in its place".to_owned()).await.unwrap();
        // What is over leaves its place too, and comes back only where there is room.
        world.advance_seconds(86_400);
        for number in 0..MOST {
            make(format!("next {number}")).await.unwrap();
        }
        let again = || personal_tokens::Update {
            expires_at: Some(Some(world.now().plus_days(1))),
            ..personal_tokens::Update::default()
        };
        assert!(is_full(&personal_tokens::update(authority, call.clone(), ids[2], again()).await));
        personal_tokens::revoke_all(authority, call.clone(), None).await.unwrap();
        make("after all".to_owned()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_account_never_has_more_live_tokens_than_allowed() {
    for world in small_worlds().await {
        let authority = &world.authority;
        let id = account(&world).await;
        let make = |token: String| make_service(authority.clone(), id, token);
        let outcomes = at_once(20, |number| make(format!("token {number}"))).await;
        let ids = made(outcomes, |token| token.id);
        assert_eq!(ids.len(), MOST as usize, "{:?}", world.engine());
        let target = |number: usize| Target::OfAccount(id, ids[number]);
        service_tokens::rotate(authority, operator(), target(0), rotation()).await.unwrap();
        assert!(is_full(&make("one more".to_owned()).await));
        service_tokens::revoke(authority, operator(), target(1), None).await.unwrap();
        make("in its place".to_owned()).await.unwrap();
        world.advance_seconds(86_400);
        let again = || service_tokens::Update {
            expires_at: Some(Some(world.now().plus_days(1))),
            ..service_tokens::Update::default()
        };
        let outcomes = at_once(ids.len() + 3, |number| {
            let (authority, make, again) = (authority.clone(), make(format!("next {number}")), again());
            let old = (number < 3).then(|| target(number + 2));
            async move {
                match old {
                    Some(old) => service_tokens::update(&authority, operator(), old, again).await.is_ok(),
                    None => make.await.is_ok(),
                }
            }
        })
        .await;
        let live = outcomes.into_iter().filter(|is_made| *is_made).count();
        assert_eq!(live, MOST as usize, "those that live again take places like those that are new");
        service_accounts::revoke_tokens(authority, operator(), id, None).await.unwrap();
        make("after all".to_owned()).await.unwrap();
        // What stands alone is counted nowhere.
        for number in 0..=MOST {
            world.token(&format!("alone {number}"), &[]).await;
        }
    }
}
