//! What is told of credentials that end soon: once for each end and threshold, whoever looks and whatever the
//! clock does; and over when its cause is gone.

use keywright_authority::alerts;
use keywright_authority::personal_tokens;
use keywright_authority::service_tokens::{self, CleanUp, Expiry, Holder, Rotate, Target, Update};
use keywright_authority::{Authority, MonitoringSettings, Settings, jobs, monitoring, service_accounts};
use keywright_core::{
    AlertKind, AlertState, AlertSubjectKind, Allowlist, BuiltInRole, CredentialId, RateLimits, Severity,
    Timestamp,
};
use keywright_store::alerts::{AlertRow, ListFilter};
use keywright_store::expiry;
use keywright_verify::{Clock, DecisionRecord, RecordCode};
use serde_json::json;

use crate::alerts::told;
use crate::emergency::{all, multiply};
use crate::event_keeping;
use crate::people::{member, publisher};
use crate::rotation::rotation;
use crate::service_accounts::new_account;
use crate::world::{
    Made, World, at_once, authority_with, keys, made, name, operator, settings, until, wanted, worlds,
};

const DAY: i64 = 86_400;

async fn watch(authority: &Authority) -> u64 {
    monitoring::watch(authority).await.unwrap()
}

async fn resolve(world: &World) -> u64 {
    monitoring::resolve(&world.authority).await.unwrap()
}

/// A token that ends after so many seconds.
async fn ending(world: &World, name: &str, seconds: i64) -> Made {
    let expiry = Expiry::At(world.now().plus_seconds(seconds));
    let wanted = service_tokens::Create { expiry, ..wanted(name, &["a"]) };
    made(service_tokens::create(&world.authority, operator(), wanted).await)
}

/// A success of each of these now.
async fn used(world: &World, tokens: &[CredentialId]) {
    let record = |id: &CredentialId| DecisionRecord {
        credential_id: Some(*id),
        ..event_keeping::record(world.now(), RecordCode::Valid, "/works")
    };
    event_keeping::store(world, tokens.iter().map(record).collect()).await;
}

async fn list(world: &World, kind: AlertKind) -> Vec<AlertRow> {
    let filter = ListFilter { kind: Some(kind), limit: 5_000, ..ListFilter::default() };
    let mut found = alerts::list(&world.authority, &operator(), filter).await.unwrap();
    found.reverse();
    found
}

/// The thresholds at which the end of a token was told, in that order.
async fn thresholds(world: &World, token: &Made) -> Vec<u64> {
    let of_token = |alert: &AlertRow| alert.subject.id == Some(token.row.id.0);
    let alerts = list(world, AlertKind::TokenExpiring).await.into_iter().filter(of_token);
    alerts.map(|alert| alert.evidence["threshold_days"].as_u64().unwrap()).collect()
}

async fn the_one(world: &World) -> AlertRow {
    let mut alerts = list(world, AlertKind::TokenExpiring).await;
    assert_eq!(alerts.len(), 1);
    alerts.remove(0)
}

/// Another node, whose clock shows so many seconds more.
fn node(world: &World, seconds: i64) -> Authority {
    authority_with(&world.store, Clock::manual(world.now().plus_seconds(seconds)), keys(&[1]), settings())
}

#[tokio::test]
async fn each_threshold_is_told_once_with_its_severity_as_the_end_comes_near() {
    for world in worlds().await {
        let token = ending(&world, "ci", 40 * DAY).await;
        let eternal = service_tokens::Create { expiry: Expiry::Never, ..wanted("eternal", &["a"]) };
        made(service_tokens::create(&world.authority, operator(), eternal).await);
        // A look every six hours, until it has ended.
        for _ in 0..=41 * 4 {
            used(&world, &[token.row.id]).await;
            watch(&world.authority).await;
            world.advance_seconds(DAY / 4);
        }
        let alerts = list(&world, AlertKind::TokenExpiring).await;
        let seen: Vec<_> = alerts
            .iter()
            .map(|alert| {
                let left = token.row.expires_at.unwrap().micros_since(alert.opened_at) / 1_000_000;
                assert_eq!(alert.subject.id, Some(token.row.id.0));
                (alert.evidence["threshold_days"].as_i64().unwrap(), alert.severity, left / DAY)
            })
            .collect();
        let expected = [
            (30, Severity::Low, 30),
            (14, Severity::Medium, 14),
            (7, Severity::High, 7),
            (1, Severity::Critical, 1),
        ];
        assert_eq!(seen, expected, "{:?}", world.engine());
        assert_eq!(told(&world, "alert.opened").await, 4);
        assert!(alerts.iter().all(|alert| alert.state() == AlertState::Resolved), "it has ended");
    }
}

