//! What the layer makes of requests, beside the decision itself: that is tried against a real server.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use keywright_api::actor::{Principal as WirePrincipal, PrincipalType};
use keywright_api::literal::True;
use keywright_api::secret::Secret;
use keywright_api::verify::{RotationState, TokenType, ValidCode, ValidDecision};
use tower::{Layer, ServiceExt, service_fn};
use uuid::Uuid;

use crate::layer::{Decide, Deciding, KeywrightLayer, Question, Verdict};
use crate::{Client, ClientOptions, Principal};

/// Accepts everything, and remembers what it was asked.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<Vec<Asked>>>);

#[derive(Clone, Debug, PartialEq)]
struct Asked {
    token: String,
    endpoint: String,
    user_agent: Option<String>,
    address: Option<IpAddr>,
    request_id: String,
    cost: u32,
}

impl Decide for Everything {
    fn decide<'a>(&'a self, question: Question<'a>) -> Deciding<'a> {
        let asked = Asked {
            token: question.token.to_owned(),
            endpoint: question.endpoint.to_owned(),
            user_agent: question.user_agent.map(str::to_owned),
            address: question.ip_address,
            request_id: question.request_id.to_owned(),
            cost: question.cost,
        };
        self.0.lock().unwrap().push(asked);
        Deciding::made(Ok(Verdict::Valid(somebody(), None)))
    }
}

fn somebody() -> Principal {
    let decision = ValidDecision {
        valid: True,
        code: ValidCode::Valid,
        token_type: TokenType::Service,
        credential_id: Uuid::nil(),
        name: "ci".to_owned(),
        principal: WirePrincipal {
            kind: PrincipalType::ServiceToken,
            id: Uuid::nil(),
            name: "ci".to_owned(),
        },
        publisher_id: None,
        publishers: Vec::new(),
        scopes: vec!["works:*".to_owned()],
        expires_at: None,
        rate_limit: None,
        rotation: RotationState { superseded: false, grace_expires_at: None },
        context: serde_json::Map::new(),
        request_id: String::new(),
        cache: None,
    };
    Principal::of(decision).unwrap()
}

