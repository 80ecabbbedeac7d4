//! `keywright publisher` and `keywright role` against a running authority.

use serde_json::json;

use crate::harness::remote::{admin, done};
use crate::harness::{TestApp, id, on_both_engines};

on_both_engines![
    a_publishers_whole_life_from_a_distance,
    roles_and_members_are_named_within_their_publisher,
    json_is_what_the_api_answers_of_publishers_and_roles,
];

async fn a_publishers_whole_life_from_a_distance(app: &TestApp) {
    let made = done(app, &["publisher", "create", "--name", "Spirit"]).await;
    let publisher = made.stdout.trim().to_owned();
    let shown = async || app.admin().get(&format!("/publishers/{publisher}")).await.expect(200);
    done(app, &["publisher", "suspend", "--identifier", "Spirit", "--reason", "late"]).await;
    assert_eq!(shown().await["suspended_reason"], "late");
    let listed = done(app, &["publisher", "list", "--status", "suspended"]).await;
    assert!(listed.stdout.contains("Spirit") && listed.stdout.contains(&publisher), "{listed:?}");
    done(app, &["publisher", "resume", "--identifier", &publisher]).await;
    assert_eq!(shown().await["status"], "active");
    done(app, &["publisher", "update", "--identifier", "Spirit", "--name", "Ghost"]).await;
    let settings = ["publisher", "settings", "--identifier", "Ghost"];
    let change = ["--session-max-days", "7", "--allowed-login-domains", "a.example,b.example"];
    done(app, &[&settings[..], &change[..]].concat()).await;
    done(app, &[&settings[..], &["--session-max-days", "none", "--per-minute", "5"][..]].concat()).await;
    let seen = done(app, &[&settings[..], &["--json"][..]].concat()).await.json();
    assert_eq!(seen["allowed_login_domains"], json!(["a.example", "b.example"]));
    assert_eq!(
        (&seen["session_max_days"], &seen["default_rate_limits"]["per_minute"]),
        (&json!(null), &json!(5))
    );
    done(app, &["publisher", "delete", "--identifier", "Ghost", "--reason", "closed"]).await;
    let gone = admin(app, &["publisher", "show", "--identifier", "Ghost"]).await;
    assert_eq!((gone.code, gone.stderr.contains("no publisher is called Ghost")), (1, true), "{gone:?}");
}

async fn roles_and_members_are_named_within_their_publisher(app: &TestApp) {
    for name in ["one", "two"] {
        done(app, &["publisher", "create", "--name", name]).await;
        let create =
            ["role", "create", "--name", "Reader", "--permissions", "works:read", "--publisher", name];
        done(app, &create).await;
    }
    let unsure = admin(app, &["role", "show", "--identifier", "Reader"]).await;
    assert_eq!((unsure.code, unsure.stderr.contains("its publisher")), (1, true), "{unsure:?}");
    let of_one = ["--identifier", "Reader", "--publisher", "one"];
    let wider = ["role", "update", "--permissions", "works:read,works:write"];
    done(app, &[&wider[..], &of_one[..]].concat()).await;
    let user = app.user("ada@example.com").await;
    let to_one = ["--publisher", "one", "--user"];
    let add = ["publisher", "member", "add", "--role", "Reader"];
    done(app, &[&add[..], &to_one[..], &[user.as_str()][..]].concat()).await;
    let used = admin(app, &[&["role", "delete"][..], &of_one[..]].concat()).await;
    assert_eq!((used.code, used.stderr.contains("Still in use")), (1, true), "{used:?}");
    let set = ["publisher", "member", "set-role", "--role", "publisher_viewer"];
    done(app, &[&set[..], &to_one[..], &["ADA@example.com"][..]].concat()).await;
    let listed =
        done(app, &["publisher", "member", "list", "--publisher", "one", "--role", "publisher_viewer"]).await;
    assert!(listed.stdout.contains("ada@example.com"), "{listed:?}");
    done(app, &[&["publisher", "member", "remove"][..], &to_one[..], &["ada@example.com"][..]].concat())
        .await;
    done(app, &[&["role", "delete"][..], &of_one[..]].concat()).await;
    let left = done(app, &["role", "list", "--name", "Reader", "--quiet"]).await;
    assert_eq!(left.stdout.lines().count(), 1, "{left:?}");
}

async fn json_is_what_the_api_answers_of_publishers_and_roles(app: &TestApp) {
    let publisher = app.publisher("shown").await;
    let role = app.role(&publisher, "its own", &[]).await;
    for (arguments, path) in [
        (
            &["publisher", "show", "--identifier", "shown", "--json"][..],
            format!("/publishers/{}", id(&publisher)),
        ),
        (&["publisher", "list", "--json"], "/publishers".to_owned()),
        (&["role", "show", "--identifier", "its own", "--json"], format!("/roles/{}", id(&role))),
        (
            &["role", "list", "--publisher", "shown", "--json"],
            format!("/roles?publisher_id={}", id(&publisher)),
        ),
    ] {
        let seen = done(app, arguments).await.json();
        assert_eq!(seen, app.admin().get(&path).await.expect(200), "{arguments:?}");
    }
}
