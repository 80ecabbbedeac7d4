//! What the targets of the fuzzer hold (`fuzz/README.md`), tried on the profile of the suite: with what is close to their
//! seeds, and with what is close to sense.

#[expect(unreachable_pub, reason = "they are public to the fuzzer")]
#[path = "../../../../fuzz/src/lib.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::select;

fn folder(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(path)
}

/// The names of what lies in a folder, without their ends.
fn names(path: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder(path)).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// What a fuzzer begins with; without the bytes of a target there is one that is empty.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(folder(&format!("seeds/{target}")))
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).chain([Vec::new()]).collect()
}

/// A change of some bytes.
#[derive(Clone, Debug)]
enum Edit {
    Put(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let part = |at: usize, length: usize| {
            let from = at % (bytes.len() + 1);
            from..(from + length).min(bytes.len())
        };
        match self {
            Self::Put(at, byte) => {
                let at = part(*at, 1);
                bytes[at].fill(*byte);
            }
            Self::Insert(at, more) => {
                let at = part(*at, 0);
                bytes.splice(at, more.iter().copied());
            }
            Self::Remove(at, length) => {
                let at = part(*at, *length);
                bytes.drain(at);
            }
            Self::Repeat(at, length) => {
                let at = part(*at, *length);
                let again = bytes[at.clone()].to_vec();
                bytes.splice(at.end..at.end, again);
            }
        }
    }
}

/// A seed of a target with up to a few changes.
fn near(target: &str) -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![any::<u8>(), select(&b"\0 \n\r\t\"'%&=+:,;.*/{}[]\\0aZ\xff\x80"[..])];
    let edit = prop_oneof![
        (any::<usize>(), bytes.clone()).prop_map(|(at, byte)| Edit::Put(at, byte)),
        (any::<usize>(), prop::collection::vec(bytes, 0..12)).prop_map(|(at, more)| Edit::Insert(at, more)),
        (any::<usize>(), 0..40_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        (any::<usize>(), 0..40_usize).prop_map(|(at, length)| Edit::Repeat(at, length)),
    ];
    (select(seeds(target)), prop::collection::vec(edit, 0..6)).prop_map(|(mut bytes, edits)| {
        edits.iter().for_each(|edit| edit.apply(&mut bytes));
        bytes
    })
}

fn near_text(target: &str) -> impl Strategy<Value = String> {
    near(target).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Pairs of which many names are known.
fn pairs(known: &'static [&'static str]) -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![4 => select(known).prop_map(str::to_owned), 1 => any::<String>()];
    let value = prop_oneof![
        select(&["", "1", "-1", "true", "asc", "2030-01-01T00:00:00Z", "192.0.2.0/24", "a:b,*", "\u{0}"][..])
            .prop_map(str::to_owned),
        Just("0198c0de-0000-7000-8000-000000000000".to_owned()),
        any::<String>(),
    ];
    prop::collection::vec((name, value), 0..6)
}

const QUERY: &[&str] = &[
    "limit",
    "cursor",
    "order",
    "since",
    "until",
    "type",
    "name",
    "q",
    "status",
    "publisher_id",
    "credential_id",
    "principal_id",
    "success",
    "code",
    "ip",
    "email",
];
const FORWARDED: &[&str] = &["scope", "publisher"];
const SETTINGS: &[&str] = &[
    "SERVER__LISTEN",
    "SERVER__PUBLIC_URL",
    "SERVER__TRUSTED_PROXIES",
    "JWT__ALGORITHM",
    "JWT__AUDIENCE",
    "DATABASE__POOL_SIZE",
    "VERIFY__STALE_GRACE_SECONDS",
    "JOURNAL__MAX_BYTES",
    "ISSUERS__IDP__ISSUER",
    "LOG__FORMAT",
];

fn network() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}(/[0-9]{1,2})?",
        "(::ffff:)?[0-9a-f]{1,4}:[0-9a-f:]{0,12}(/[0-9]{1,3})?",
        any::<String>(),
    ];
    prop::collection::vec(one, 0..4).prop_map(|all| all.join(" "))
}