fn request(headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().uri("/works/7?token=secret");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// Asks a service behind layers, the first of which is the outermost; the status, and the names that it saw.
async fn through(layers: &[KeywrightLayer], request: Request<()>) -> (http::response::Parts, Vec<String>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let inside = Arc::clone(&seen);
    let service = service_fn(move |request: Request<()>| {
        let principal = request.extensions().get::<Principal>().cloned();
        inside.lock().unwrap().extend(principal.map(|one| one.name().to_owned()));
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    });
    let parts = match layers {
        [one] => one.layer(service).oneshot(request).await.unwrap().into_parts().0,
        [outer, inner] => outer.layer(inner.layer(service)).oneshot(request).await.unwrap().into_parts().0,
        _ => unreachable!("one layer or two"),
    };
    let seen = seen.lock().unwrap().clone();
    (parts, seen)
}

#[tokio::test]
async fn the_facts_of_a_request_are_passed_on_without_its_query() {
    let decider = Everything::default();
    let layer = KeywrightLayer::over(decider.clone());
    let mut asking =
        request(&[("authorization", "Bearer sk_a"), ("user-agent", "curl"), ("x-request-id", "r-1")]);
    let peer: SocketAddr = "192.0.2.7:4711".parse().unwrap();
    asking.extensions_mut().insert(ConnectInfo(peer));
    let (parts, seen) = through(&[layer], asking).await;
    assert_eq!((parts.status.as_u16(), seen), (200, vec!["ci".to_owned()]));
    let expected = Asked {
        token: "sk_a".to_owned(),
        endpoint: "/works/7".to_owned(),
        user_agent: Some("curl".to_owned()),
        address: Some(peer.ip()),
        request_id: "r-1".to_owned(),
        cost: 1,
    };
    assert_eq!(*decider.0.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn no_header_is_believed_about_the_address_unless_a_closure_reads_it() {
    let decider = Everything::default();
    let layer = KeywrightLayer::over(decider.clone());
    let forwarded = || request(&[("authorization", "Bearer sk_a"), ("x-forwarded-for", "203.0.113.9")]);
    through(std::slice::from_ref(&layer), forwarded()).await;
    let reading =
        layer.client_address(|parts| parts.headers.get("x-forwarded-for")?.to_str().ok()?.parse().ok());
    through(&[reading], forwarded()).await;
    let addresses: Vec<_> = decider.0.lock().unwrap().iter().map(|asked| asked.address).collect();
    assert_eq!(addresses, [None, "203.0.113.9".parse().ok()]);
}

#[tokio::test]
async fn a_layer_inside_another_takes_nothing_from_the_limits_a_second_time() {
    let decider = Everything::default();
    let outer = KeywrightLayer::over(decider.clone()).cost(3);
    let inner = outer.require_scope("works:read").unwrap();
    through(&[outer, inner], request(&[("authorization", "Bearer sk_a")])).await;
    let costs: Vec<_> = decider.0.lock().unwrap().iter().map(|asked| asked.cost).collect();
    assert_eq!(costs, [3, 0]);
}

#[tokio::test]
async fn what_presents_none_or_two_or_no_credential_at_all_is_refused_without_asking() {
    let decider = Everything::default();
    let layer = KeywrightLayer::over(decider.clone());
    let long = format!("Bearer {}", "a".repeat(9_000));
    for (headers, status) in [
        (vec![], 401),
        (vec![("authorization", "Basic YTpi")], 401),
        (vec![("authorization", "Bearer a"), ("x-api-key", "b")], 400),
        (vec![("authorization", long.as_str())], 401),
    ] {
        let (parts, seen) = through(std::slice::from_ref(&layer), request(&headers)).await;
        assert_eq!((parts.status.as_u16(), seen.len()), (status, 0), "{headers:?}");
        assert_eq!(parts.headers["content-type"], "application/problem+json");
        let grpc = [headers.as_slice(), &[("content-type", "application/grpc")]].concat();
        let (parts, seen) = through(std::slice::from_ref(&layer), request(&grpc)).await;
        let expected = if status == 400 { "3" } else { "16" };
        assert_eq!(
            (parts.headers["grpc-status"].to_str().unwrap(), seen.len()),
            (expected, 0),
            "{headers:?}"
        );
    }
    assert!(decider.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn without_an_authority_nothing_passes() {
    // A port that nobody listens on: it was given to us, and given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = ClientOptions::new(format!("http://{port}"), Secret::new("sk_a"));
    let faults = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&faults);
    let layer = KeywrightLayer::new(Client::new(&options).unwrap())
        .on_fault(move |fault| told.lock().unwrap().push(fault.to_string()));
    let (parts, seen) =
        through(std::slice::from_ref(&layer), request(&[("authorization", "Bearer sk_b")])).await;
    assert_eq!((parts.status.as_u16(), seen.len()), (503, 0));
    assert_eq!(parts.headers["retry-after"], "1");
    let grpc = request(&[("authorization", "Bearer sk_b"), ("content-type", "application/grpc+proto")]);
    let (parts, _) = through(&[layer], grpc).await;
    assert_eq!(parts.headers["grpc-status"], "14");
    let faults = faults.lock().unwrap();
    assert_eq!(faults.len(), 2);
    assert!(!faults.iter().any(|fault| fault.contains("sk_")), "{faults:?}");
}

#[test]
fn scopes_are_held_against_the_grammar_when_a_route_is_made() {
    let layer = KeywrightLayer::over(Everything::default());
    for bad in ["", "Works:read", "works read", "*:read"] {
        assert!(layer.require_scope(bad).is_err(), "{bad}");
    }
    assert!(layer.require_any([]).is_err());
    let both = layer.require_scope("a:b").unwrap().require_all(["c:d", "a:b"]).unwrap();
    assert_eq!(both.wanted.required_scopes.len(), 2);
}
