//! `[issuers.NAME]`: read, shown and refused like any other setting.

use keywright_verify::jwt::Algorithm;

use super::*;

const WHOLE: &str = "[issuers.idp]\nissuer = 'https://idp.example/'\naudiences = ['a', 'b']\n\
     algorithms = 'ES256'\njwks_url = 'https://idp.example/keys'\nemail_domains = ['Example.COM']\n\
     publishers = ['01890a5d-ac96-774b-bcce-b302099a8057']\n\
     [[issuers.idp.rules]]\nclaim = 'c'\nvalue = 'v'\nprincipal = 'p'\nscopes = ['a:b']\n";

#[test]
fn an_issuer_is_read_with_all_that_is_said_of_it() {
    let loaded = with_file(WHOLE);
    let [issuer] = &config(&loaded).issuers[..] else { panic!("{:?}", loaded.findings) };
    assert_eq!((issuer.name.as_str(), issuer.issuer.as_str()), ("idp", "https://idp.example/"));
    assert_eq!(issuer.audiences.0.len(), 2);
    assert_eq!(issuer.algorithms.0, [Algorithm::Es256]);
    assert_eq!(issuer.email_domains.0[0].0, "example.com");
    assert_eq!(issuer.publishers.0.len(), 1);
    assert_eq!((issuer.rules[0].principal.as_str(), issuer.rules.len()), ("p", 1));
    let (value, origin) = row(&loaded, "issuers.idp.audiences");
    assert_eq!(value, "a,b");
    assert!(origin.ends_with("keywright.toml:3"), "{origin}");
    assert_eq!(row(&loaded, "issuers.idp.rules").0, "c=v is p");
}

#[test]
fn the_environment_comes_before_the_file() {
    let changed = ("KEYWRIGHT_ISSUERS__IDP__AUDIENCES", "c");
    let loaded = with_file_and_environment(WHOLE, &[changed]);
    assert_eq!(row(&loaded, "issuers.idp.audiences"), ("c", "environment KEYWRIGHT_ISSUERS__IDP__AUDIENCES"));
    let alone = [
        ("KEYWRIGHT_ISSUERS__ENV__ISSUER", "https://env.example"),
        ("KEYWRIGHT_ISSUERS__ENV__AUDIENCES", "a"),
        ("KEYWRIGHT_ISSUERS__ENV__EMAIL_DOMAINS", "example.com,example.org"),
    ];
    let loaded = with_environment(&alone);
    let issuer = &config(&loaded).issuers[0];
    assert_eq!((issuer.name.as_str(), issuer.email_domains.0.len()), ("env", 2));
    assert_eq!(issuer.algorithms.0, [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa]);
    let loaded = with_environment(&[("KEYWRIGHT_ISSUERS__ENV__ISSUERS", "x")]);
    assert!(loaded.errors().any(|finding| finding.message == "is an unknown variable"));
}

#[test]
fn each_mistake_is_named() {
    let with = |line: &str| {
        with_file(&WHOLE.replacen("[[issuers.idp.rules]]", &format!("{line}\n[[issuers.idp.rules]]"), 1))
    };
    for (line, key, message) in [
        ("audience = 'a'", "issuers.idp.audience", "is an unknown key"),
        ("Issuer = 'a'", "issuers.idp.Issuer", "is an unknown key"),
    ] {
        let loaded = with(line);
        let found = error(&loaded, key);
        assert_eq!(found.message, message);
        assert!(found.fix.starts_with("did you mean"), "{}", found.fix);
    }
    for (old, new, key) in [
        ("https://idp.example/'", "http://idp.example/'", "issuers.idp.issuer"),
        ("https://idp.example/'", "https://u:p@idp.example/'", "issuers.idp.issuer"),
        ("https://idp.example/'", "idp.example'", "issuers.idp.issuer"),
        ("['a', 'b']", "[]", "issuers.idp.audiences"),
        ("['a', 'b']", "['a b']", "issuers.idp.audiences"),
        ("'ES256'", "'HS256'", "issuers.idp.algorithms"),
        ("'ES256'", "'none'", "issuers.idp.algorithms"),
        ("https://idp.example/keys", "file:///etc/passwd", "issuers.idp.jwks_url"),
        ("Example.COM", "a@b", "issuers.idp.email_domains"),
        ("01890a5d-ac96", "01890a5d-ac9", "issuers.idp.publishers"),
        ("claim = 'c'\n", "", "issuers.idp.rules"),
        ("claim = 'c'", "claims = 'c'", "issuers.idp.rules"),
        ("value = 'v'", "value = 7", "issuers.idp.rules"),
        ("['a:b']", "['A']", "issuers.idp.rules"),
        ("[issuers.idp]", "[issuers.cloudflare]", "issuers.cloudflare"),
        ("[issuers.idp]", "[issuers.Idp]", "issuers.Idp"),
    ] {
        let text = WHOLE.replace(old, new);
        let text = if key.ends_with("cloudflare") || key.ends_with("Idp") {
            text.replace("[[issuers.idp.rules]]", &format!("[[{key}.rules]]"))
        } else {
            text
        };
        let loaded = with_file(&text);
        assert!(
            loaded.config.is_none() && loaded.errors().any(|finding| finding.key == key),
            "{old} {new} {:?}",
            loaded.findings
        );
    }
    let twice = format!(
        "{WHOLE}[issuers.second]\nissuer = 'https://idp.example/'\naudiences = 'x'\nemail_domains = 'example.com'\n"
    );
    assert!(
        error(&with_file(&twice), "issuers.second.issuer").message.starts_with("is the issuer of another")
    );
    let mute = with_file("[issuers.idp]\nissuer = 'https://idp.example'\naudiences = 'a'\n");
    assert!(finding(&mute, "issuers.idp.email_domains").message.starts_with("speaks for nobody"));
}

#[test]
fn cloudflare_has_rules_too() {
    let file = "[cloudflare]\nenabled = true\nteam_domain = 't'\naudience = 'a'\n\
         [[cloudflare.rules]]\nclaim = 'common_name'\nvalue = 'x.access'\nprincipal = 'ingest'\nscopes = ['a:b']\n";
    let loaded = with_file(file);
    assert_eq!(config(&loaded).cloudflare_rules.len(), 1);
    assert_eq!(loaded.findings, []);
    let without = with_file("[cloudflare]\nenabled = true\nteam_domain = 't'\naudience = 'a'\n");
    assert!(finding(&without, "cloudflare.enabled").message.contains("no user"));
}