#[tokio::test]
async fn who_is_first_seen_within_several_thresholds_is_told_at_the_tightest() {
    for world in worlds().await {
        let short = ending(&world, "short", DAY / 2).await;
        let week = ending(&world, "week", 5 * DAY).await;
        let long = ending(&world, "long", 20 * DAY).await;
        assert_eq!(watch(&world.authority).await, 3, "{:?}", world.engine());
        assert_eq!(watch(&world.authority).await, 0);
        for (token, at) in [(&short, 1), (&week, 7), (&long, 30)] {
            assert_eq!(thresholds(&world, token).await, [at]);
        }
        let alerts = list(&world, AlertKind::TokenExpiring).await;
        let alert = alerts.iter().find(|alert| alert.subject.id == Some(short.row.id.0)).unwrap();
        assert_eq!((alert.kind, alert.severity), (AlertKind::TokenExpiring, Severity::Critical));
        assert_eq!(alert.subject.name.as_deref(), Some("short"));
        assert_eq!(alert.evidence["token_type"], "service");
        assert_eq!(alert.evidence["expires_at"], json!(short.row.expires_at));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_look_at_once_and_later_ones_tell_each_end_once() {
    for world in worlds().await {
        for number in 0..20 {
            ending(&world, &format!("token {number}"), 5 * DAY).await;
        }
        let nodes = [node(&world, 0), node(&world, 0)];
        at_once(6, |number| {
            let authority = nodes[number % 2].clone();
            async move { monitoring::watch(&authority).await.unwrap() }
        })
        .await;
        // Who found the other at work has done nothing.
        watch(&world.authority).await;
        assert_eq!(list(&world, AlertKind::TokenExpiring).await.len(), 20, "{:?}", world.engine());
        assert_eq!(watch(&node(&world, 0)).await, 0, "after a restart");
        assert_eq!(told(&world, "alert.opened").await, 20);
    }
}

#[tokio::test]
async fn a_clock_that_is_stepped_two_hours_tells_nothing_twice() {
    for world in worlds().await {
        // An hour within the threshold, and an hour beyond it.
        let within = ending(&world, "within", 7 * DAY - 3_600).await;
        let beyond = ending(&world, "beyond", 7 * DAY + 3_600).await;
        watch(&world.authority).await;
        assert_eq!(
            (thresholds(&world, &within).await, thresholds(&world, &beyond).await),
            (vec![7], vec![14])
        );
        for seconds in [-7_200, 7_200, 0, -7_200, 7_200] {
            let node = node(&world, seconds);
            monitoring::resolve(&node).await.unwrap();
            watch(&node).await;
        }
        assert_eq!(thresholds(&world, &within).await, [7], "{:?}", world.engine());
        assert_eq!(thresholds(&world, &beyond).await, [14, 7]);
        let open = list(&world, AlertKind::TokenExpiring).await;
        assert!(open.iter().all(|alert| alert.state() == AlertState::Open));
        // Past the end, and back before it.
        let short = ending(&world, "short", 3_600).await;
        watch(&world.authority).await;
        watch(&node(&world, 7_200)).await;
        for _ in 0..2 {
            watch(&node(&world, 0)).await;
        }
        assert_eq!(thresholds(&world, &short).await, [1], "{:?}", world.engine());
    }
}

#[tokio::test]
async fn other_thresholds_are_told_as_they_are_set() {
    for world in worlds().await {
        let with = |thresholds: &[u32]| {
            let monitoring =
                MonitoringSettings { thresholds_days: thresholds.to_vec(), ..Default::default() };
            let settings = Settings { monitoring: Some(monitoring), ..settings() };
            authority_with(&world.store, Clock::manual(world.now()), keys(&[1]), settings)
        };
        let token = ending(&world, "ci", 50 * DAY).await;
        assert_eq!(watch(&with(&[3, 45])).await, 0);
        assert_eq!(watch(&with(&[90, 3])).await, 1);
        assert_eq!(the_one(&world).await.severity, Severity::Low);
        // A wider one that is set later has nothing to add.
        assert_eq!(watch(&with(&[365, 3])).await, 0);
        assert_eq!(watch(&with(&[60])).await, 1);
        let mut told = thresholds(&world, &token).await;
        told.sort_unstable();
        assert_eq!(told, [60, 90]);
        let off = Settings { monitoring: None, ..settings() };
        ending(&world, "other", DAY).await;
        let off = authority_with(&world.store, Clock::manual(world.now()), keys(&[1]), off);
        assert_eq!((watch(&off).await, monitoring::resolve(&off).await.unwrap()), (0, 0));
    }
}

#[tokio::test]
async fn an_alert_is_over_when_its_cause_is_gone() {
    for world in worlds().await {
        let end = 5 * DAY;
        let kept = ending(&world, "kept", end).await;
        let revoked = ending(&world, "revoked", end).await;
        let rotated = ending(&world, "rotated", end).await;
        let put_off = ending(&world, "put off", end).await;
        let eternal = ending(&world, "eternal", end).await;
        let moved = ending(&world, "moved", end).await;
        assert_eq!((watch(&world.authority).await, resolve(&world).await), (6, 0));
        world.revoke(&revoked).await;
        service_tokens::rotate(&world.authority, operator(), Target::Id(rotated.row.id), rotation())
            .await
            .unwrap();
        let until = async |token: &Made, end: Option<Timestamp>| {
            let update = Update { expires_at: Some(end), ..Update::default() };
            world.update(operator(), token, update).await.unwrap();
        };
        until(&put_off, Some(world.now().plus_days(60))).await;
        until(&eternal, None).await;
        until(&moved, Some(world.now().plus_days(6))).await;
        assert_eq!(resolve(&world).await, 4, "{:?}", world.engine());
        assert_eq!(resolve(&world).await, 0);
        let reason = async |token: &Made| {
            let alerts = list(&world, AlertKind::TokenExpiring).await;
            let of = |alert: &&AlertRow| alert.subject.id == Some(token.row.id.0);
            alerts.iter().find(of).unwrap().resolved_reason.clone().unwrap_or_default()
        };
        for (token, why) in [
            (&kept, ""),
            (&moved, ""),
            (&revoked, "the credential was revoked"),
            (&rotated, "the credential was rotated"),
            (&put_off, "the credential ends later than it did, or never"),
            (&eternal, "the credential ends later than it did, or never"),
        ] {
            assert_eq!(reason(token).await, why);
        }
        assert_eq!(told(&world, "alert.resolved").await, 4);
        // The end that was put off comes near: it is another end.
        world.advance_seconds(50 * DAY);
        used(&world, &[put_off.row.id]).await;
        watch(&world.authority).await;
        assert_eq!(thresholds(&world, &put_off).await, [7, 14]);
        // Those that were kept have ended.
        assert_eq!(reason(&kept).await, "the credential has expired");
        assert_eq!(watch(&world.authority).await, 0);
    }
}

#[tokio::test]
async fn what_was_removed_is_told_no_more() {
    for world in worlds().await {
        let token = ending(&world, "short", 3_600).await;
        watch(&world.authority).await;
        world.raw().await.run("DELETE FROM service_tokens").await;
        assert_eq!(resolve(&world).await, 1);
        assert_eq!(the_one(&world).await.resolved_reason.as_deref(), Some("the credential was removed"));
        let mut reader = world.store.read().await.unwrap();
        assert_eq!(expiry::count(reader.conn()).await.unwrap(), 0, "{}", token.row.id);
    }
}

#[tokio::test]
async fn what_is_dead_or_cannot_be_used_is_not_told() {
    for world in worlds().await {
        let id = |account: keywright_store::service_accounts::ServiceAccountRow| account.id;
        let account =
            service_accounts::create(&world.authority, operator(), new_account("off", &["a"])).await;
        let account = id(account.unwrap().object);
        let holder = Holder::Above(account);
        let expiry = Expiry::At(world.now().plus_seconds(DAY));
        let of_account =
            service_tokens::Create { holder, permissions: None, expiry, ..wanted("of account", &[]) };
        made(service_tokens::create(&world.authority, operator(), of_account).await);
        service_accounts::disable(&world.authority, operator(), account, None).await.unwrap();
        let off = ending(&world, "off", DAY).await;
        let off_update = Update { is_active: Some(false), ..Update::default() };
        world.update(operator(), &off, off_update).await.unwrap();
        let revoked = ending(&world, "revoked", DAY).await;
        world.revoke(&revoked).await;
        let rotated = ending(&world, "rotated", DAY).await;
        let grace = Rotate { expires_at: Some(Some(world.now().plus_days(90))), ..rotation() };
        service_tokens::rotate(&world.authority, operator(), Target::Id(rotated.row.id), grace)
            .await
            .unwrap();
        assert_eq!(watch(&world.authority).await, 0, "{:?}", world.engine());
        // Back in use, both are told.
        service_accounts::enable(&world.authority, operator(), account, None).await.unwrap();
        let on = Update { is_active: Some(true), ..Update::default() };
        world.update(operator(), &off, on).await.unwrap();
        assert_eq!(watch(&world.authority).await, 2);
        // One number revokes all, and nobody has marked the rows yet.
        ending(&world, "reached", DAY).await;
        let revoke = keywright_authority::emergency::revoke(&world.authority, operator(), all(false));
        revoke.await.unwrap();
        assert_eq!(watch(&world.authority).await, 2, "the two that were told are over");
        let open = list(&world, AlertKind::TokenExpiring).await;
        assert!(open.iter().all(|alert| alert.state() == AlertState::Resolved), "{:?}", world.engine());
    }
}

#[tokio::test]
async fn dormant_tokens_are_told_together_once_for_each_publisher_and_threshold() {
    for world in worlds().await {
        let tenant = publisher(&world, "Songtrust").await;
        let own = keywright_authority::service_accounts::Create {
            publisher: Some(tenant),
            ..new_account("partner", &["a"])
        };
        let account = service_accounts::create(&world.authority, operator(), own).await.unwrap().object.id;
        let expiry = Expiry::At(world.now().plus_days(50));
        let of_account = |name: &str| service_tokens::Create {
            holder: Holder::Above(account),
            permissions: None,
            expiry,
            ..wanted(name, &[])
        };
        for name in ["one", "two"] {
            made(service_tokens::create(&world.authority, operator(), of_account(name)).await);
        }
        let platforms = ending(&world, "platform's", 50 * DAY).await;
        let busy = ending(&world, "busy", 50 * DAY).await;
        world.advance_seconds(31 * DAY);
        used(&world, &[busy.row.id]).await;
        assert_eq!(watch(&world.authority).await, 3, "{:?}", world.engine());
        assert_eq!(watch(&world.authority).await, 0);
        assert_eq!(the_one(&world).await.subject.id, Some(busy.row.id.0));
        let dormant = list(&world, AlertKind::DormantTokensExpiring).await;
        let seen = |alert: &AlertRow| (alert.publisher_id, alert.evidence["tokens"].as_u64().unwrap());
        let mut seen: Vec<_> = dormant.iter().map(seen).collect();
        seen.sort_unstable();
        assert_eq!(seen, [(None, 1), (Some(tenant), 2)]);
        for alert in &dormant {
            assert_eq!((alert.severity, &alert.evidence["threshold_days"]), (Severity::Low, &json!(30)));
        }
        // One more of the same day is added.
        let late = ending(&world, "late", 19 * DAY).await;
        let month = 31 * DAY * 1_000_000;
        let earlier = match world.engine() {
            keywright_store::Engine::Sqlite => format!("created_at - {month}"),
            keywright_store::Engine::Postgres => "created_at - INTERVAL '31 days'".to_owned(),
        };
        let sql = format!("UPDATE service_tokens SET created_at = {earlier} WHERE token_name = 'late'");
        world.raw().await.run(sql).await;
        assert_eq!(watch(&world.authority).await, 0);
        let of_platform =
            |alerts: Vec<AlertRow>| alerts.into_iter().find(|alert| alert.publisher_id.is_none()).unwrap();
        let alert = of_platform(list(&world, AlertKind::DormantTokensExpiring).await);
        assert_eq!(alert.evidence["tokens"], 2);
        assert!(alert.summary.starts_with("2 tokens that nobody has used"), "{}", alert.summary);
        // It is over when none of its tokens is left.
        world.revoke(&platforms).await;
        resolve(&world).await;
        let state = async || of_platform(list(&world, AlertKind::DormantTokensExpiring).await).state();
        assert_eq!(state().await, AlertState::Open);
        world.revoke(&late).await;
        resolve(&world).await;
        assert_eq!(state().await, AlertState::Resolved);
        // The publisher's come nearer, and are told again at the next threshold.
        world.advance_seconds(6 * DAY);
        used(&world, &[busy.row.id]).await;
        assert_eq!(watch(&world.authority).await, 2);
        let last = list(&world, AlertKind::DormantTokensExpiring).await.pop().unwrap();
        assert_eq!((last.publisher_id, &last.evidence["threshold_days"]), (Some(tenant), &json!(14)));
        assert_eq!(last.subject.kind, AlertSubjectKind::Publisher);
    }
}

#[tokio::test]
async fn personal_tokens_are_told_to_their_publisher_and_owner() {
    for world in worlds().await {
        let tenant = publisher(&world, "Songtrust").await;
        let ada = member(&world, "ada@example.com", tenant, BuiltInRole::PublisherEditor).await;
        let create = |token: &str| personal_tokens::Create {
            name: name(token),
            scopes: keywright_core::ScopeSet::default(),
            inherit_user_permissions: true,
            publisher_ids: Some(vec![tenant]),
            rate_limits: RateLimits::UNLIMITED,
            ip_allowlist: Allowlist::default(),
            expiry: Expiry::At(world.now().plus_days(3)),
        };
        for token in ["script", "other"] {
            personal_tokens::create(&world.authority, ada.call(), create(token)).await.unwrap();
        }
        let minted = personal_tokens::create(&world.authority, ada.call(), create("third")).await.unwrap();
        assert_eq!(watch(&world.authority).await, 3, "{:?}", world.engine());
        let alerts = list(&world, AlertKind::TokenExpiring).await;
        let alert = alerts.iter().find(|alert| alert.subject.name.as_deref() == Some("script")).unwrap();
        assert_eq!((alert.publisher_id, &alert.evidence["token_type"]), (Some(tenant), &json!("personal")));
        assert_eq!(alert.evidence["user_id"], json!(ada.user));
        assert!(!format!("{alert:?}").contains("ada@example.com"));
        let id = minted.token.row.id;
        personal_tokens::revoke(&world.authority, ada.call(), id, None).await.unwrap();
        assert_eq!(resolve(&world).await, 1);
        assert_eq!(watch(&world.authority).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_that_was_killed_half_way_is_finished_by_another_node() {
    for world in worlds().await {
        ending(&world, "first", 5 * DAY).await;
        multiply(&mut world.raw().await, 3_999).await;
        let count = async || told(&world, "alert.opened").await;
        let killed = node(&world, 0);
        let task = tokio::spawn({
            let killed = killed.clone();
            async move { monitoring::watch(&killed).await }
        });
        until("something was told", async || count().await > 0 || task.is_finished()).await;
        task.abort();
        let _ = task.await;
        let heir = node(&world, 0);
        // The lease of the one that was killed runs out.
        heir.clock().advance(180_000_000);
        watch(&heir).await;
        assert_eq!((list(&world, AlertKind::TokenExpiring).await.len(), count().await), (4_000, 4_000));
        let marks = "SELECT COUNT(*) FROM expiry_marks m JOIN alerts a ON a.id = m.alert_id";
        assert_eq!(world.raw().await.number(marks).await, 4_000, "{:?}", world.engine());
        // All at once they are over, and each is told.
        world.raw().await.run("DELETE FROM service_tokens").await;
        assert_eq!(monitoring::resolve(&heir).await.unwrap(), 4_000);
        assert_eq!(told(&world, "alert.resolved").await, 4_000);
    }
}

#[tokio::test]
async fn switched_off_by_a_clean_up_it_is_not_told_again() {
    for world in worlds().await {
        ending(&world, "short", 3_600).await;
        watch(&world.authority).await;
        world.advance_seconds(DAY);
        let wanted = CleanUp { deactivate_only: true, older_than_days: 0 };
        service_tokens::clean_up(&world.authority, operator(), wanted).await.unwrap();
        jobs::mark(&world.authority).await.unwrap();
        watch(&world.authority).await;
        assert_eq!(the_one(&world).await.resolved_reason.as_deref(), Some("the credential has expired"));
        assert_eq!(watch(&world.authority).await, 0);
    }
}
