//! Every change is told once, in its own transaction, and no telling bears a secret.

use keywright_authority::emergency::{self, EmergencyRevoke, Kinds, Scope};
use keywright_authority::service_tokens::{self, CleanUp, MetadataChange, Target, Update};
use keywright_authority::{Call, Fault, Idempotency, audit};
use keywright_core::ActorKind;
use keywright_store::security_events::{EventFilter, SecurityEventRow, SortOrder};
use serde_json::{Value, json};

use crate::rotation::rotation;
use crate::world::{Made, World, by, made, name, operator, scopes, wanted, worlds};

async fn events(world: &World) -> Vec<SecurityEventRow> {
    let filter = EventFilter { limit: 1_000, order: SortOrder::Ascending, ..EventFilter::default() };
    audit::list(&world.authority, &operator(), &filter).await.unwrap()
}

/// The one event that was written since there were `before`.
async fn told(world: &World, before: usize) -> SecurityEventRow {
    let mut events = events(world).await;
    assert_eq!(events.len(), before + 1, "{:?}", world.engine());
    events.pop().unwrap()
}

fn from_somewhere(call: Call) -> Call {
    Call {
        ip_address: Some("::ffff:192.0.2.7".parse().unwrap()),
        user_agent: Some("curl/8".to_owned()),
        request_id: "request-1".to_owned(),
        ..call
    }
}

fn json(text: Option<&String>) -> Value {
    serde_json::from_str(text.unwrap()).unwrap()
}

#[tokio::test]
async fn each_change_writes_one_event_that_tells_who_what_and_from_where() {
    for world in worlds().await {
        let admin = world.token("admin", &["*"]).await;
        let call = || from_somewhere(by(&admin));
        world.advance_seconds(1);
        let token = made(service_tokens::create(&world.authority, call(), wanted("ci", &["a"])).await);
        let created = told(&world, 1).await.event;
        assert_eq!(created.type_, "token.created");
        assert_eq!((created.actor.kind, created.actor.id), (ActorKind::ServiceToken, Some(admin.row.id.0)));
        assert_eq!(created.actor.name, "admin");
        assert_eq!((created.subject_id, created.subject_name.as_deref()), (Some(token.row.id.0), Some("ci")));
        assert_eq!(created.ip_address, Some("::ffff:192.0.2.7".parse().unwrap()));
        assert_eq!(
            (created.user_agent.as_deref(), created.request_id.as_deref()),
            (Some("curl/8"), Some("request-1"))
        );
        assert_eq!(created.node_id, Some(world.authority.node()));
        assert_eq!(
            (created.before, json(created.after.as_ref())["permissions"].clone()),
            (None, json!(["a"]))
        );

        world.advance_seconds(1);
        let change = Update { permissions: Some(scopes(&["b"])), ..Update::default() };
        service_tokens::update(&world.authority, call(), token.row.id, change).await.unwrap();
        let updated = told(&world, 2).await.event;
        assert_eq!(updated.type_, "token.updated");
        assert_eq!(json(updated.before.as_ref())["permissions"], json!(["a"]));
        assert_eq!(json(updated.after.as_ref())["permissions"], json!(["b"]));

        world.advance_seconds(1);
        let reason = Some("no longer needed".to_owned());
        service_tokens::revoke(&world.authority, call(), Target::Id(token.row.id), reason).await.unwrap();
        let revoked = told(&world, 3).await.event;
        assert_eq!(
            (revoked.type_.as_str(), revoked.reason.as_deref()),
            ("token.revoked", Some("no longer needed"))
        );
        assert_eq!(json(revoked.before.as_ref())["revoked_at"], Value::Null);
        assert_eq!(json(revoked.after.as_ref())["revoked_at"], json!(world.now()));
    }
}

#[tokio::test]
async fn a_rotation_is_told_of_both_tokens() {
    for world in worlds().await {
        let token = world.token("ci", &["a"]).await;
        world.advance_seconds(1);
        let new = service_tokens::rotate(&world.authority, operator(), Target::Id(token.row.id), rotation());
        let new = made(new.await);
        let both = events(&world).await.split_off(1);
        let of = |type_| both.iter().map(|row| &row.event).find(|event| event.type_ == type_).unwrap();
        let (rotated, created) = (of("token.rotated"), of("token.created"));
        assert_eq!(both.len(), 2, "one for each of the two tokens");
        assert_eq!((rotated.subject_id, created.subject_id), (Some(token.row.id.0), Some(new.row.id.0)));
        assert_eq!((rotated.reason.as_deref(), created.reason.as_deref()), (Some("test"), Some("test")));
        assert_eq!(json(rotated.before.as_ref())["superseded_by_id"], Value::Null);
        assert_eq!(json(rotated.after.as_ref())["superseded_by_id"], json!(new.row.id));
        assert_eq!(json(created.details.as_ref())["rotated_from_id"], json!(token.row.id));
    }
}

