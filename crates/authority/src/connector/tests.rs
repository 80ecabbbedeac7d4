use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keywright_core::Network;
use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

fn allowed(networks: &[&str]) -> Vec<Network> {
    networks.iter().map(|network| network.parse().unwrap()).collect()
}

fn connector(networks: &[&str]) -> Connector {
    Connector::new(&allowed(networks)).unwrap()
}

/// Answers with the next of its lists, then always with the last.
struct Turning(Mutex<Vec<Vec<IpAddr>>>);

impl Turning {
    fn new(turns: &[&[&str]]) -> Arc<Self> {
        let parse = |turn: &&[&str]| turn.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(turns.iter().rev().map(parse).collect())))
    }
}

impl Names for Turning {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolved<'a> {
        let mut turns = self.0.lock();
        let turn = if turns.len() > 1 { turns.pop() } else { turns.last().cloned() };
        Box::pin(async move { Ok(turn.unwrap()) })
    }
}

struct Nobody;

impl Names for Nobody {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolved<'a> {
        Box::pin(async { Err(io::Error::other("no such name")) })
    }
}

/// A receiver that gives each request the same answer, and counts connections.
async fn receiver(answer: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("0.0.0.0", 0)).await.unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (port, count)
}

async fn post(connector: &Connector, url: &str) -> Result<Answer, Failure> {
    let target = connector.target(url).unwrap();
    let headers = http::HeaderMap::new();
    let outgoing =
        Outgoing { method: Method::POST, target: &target, headers, body: b"{}".to_vec(), most_bytes: 16 };
    connector.send(outgoing).await
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz";

#[test]
fn addresses_that_must_not_be_called_are_refused_however_they_are_written() {
    let connector = connector(&[]);
    for refused in [
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://1２7.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b::808:808]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:1::80ff:fffe]/",
        "https://100.64.0.1/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.0.1/",
        "https://0.0.0.0/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
        "https://224.0.0.1/",
        "https://192.0.2.1/",
    ] {
        assert_eq!(connector.target(refused), Err(TargetError::Address), "{refused}");
    }
    for refused in [
        "http://hooks.example.com/",
        "http://127.0.0.1/",
        "http://localhost/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "unix:/run/x",
        "gopher://example.com/",
    ] {
        let error = connector.target(refused).unwrap_err();
        assert!(matches!(error, TargetError::Scheme | TargetError::Grammar), "{refused}: {error}");
    }
    for wrong in
        ["", "hooks.example.com", "https://", "https://[::1", "https://exa mple.com/", "https://256.0.0.1/"]
    {
        assert_eq!(connector.target(wrong), Err(TargetError::Grammar), "{wrong}");
    }
    assert_eq!(connector.target("https://user:pass@hooks.example.com/"), Err(TargetError::UserInfo));
    assert_eq!(
        connector.target(&format!("https://example.com/{}", "x".repeat(2_048))),
        Err(TargetError::Grammar)
    );
    for fine in ["https://hooks.example.com/a?b=c", "https://8.8.8.8:8443/", "https://[2606:4700::1]/"] {
        assert!(connector.target(fine).is_ok(), "{fine}");
    }
}

#[test]
fn what_is_allowed_opens_no_way_to_what_it_hides() {
    let connector = connector(&["64:ff9b::/96", "127.0.0.0/8"]);
    assert!(connector.target("https://[64:ff9b::808:808]/").is_ok());
    assert_eq!(connector.target("https://[64:ff9b::a9fe:a9fe]/"), Err(TargetError::Address));
    assert!(connector.target("http://127.0.0.1:1/").is_ok());
    assert!(connector.target("http://localhost:1/").is_ok());
    // In the clear only on this machine.
    let wide = Connector::new(&allowed(&["10.0.0.0/8"])).unwrap();
    assert!(wide.target("https://10.0.0.1/").is_ok());
    assert_eq!(wide.target("http://10.0.0.1/"), Err(TargetError::Scheme));
    assert_eq!(wide.target("http://127.0.0.1/"), Err(TargetError::Scheme));
}

#[test]
fn a_target_shows_no_secret() {
    let connector = connector(&[]);
    let target =
        connector.target("https://hooks.slack.com/services/T0/B0/verysecretpath?key=alsosecret").unwrap();
    assert_eq!(target.hint(), "https://hooks.slack.com/…cret");
    assert_eq!(connector.target("https://a.example/short").unwrap().hint(), "https://a.example/…");
    assert!(!format!("{target:?}").contains("secret"), "{target:?}");
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_limit_and_told_with_its_status() {
    let (port, _) = receiver(OK).await;
    let answer = post(&connector(&["127.0.0.0/8"]), &format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert!(answer.is_success());
    assert_eq!(answer.body, b"abcdefghijklmnop");
    let late = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n";
    let (port, _) = receiver(late).await;
    let answer = post(&connector(&["127.0.0.0/8"]), &format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!((answer.status, answer.retry_after_seconds), (429, Some(30)));
}

#[tokio::test]
async fn a_name_that_resolves_differently_the_second_time_is_not_connected_to() {
    let (port, connections) = receiver(OK).await;
    let names =
        Turning::new(&[&["127.0.0.2"], &["127.0.0.3"], &["127.0.0.2", "127.0.0.3"], &["::ffff:127.0.0.3"]]);
    let connector =
        Connector::with_names(&allowed(&["127.0.0.2/32", "127.0.0.1/32"]), names, CALL_TIMEOUT).unwrap();
    let url = format!("http://localhost:{port}/");
    assert!(post(&connector, &url).await.unwrap().is_success());
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    for _ in 0..3 {
        let failure = post(&connector, &url).await.unwrap_err();
        assert!(failure.refused && failure.nothing_sent, "{failure:?}");
        assert!(failure.reason.contains("may not be called"), "{failure}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn names_of_forbidden_addresses_are_refused_over_https() {
    for forbidden in
        ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "::1", "64:ff9b::7f00:1", "fd00::1"]
    {
        let names = Turning::new(&[&[forbidden]]);
        let connector = Connector::with_names(&[], names, CALL_TIMEOUT).unwrap();
        let failure = post(&connector, "https://hooks.example.com/").await.unwrap_err();
        assert!(failure.refused && failure.nothing_sent, "{forbidden}: {failure:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (port, connections) =
        receiver("HTTP/1.1 307 Temporary Redirect\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n").await;
    let answer = post(&connector(&["127.0.0.0/8"]), &format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!(answer.status, 307);
    assert!(!answer.is_success());
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn it_is_told_whether_anything_was_sent_without_the_address() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let connector = connector(&["127.0.0.0/8"]);
    let failure = post(&connector, &format!("http://127.0.0.1:{port}/verysecretpath")).await.unwrap_err();
    assert!(failure.nothing_sent && !failure.refused, "{failure:?}");
    assert!(!failure.reason.contains("verysecretpath"), "{failure}");
    // Taken, and no answer: nobody knows.
    let (port, connections) = receiver("").await;
    let failure = post(&connector, &format!("http://127.0.0.1:{port}/verysecretpath")).await.unwrap_err();
    assert!(!failure.nothing_sent, "{failure:?}");
    assert!(!failure.reason.contains("verysecretpath"), "{failure}");
    // It is not tried again behind our back.
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    let unknown = Connector::with_names(&[], Arc::new(Nobody), CALL_TIMEOUT).unwrap();
    let failure = post(&unknown, "https://hooks.example.com/").await.unwrap_err();
    assert!(failure.nothing_sent && !failure.refused, "{failure:?}");
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    let hidden = any::<u32>().prop_flat_map(|bits| {
        let v4 = u128::from(bits);
        prop_oneof![
            Just(0xffff_0000_0000 | v4),
            Just(v4),
            Just(0x0064_ff9b << 96 | v4),
            Just(0x2002 << 112 | v4 << 80),
            Just(0x2001 << 112 | u128::from(!bits)),
        ]
    });
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
        hidden.prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
    ]
}

proptest! {
    /// However an address is given, as the host of a URL or as what a name stands for, the verdict is one, and none
    /// that this machine or its network could answer is called.
    #[test]
    fn no_address_of_our_own_is_ever_called(address in any_address()) {
        let rules = Rules::new(&[]);
        let host = match address {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        };
        let target = Target::parse(&format!("https://{host}/"), &rules);
        prop_assert_eq!(target.is_ok(), rules.admit(address), "{}", address);
        if rules.admit(address) {
            prop_assert!(!keywright_core::address::is_private(address));
            prop_assert!(!address.is_multicast() && !address.is_unspecified());
            if let IpAddr::V6(v6) = address {
                prop_assert!(v6.to_canonical().is_ipv4() || v6.segments()[0] & 0xe000 == 0x2000);
                prop_assert!(v6.segments()[0] != 0x2002);
            }
        }
    }

    #[test]
    fn nonsense_is_never_an_address(text in "(https?|HTTPS)?(://|:/|//)?[\\PC]{0,40}") {
        if let Ok(target) = Target::parse(&text, &Rules::new(&[])) {
            prop_assert!(target.reveal().starts_with("https://"));
        }
    }
}
