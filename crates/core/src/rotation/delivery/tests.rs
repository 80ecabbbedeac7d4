use super::*;
use proptest::prelude::*;

fn text(text: &str) -> String {
    text.to_owned()
}

fn github(repository: &str, environment: Option<&str>, secret_name: &str) -> Delivery {
    Delivery::GithubActionsSecret {
        url: text(GITHUB),
        repository: text(repository),
        environment: environment.map(text),
        secret_name: text(secret_name),
    }
}

fn kubernetes(namespace: &str, secret_name: &str, key: &str) -> Delivery {
    Delivery::KubernetesSecret {
        url: text("https://k8s.example"),
        namespace: text(namespace),
        secret_name: text(secret_name),
        key: text(key),
    }
}

fn vault(mount: &str, path: &str, key: &str) -> Delivery {
    Delivery::VaultKv {
        url: text("https://vault.example"),
        mount: text(mount),
        path: text(path),
        key: text(key),
    }
}

fn all() -> Vec<Delivery> {
    vec![
        Delivery::None,
        Delivery::File { path: text("/a") },
        Delivery::Command { command: text("a") },
        Delivery::Webhook { url: text("https://a.example"), public_key: None },
        Delivery::Webhook { url: text("https://a.example"), public_key: Some(text("key")) },
        github("acme/api", None, "TOKEN"),
        github("acme/api", Some("live"), "TOKEN"),
        kubernetes("live", "api", "token"),
        vault("secret", "api/live", "token"),
    ]
}

#[test]
fn places_that_tokens_would_share_are_known() {
    let file = |path: &str| Delivery::File { path: text(path) };
    for shared in [
        (file("/run/secrets/api"), "path"),
        (github("acme/api", None, "TOKEN"), "secret_name"),
        // Where a repository is is nobody's lineage.
        (github("acme/{lineage_id}", None, "TOKEN"), "secret_name"),
        (kubernetes("live", "api", "token"), "key"),
        (vault("secret", "api", "token"), "key"),
    ] {
        assert_eq!(shared.0.one_place(), Some(shared.1), "{:?}", shared.0);
    }
    for apart in [
        Delivery::None,
        Delivery::Command { command: text("a") },
        file("/run/secrets/{lineage_id}/token"),
        Delivery::Webhook { url: text("https://a.example"), public_key: None },
        github("acme/api", None, "TOKEN_{lineage_id}"),
        kubernetes("live", "api-{lineage_id}", "token"),
        kubernetes("live", "api", "{lineage_id}"),
        vault("secret", "api/{lineage_id}", "token"),
        vault("secret", "api", "{lineage_id}"),
    ] {
        assert_eq!(apart.one_place(), None, "{apart:?}");
    }
}

#[test]
fn a_line_of_rotations_has_a_place_in_the_form_of_its_receiver() {
    let id = CredentialId(uuid::Uuid::from_u128(0xabc));
    let spelled = "00000000-0000-0000-0000-000000000abc";
    assert_eq!(
        github("acme/api", None, "T_{lineage_id}").of_lineage(id),
        github("acme/api", None, "T_00000000_0000_0000_0000_000000000ABC")
    );
    assert_eq!(
        kubernetes("live", "api-{lineage_id}", "{lineage_id}").of_lineage(id),
        kubernetes("live", &format!("api-{spelled}"), spelled)
    );
    assert_eq!(
        vault("secret", "a/{lineage_id}", "{lineage_id}").of_lineage(id),
        vault("secret", &format!("a/{spelled}"), spelled)
    );
    for delivery in all() {
        assert_eq!(delivery.of_lineage(id), delivery);
    }
}

#[test]
fn what_lets_one_in_is_for_the_very_same_receiver() {
    let all = all();
    for (number, one) in all.iter().enumerate() {
        for (other_number, other) in all.iter().enumerate() {
            assert_eq!(one.same_receiver(other), number == other_number, "{one:?} {other:?}");
        }
    }
    assert!(!vault("secret", "a", "k").same_receiver(&vault("secret", "b", "k")));
}

#[test]
fn each_kind_is_read_back_as_it_was_written() {
    for delivery in all() {
        let json = serde_json::to_value(&delivery).unwrap();
        assert_eq!(json["type"], delivery.kind().as_str());
        assert_eq!(serde_json::from_value::<Delivery>(json).unwrap(), delivery);
        assert_eq!(delivery.check_names(), Ok(()), "{delivery:?}");
        assert_eq!(delivery.url().is_some(), delivery.kind().needs_secret());
    }
}