#[tokio::test]
async fn what_reaches_many_is_told_once() {
    for world in worlds().await {
        let admin = world.token("admin", &["*"]).await;
        world.token("ci", &["a"]).await;
        world.advance_seconds(1);
        let all = EmergencyRevoke {
            reason: "drill".to_owned(),
            scope: Scope::All,
            kinds: Kinds { service: true, ..Kinds::default() },
            keep_caller: true,
        };
        let outcome = emergency::revoke(&world.authority, by(&admin), all).await.unwrap();
        let emergency = told(&world, 2).await.event;
        assert_eq!((emergency.id, emergency.type_.as_str()), (outcome.event_id, "emergency.revoked"));
        assert_eq!(json(emergency.details.as_ref())["kept_caller"], json!(admin.row.id));
        assert_eq!(
            json(emergency.details.as_ref())["reached"],
            json!({"service": 1, "personal": 0, "sessions": 0})
        );

        world.advance_seconds(500 * 86_400);
        let sweep = CleanUp { deactivate_only: false, older_than_days: 0 };
        service_tokens::clean_up(&world.authority, operator(), sweep).await.unwrap();
        let mut types: Vec<_> = events(&world).await.into_iter().skip(3).map(|row| row.event.type_).collect();
        types.sort();
        assert_eq!(types, ["tokens.deactivated", "tokens.removed"]);
    }
}

/// A change that is refused at its last step, and one that changes nothing.
#[tokio::test]
async fn what_is_rolled_back_is_not_told() {
    for world in worlds().await {
        let token = world.token("ci", &["a"]).await;
        world.token("other", &["a"]).await;
        let before = events(&world).await;
        let same = Update { token_name: Some(name("ci")), is_active: Some(true), ..Update::default() };
        world.update(operator(), &token, same).await.unwrap();
        let others = Update { token_name: Some(name("other")), ..Update::default() };
        assert!(matches!(world.update(operator(), &token, others).await, Err(Fault::NameTaken)));
        let off = Update { is_active: Some(false), ..Update::default() };
        let stale = Call { if_version: Some([7].into()), ..operator() };
        assert!(matches!(world.update(stale, &token, off).await, Err(Fault::PreconditionFailed)));
        let same_name = service_tokens::create(&world.authority, operator(), wanted("ci", &["a"])).await;
        assert!(matches!(same_name, Err(Fault::NameTaken)));
        let call = || Call {
            idempotency: Some(Idempotency::new("0123456789abcdef", "create", b"").unwrap()),
            ..operator()
        };
        for (expected, repeated) in [(before.len() + 1, false), (before.len() + 1, true)] {
            let minted = service_tokens::create(&world.authority, call(), wanted("new", &["a"])).await;
            assert_eq!(minted.unwrap().repeated, repeated);
            assert_eq!(events(&world).await.len(), expected, "an answer that is repeated is no change");
        }
        assert_eq!(world.row(&token).await.version, 1);
    }
}

/// The event cannot be written: the change is not made either.
#[tokio::test]
async fn what_cannot_be_told_is_not_done() {
    for world in worlds().await {
        let token = world.token("ci", &["a"]).await;
        assert_eq!(world.verdict(&token).await, "valid");
        world.raw().await.run("ALTER TABLE security_events RENAME TO hidden").await;
        let revoked =
            service_tokens::revoke(&world.authority, operator(), Target::Id(token.row.id), None).await;
        assert!(matches!(revoked, Err(Fault::Internal(_))), "{revoked:?}");
        let rotated =
            service_tokens::rotate(&world.authority, operator(), Target::Id(token.row.id), rotation()).await;
        assert!(matches!(rotated, Err(Fault::Internal(_))), "{rotated:?}");
        assert_eq!(world.verdict(&token).await, "valid");
        assert_eq!(world.row(&token).await.version, 1);
        let tokens = world.raw().await.number("SELECT COUNT(*) FROM service_tokens").await;
        assert_eq!(tokens, 1);
    }
}

#[tokio::test]
async fn no_secret_and_no_hash_of_one_is_anywhere_but_where_it_is_looked_up() {
    for world in worlds().await {
        let call = || Call {
            idempotency: Some(Idempotency::new("0123456789abcdef", "any", b"").unwrap()),
            ..from_somewhere(operator())
        };
        let minted: Made = made(service_tokens::create(&world.authority, call(), wanted("ci", &["a"])).await);
        let metadata = json!({"owner": "platform"}).as_object().unwrap().clone();
        let change = Update { metadata: Some(MetadataChange::Merge(metadata)), ..Update::default() };
        world.update(operator(), &minted, change).await.unwrap();
        let again = Call { idempotency: None, ..call() };
        let target = Target::Id(minted.row.id);
        let new = made(service_tokens::rotate(&world.authority, again, target, rotation()).await);
        world.revoke(&minted).await;
        let all = EmergencyRevoke {
            reason: "drill".to_owned(),
            scope: Scope::All,
            kinds: Kinds { service: true, ..Kinds::default() },
            keep_caller: false,
        };
        emergency::revoke(&world.authority, operator(), all).await.unwrap();
        audit::chain::seal(&world.authority).await.unwrap();

        let hash = |of: &Made| crate::world::hex(of.secret.hash().as_bytes());
        let everything = world.raw().await.dump(&[]).await;
        let rest = world.raw().await.dump(&["service_tokens.token_hash"]).await;
        for token in [&minted, &new] {
            assert!(everything.contains(&hash(token)), "the search finds what is there");
            assert!(!rest.contains(&hash(token)), "{:?}", world.engine());
            assert!(!everything.contains(&token.secret.reveal()[3..]), "{:?}", world.engine());
            let told = format!("{:?}", events(&world).await);
            assert!(!told.contains(&token.secret.reveal()[3..]) && !told.contains(&hash(token)));
        }
    }
}
