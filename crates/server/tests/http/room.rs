//! How many channels, subscriptions, windows and rotation policies a publisher may have.

use keywright_authority::entropy;
use keywright_core::rotation::{Level, Policy};
use keywright_core::{ActorRef, PublisherId, RotationPolicyId, ScopeSet};
use keywright_store::rotation_policies::{self, PolicyRow};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::logins::Tenant;
use crate::harness::{Caller, TestApp, id, on_both_engines};

on_both_engines![
    a_publisher_has_at_most_a_hundred_of_each,
    of_many_that_take_the_last_place_at_once_one_has_it,
    a_publisher_has_at_most_a_thousand_rotation_policies,
];

const MOST: usize = 100;
const MOST_POLICIES: usize = 1_000;

/// The body of one that is called by a name.
type Named = fn(&str) -> Value;

/// Each collection, and the body of one of it.
fn collections() -> [(&'static str, Named); 3] {
    [
        ("/notification-channels", |name| json!({"name": name, "kind": "log", "is_enabled": false})),
        (
            "/event-subscriptions",
            |name| json!({"name": name, "url": "https://hooks.example.com/x", "event_types": ["*"], "is_enabled": false}),
        ),
        ("/maintenance-windows", |name| json!({"name": name, "cron": "0 2 * * *", "duration_minutes": 60})),
    ]
}

async fn fill(caller: &Caller, path: &str, body: Named, count: usize) -> Value {
    let mut last = Value::Null;
    for number in 0..count {
        last = caller.post(path, body(&number.to_string())).await.expect(201);
    }
    last
}

fn of(app: &TestApp, tenant: &Tenant) -> Caller {
    app.admin().with("x-publisher-id", &tenant.id.to_string())
}

async fn a_publisher_has_at_most_a_hundred_of_each(app: &TestApp) {
    let (songs, films) = (app.tenant("Songs").await, app.tenant("Films").await);
    let (own, others) = (of(app, &songs), of(app, &films));
    for (path, body) in collections() {
        let last = fill(&own, path, body, MOST).await;
        let refused = own.post(path, body("one more")).await.refused(409, "too_many_objects");
        assert!(refused["detail"].as_str().unwrap().starts_with("There are 100 "), "{refused}");
        // Others, and the platform, have room of their own.
        others.post(path, body("one more")).await.expect(201);
        app.admin().post(path, body("one more")).await.expect(201);
        own.delete(&format!("{path}/{}", id(&last))).await.expect(204);
        own.post(path, body("one more")).await.expect(201);
        own.post(path, body("and another")).await.refused(409, "too_many_objects");
    }
}

async fn of_many_that_take_the_last_place_at_once_one_has_it(app: &TestApp) {
    let songs = app.tenant("Songs").await;
    let own = of(app, &songs);
    for (path, body) in collections() {
        fill(&own, path, body, MOST - 1).await;
        let names: Vec<_> = (0..8).map(|number| format!("racer {number}")).collect();
        let racing = names.iter().map(|name| own.post(path, body(name)));
        let answers = futures::future::join_all(racing).await;
        let won = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(won, 1, "{path}");
        for lost in answers.iter().filter(|answer| answer.status != 201) {
            lost.refused(409, "too_many_objects");
        }
    }
}

fn policy(publisher: PublisherId, now: keywright_core::Timestamp) -> PolicyRow {
    PolicyRow {
        id: RotationPolicyId::generate(now, entropy::id()),
        level: Level::ServiceAccount,
        subject_id: Uuid::from_u128(u128::from_be_bytes(
            [entropy::id().as_slice(), &[0; 6]].concat().try_into().unwrap(),
        )),
        publisher_id: Some(publisher),
        terms: Policy { max_age_days: Some(30), ..Policy::default() },
        reach: ScopeSet::default(),
        sealed_secret: None,
        created_by: ActorRef::operator(),
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

async fn a_publisher_has_at_most_a_thousand_rotation_policies(app: &TestApp) {
    let songs = app.tenant("Songs").await;
    let own = of(app, &songs);
    let mut tx = app.authority().store().begin().await.unwrap();
    for _ in 0..MOST_POLICIES - 1 {
        rotation_policies::insert(tx.conn(), &policy(songs.id, app.now())).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut accounts = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let body = json!({"name": name, "service_type": "partner", "scopes": []});
        accounts.push(id(&own.post("/service-accounts", body).await.expect(201)).to_owned());
    }
    let racing = accounts.iter().map(|account| {
        own.post("/rotation-policies", json!({"service_account_id": account, "max_age_days": 30}))
    });
    let answers = futures::future::join_all(racing).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    let lost = answers.iter().position(|answer| answer.status != 201).unwrap();
    answers[lost].refused(409, "too_many_objects");
    // Nor by the account's own door; what is there can be changed.
    let path = format!("/service-accounts/{}/rotation-policy", accounts[lost]);
    own.put(&path, json!({"max_age_days": 60})).await.refused(409, "too_many_objects");
    let won = answers.iter().position(|answer| answer.status == 201).unwrap();
    let path = format!("/service-accounts/{}/rotation-policy", accounts[won]);
    own.put(&path, json!({"max_age_days": 60})).await.expect(200);
    app.admin().post("/rotation-policies", json!({"max_age_days": 90})).await.expect(201);
}