fn header() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        "([0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}(, ?)?){0,4}",
        "/([a-z;.]|%2[ef]|%5c|%25|/|\\?){0,20}",
        "(GET|Bearer sk_0e|Basic MTox)",
    ];
    prop_oneof![text.prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..20)]
}

proptest! {
    #[test]
    fn bearer(bytes in near("bearer")) {
        targets::bearer::hold(&bytes);
    }

    #[test]
    fn configuration(pairs in pairs(SETTINGS)) {
        targets::configuration::hold(pairs);
    }

    #[test]
    fn cursor(text in "[A-Za-z0-9_=-]{0,50}|.*", micros in any::<i64>(), id in any::<u128>()) {
        targets::cursor::hold(&text, micros, id);
    }

    #[test]
    fn export_lines(texts in prop::collection::vec("[=+@\\-\\t\\r\\n,\"'a\u{2028}\u{85}\u{ff1d}]{0,8}|.*", 0..5)) {
        targets::export_lines::hold(&texts);
    }

    #[test]
    fn forwarded_headers(values in prop::collection::vec(header(), 0..6)) {
        targets::forwarded_headers::hold(&values);
    }

    #[test]
    fn forwarded_request(values in prop::collection::vec((any::<u8>(), header()), 0..5), pairs in pairs(FORWARDED)) {
        targets::forwarded_request::hold(&values, &pairs);
    }

    #[test]
    fn import_csv(bytes in near("import_csv")) {
        targets::import_csv::hold(&bytes);
    }

    #[test]
    fn journal(bytes in near("journal")) {
        targets::journal::hold(&bytes);
    }

    #[test]
    fn json_body(bytes in near("json_body")) {
        targets::json_body::hold(&bytes);
    }

    #[test]
    fn jwt(bytes in near("jwt")) {
        targets::jwt::hold(&bytes);
    }

    #[test]
    fn name_and_time(text in near_text("name_and_time")) {
        targets::name_and_time::hold(&text);
    }

    #[test]
    fn networks(one in network(), other in network(), number in any::<u128>()) {
        targets::networks::hold(&one, &other, number);
    }

    #[test]
    fn node_message(text in near_text("node_message")) {
        targets::node_message::hold(&text);
    }

    #[test]
    fn oauth_form(bytes in near("oauth_form")) {
        targets::oauth_form::hold(&bytes);
    }

    #[test]
    fn query(pairs in pairs(QUERY)) {
        targets::query::hold(&pairs);
    }

    #[test]
    fn schedule(
        cron in "[0-9*]{1,2} [0-9*/-]{1,4} [0-9*L,]{1,3} [0-9*]{1,2} [0-9A-Z*#]{1,3}|.*",
        minutes in prop_oneof![0..2_000_u32, any::<u32>()],
        zone in "UTC|America/New_York|.*",
        micros in any::<i64>(),
    ) {
        targets::schedule::hold(&cron, minutes, &zone, micros);
    }

    #[test]
    fn scope(text in near_text("scope")) {
        targets::scope::hold(&text);
    }
}

#[test]
fn each_target_has_its_function_its_binary_and_its_test() {
    let targets = names("fuzz_targets");
    let mut functions = names("src");
    functions.remove("lib");
    assert_eq!(functions, targets);
    let manifest: toml::Table = fs::read_to_string(folder("Cargo.toml")).unwrap().parse().unwrap();
    let binaries =
        manifest["bin"].as_array().unwrap().iter().map(|bin| bin["name"].as_str().unwrap().to_owned());
    assert_eq!(binaries.collect::<BTreeSet<_>>(), targets);
    let this = include_str!("fuzz_targets.rs");
    for target in &targets {
        assert!(this.contains(&format!("targets::{target}::hold(")), "{target} is not tried in the suite");
        let wrapper = fs::read_to_string(folder(&format!("fuzz_targets/{target}.rs"))).unwrap();
        assert!(wrapper.contains(&format!("use keywright_fuzz::{target}::hold;")), "{wrapper}");
    }
    assert!(names("seeds").is_subset(&targets), "seeds of no target");
}
