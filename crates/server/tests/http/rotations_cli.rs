//! `keywright policy`, `keywright window` and `keywright rotation` against a running authority.

use serde_json::json;

use crate::harness::child::run_reading;
use crate::harness::remote::{admin, done, remote};
use crate::harness::{TestApp, on_both_engines};

on_both_engines![
    policies_and_windows_are_made_and_changed_from_a_distance,
    a_plan_is_read_and_a_rotation_decided_from_a_distance,
    what_lets_a_delivery_in_is_read_from_a_file_or_standard_input,
];

async fn policies_and_windows_are_made_and_changed_from_a_distance(app: &TestApp) {
    let window = ["window", "create", "--name", "nights", "--cron", "0 2 * * *", "--duration-minutes", "60"];
    let id = done(app, &[&window[..], &["--time-zone", "Europe/Berlin"][..]].concat()).await.stdout;
    let id = id.trim();
    let listed = done(app, &["window", "list"]).await;
    assert!(listed.stdout.contains("nights") && listed.stdout.contains(id), "{listed:?}");
    done(app, &["window", "update", "--identifier", "nights", "--duration-minutes", "90"]).await;
    let shown = done(app, &["window", "show", "--identifier", "nights", "--json"]).await.json();
    assert_eq!((&shown["duration_minutes"], &shown["time_zone"]), (&json!(90), &json!("Europe/Berlin")));
    app.mint("api", &[]).await;
    let create = ["policy", "create", "--service-token", "api", "--max-age-days", "30", "--window", "nights"];
    let policy = done(app, &[&create[..], &["--grace", "2h", "--delivery", "none"][..]].concat()).await;
    let policy = policy.stdout.trim().to_owned();
    let shown = done(app, &["policy", "show", "--identifier", &policy, "--json"]).await.json();
    assert_eq!((&shown["grace_seconds"], &shown["maintenance_window_id"]), (&json!(7_200), &json!(id)));
    let change =
        ["policy", "update", "--identifier", &policy, "--quiet-hours", "3", "--unset", "grace_seconds"];
    done(app, &change).await;
    let effective = ["policy", "effective", "--service-token", "api", "--json"];
    let effective = done(app, &effective).await.json();
    assert_eq!(effective["quiet_hours"], json!({"value": 3, "policy_id": policy}));
    assert_eq!(effective["grace_seconds"], json!({"value": 86_400, "policy_id": null}));
    let used = admin(app, &["window", "delete", "--identifier", "nights"]).await;
    assert_eq!((used.code, used.stderr.contains("Still in use")), (1, true), "{used:?}");
    assert!(done(app, &["policy", "list"]).await.stdout.contains(&policy));
    done(app, &["policy", "delete", "--identifier", &policy]).await;
    done(app, &["window", "delete", "--identifier", "nights"]).await;
    let platform = done(app, &["policy", "create", "--platform", "--max-age-days", "60"]).await;
    assert_eq!(done(app, &["policy", "list", "--quiet"]).await.stdout, platform.stdout);
}

async fn a_plan_is_read_and_a_rotation_decided_from_a_distance(app: &TestApp) {
    let token = app.mint("api", &[]).await;
    app.mint("planned", &[]).await;
    done(app, &["policy", "create", "--platform", "--max-age-days", "10"]).await;
    let rotation = app.rotation(&token).await;
    let plan = done(app, &["rotation", "plan", "--days", "20"]).await;
    assert!(plan.stdout.contains("planned") && plan.stderr.contains("rotation.enabled"), "{plan:?}");
    let none = done(app, &["rotation", "plan", "--days", "1"]).await;
    assert!(none.stderr.contains("nothing is due within 1 days"), "{none:?}");
    let listed = done(app, &["rotation", "list", "--service-token", &token.id]).await;
    assert!(listed.stdout.contains("delivering"), "{listed:?}");
    let shown = done(app, &["rotation", "show", "--identifier", &rotation]).await;
    assert!(shown.stdout.contains("minted"), "{shown:?}");
    let back = ["rotation", "rollback", "--identifier", &rotation, "--reason", "no"];
    done(app, &back).await;
    let over = admin(app, &["rotation", "confirm", "--identifier", &rotation]).await;
    assert_eq!((over.code, over.stderr.contains("The rotation is over")), (1, true), "{over:?}");
}

async fn what_lets_a_delivery_in_is_read_from_a_file_or_standard_input(app: &TestApp) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "hvs.of-vault\n").unwrap();
    app.mint("api", &[]).await;
    let vault =
        ["policy", "create", "--service-token", "api", "--delivery", "vault_kv:https://vault.example:8200"];
    let place = ["--delivery-mount", "secret", "--delivery-path", "api", "--delivery-key", "token"];
    let without = admin(app, &[&vault[..], &place[..]].concat()).await;
    assert_eq!((without.code, without.stderr.contains("delivery.secret")), (1, true), "{without:?}");
    let secret = ["--delivery-secret-file", file.to_str().unwrap()];
    let policy = done(app, &[&vault[..], &place[..], &secret[..]].concat()).await.stdout.trim().to_owned();
    let shown = done(app, &["policy", "show", "--identifier", &policy]).await.stdout;
    assert!(shown.contains("https://vault.example:8200") && !shown.contains("hvs."), "{shown}");
    let update =
        ["policy", "update", "--identifier", &policy, "--delivery", "github_actions_secret:acme/api"];
    let name = ["--delivery-secret-name", "TOKEN", "--delivery-secret-file", "-"];
    let updated =
        run_reading(remote(app, app.admin_token(), &[&update[..], &name[..]].concat()), "ghp_of-github\n")
            .await;
    assert_eq!(updated.code, 0, "{updated:?}");
    assert!(
        updated.stdout.contains("https://api.github.com") && !updated.stdout.contains("ghp_"),
        "{updated:?}"
    );
    // That of a webhook is made, and told this once.
    app.mint("hooked", &[]).await;
    let webhook =
        ["policy", "create", "--service-token", "hooked", "--delivery", "webhook:https://hooks.example/in"];
    let told = done(app, &webhook).await;
    let [id, secret] = told.stdout.lines().collect::<Vec<_>>()[..] else { panic!("{told:?}") };
    assert!(secret.starts_with("whsec_") && told.stderr.contains("this once"), "{told:?}");
    let shown = done(app, &["policy", "show", "--identifier", id, "--json"]).await;
    assert!(!shown.stdout.contains("whsec_"), "{shown:?}");
}