#[test]
fn what_no_receiver_takes_for_a_name_is_none() {
    let long = "a".repeat(201);
    for (wrong, field) in [
        (github("acme", None, "T"), "repository"),
        (github("acme/", None, "T"), "repository"),
        (github("/api", None, "T"), "repository"),
        (github("acme/..", None, "T"), "repository"),
        (github("acme/a/b", None, "T"), "repository"),
        (github("-acme/api", None, "T"), "repository"),
        (github("acme/api?x", None, "T"), "repository"),
        (github(&format!("{}/api", "a".repeat(40)), None, "T"), "repository"),
        (github(&format!("acme/{}", "a".repeat(101)), None, "T"), "repository"),
        (github("acme/api", Some(""), "T"), "environment"),
        (github("acme/api", Some(".."), "T"), "environment"),
        (github("acme/api", Some("a\nb"), "T"), "environment"),
        (github("acme/api", Some(&"a".repeat(256)), "T"), "environment"),
        (github("acme/api", None, ""), "secret_name"),
        (github("acme/api", None, "1T"), "secret_name"),
        (github("acme/api", None, "A-B"), "secret_name"),
        (github("acme/api", None, "github_token"), "secret_name"),
        (github("acme/api", None, &long), "secret_name"),
        // With the lineage in it, it would be too long.
        (github("acme/api", None, &format!("{}{{lineage_id}}", "a".repeat(165))), "secret_name"),
        (github("acme/api", None, "{lineage_id}_{other}"), "secret_name"),
        (kubernetes("", "api", "k"), "namespace"),
        (kubernetes("Live", "api", "k"), "namespace"),
        (kubernetes("live-", "api", "k"), "namespace"),
        (kubernetes("a.b", "api", "k"), "namespace"),
        (kubernetes(&"a".repeat(64), "api", "k"), "namespace"),
        (kubernetes("live", "", "k"), "secret_name"),
        (kubernetes("live", "..", "k"), "secret_name"),
        (kubernetes("live", "a..b", "k"), "secret_name"),
        (kubernetes("live", "a_b", "k"), "secret_name"),
        (kubernetes("live", "a/b", "k"), "secret_name"),
        (kubernetes("live", &"a".repeat(254), "k"), "secret_name"),
        (kubernetes("live", "api", ""), "key"),
        (kubernetes("live", "api", "."), "key"),
        (kubernetes("live", "api", "..x"), "key"),
        (kubernetes("live", "api", "a b"), "key"),
        (kubernetes("live", "api", &"a".repeat(254)), "key"),
        (vault("", "a", "k"), "mount"),
        (vault("a/../b", "a", "k"), "mount"),
        (vault(&long, "a", "k"), "mount"),
        (vault("secret", "/a", "k"), "path"),
        (vault("secret", "a/", "k"), "path"),
        (vault("secret", "a//b", "k"), "path"),
        (vault("secret", "a/./b", "k"), "path"),
        (vault("secret", &"a".repeat(501), "k"), "path"),
        (vault("secret", "a", ""), "key"),
        (vault("secret", "a", "\u{0}"), "key"),
        (vault("secret", "a", &long), "key"),
    ] {
        assert_eq!(wrong.check_names().map_err(|(field, _)| field), Err(field), "{wrong:?}");
    }
}

#[test]
fn what_receivers_take_for_a_name_is_one() {
    for fine in [
        github("a/b", None, "_"),
        github("octo_acme/.github", Some("Production / Ω"), "Token_1"),
        github("acme/api", None, "T_{lineage_id}"),
        kubernetes("a", "0.b-c", ".dockerconfigjson"),
        kubernetes("live", &"a".repeat(253), "A_b-c.d"),
        vault("teams/a/secret", "a/b c", "any key"),
    ] {
        assert_eq!(fine.check_names(), Ok(()), "{fine:?}");
    }
}

proptest! {
    /// Whatever passes stays within the place that its address names: no segment of its path climbs or vanishes.
    #[test]
    fn no_name_climbs_out_of_its_place(a in "[\\PC/.]{0,12}", b in "[a-z./{}_]{0,12}", c in "[\\PC]{0,6}") {
        for delivery in [github(&a, Some(&c), &b), github(&b, Some(&a), &b), kubernetes(&a, &b, &c),
            kubernetes(&b, &a, &b), vault(&a, &b, &c), vault(&b, &a, &b)] {
            if delivery.check_names().is_err() {
                continue;
            }
            let segments: Vec<String> = match delivery {
                Delivery::GithubActionsSecret { repository, environment, secret_name, .. } => {
                    let names = repository.split('/').map(str::to_owned);
                    names.chain(environment).chain([secret_name]).collect()
                }
                Delivery::KubernetesSecret { namespace, secret_name, .. } => vec![namespace, secret_name],
                Delivery::VaultKv { mount, path, .. } => {
                    mount.split('/').chain(path.split('/')).map(str::to_owned).collect()
                }
                other => unreachable!("{other:?}"),
            };
            prop_assert!(segments.iter().all(|one| !matches!(one.as_str(), "" | "." | "..")), "{:?}", segments);
            prop_assert!(!segments.iter().any(|one| one.chars().any(char::is_control)), "{:?}", segments);
        }
    }
}
