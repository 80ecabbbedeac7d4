//! What the front door counts: requests by route, method and class of status, and how long they took.
//!
//! Labels come from tables that are fixed at the start. Whatever a client sends, it cannot make a new one:
//! a path that is no route is counted as [`UNMATCHED`], a method of its own invention as [`OTHER`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use http::{Method, StatusCode};
use keywright_verify::striped::{Striped, count};

/// The route of what is no route.
pub const UNMATCHED: &str = "unmatched";
/// The method of what has none that we know.
pub const OTHER: &str = "other";

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Upper bounds of durations, in microseconds: from a verification that hits to a change that waits for
/// the other nodes.
pub const BOUNDS_MICROS: [u32; 17] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 5_000_000,
];

/// How long something took, how often.
#[derive(Debug, Default)]
pub(super) struct Durations {
    counts: [AtomicU64; BOUNDS_MICROS.len() + 1],
    micros: AtomicU64,
}

impl Durations {
    fn note(&self, micros: i64) {
        let micros = u64::try_from(micros).unwrap_or(0);
        let bucket = BOUNDS_MICROS.iter().position(|bound| micros <= u64::from(*bound));
        count(&self.counts[bucket.unwrap_or(BOUNDS_MICROS.len())]);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }
}

/// Durations as they were at one moment: of each bucket those that lie in it, and not in the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// In the order of [`BOUNDS_MICROS`], with those beyond at the end.
    pub counts: Vec<u64>,
    /// Of all, in microseconds.
    pub micros: u64,
}

impl Distribution {
    fn of<'a>(all: impl Iterator<Item = &'a Durations>) -> Self {
        let mut sum = Self { counts: vec![0; BOUNDS_MICROS.len() + 1], micros: 0 };
        for durations in all {
            for (into, from) in sum.counts.iter_mut().zip(&durations.counts) {
                *into += from.load(Ordering::Relaxed);
            }
            sum.micros += durations.micros.load(Ordering::Relaxed);
        }
        sum
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// The verifications that one thread answered.
#[derive(Debug, Default)]
struct Verifications {
    statuses: [AtomicU64; CLASSES.len()],
    durations: Durations,
}

/// One route of the table.
#[derive(Debug)]
struct Route {
    template: Box<str>,
    statuses: [[AtomicU64; CLASSES.len()]; METHODS.len()],
    durations: Durations,
}

/// The requests of a node.
#[derive(Debug)]
pub struct Requests {
    verifications: Striped<Verifications>,
    /// The last one is [`UNMATCHED`].
    routes: Vec<Route>,
    by_template: HashMap<Box<str>, usize>,
    verify: usize,
    connections: AtomicI64,
}

/// How often a route was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteCount<'a> {
    /// One of the templates.
    pub route: &'a str,
    /// One of the methods.
    pub method: &'static str,
    /// `2xx`.
    pub status: &'static str,
    /// How often.
    pub count: u64,
}

impl Requests {
    /// For these routes; `verify` is the one that the edge answers.
    pub fn new(templates: impl IntoIterator<Item = String>, verify: &str) -> Self {
        let mut routes: Vec<_> = templates.into_iter().map(Route::new).collect();
        if !routes.iter().any(|route| &*route.template == verify) {
            routes.push(Route::new(verify.to_owned()));
        }
        routes.push(Route::new(UNMATCHED.to_owned()));
        let by_template: HashMap<_, _> =
            routes.iter().enumerate().map(|(at, route)| (route.template.clone(), at)).collect();
        let verify = by_template[verify];
        Self {
            verifications: Striped::default(),
            routes,
            by_template,
            verify,
            connections: AtomicI64::new(0),
        }
    }

    /// The edge has answered a verification.
    pub fn verified(&self, status: StatusCode, micros: i64) {
        let own = self.verifications.own();
        count(&own.statuses[class(status)]);
        own.durations.note(micros);
    }

    /// The router has answered; `template` is that of the route that matched.
    pub fn answered(&self, method: &Method, template: Option<&str>, status: StatusCode, micros: i64) {
        let at = template.and_then(|template| self.by_template.get(template).copied());
        let route = &self.routes[at.unwrap_or(self.routes.len() - 1)];
        let method = METHODS.iter().position(|known| *known == method.as_str());
        count(&route.statuses[method.unwrap_or(METHODS.len() - 1)][class(status)]);
        route.durations.note(micros);
    }

    /// The method's name in metrics and traces: one of a few.
    pub fn method(method: &Method) -> &'static str {
        METHODS.iter().find(|known| **known == method.as_str()).unwrap_or(&OTHER)
    }

    /// The route's name in metrics and log: never what the client wrote.
    pub fn route<'a>(&'a self, template: Option<&str>) -> &'a str {
        let at = template.and_then(|template| self.by_template.get(template).copied());
        &self.routes[at.unwrap_or(self.routes.len() - 1)].template
    }

    /// A connection was opened (1) or closed (-1).
    pub fn connections_changed(&self, by: i64) {
        self.connections.fetch_add(by, Ordering::Relaxed);
    }

    /// Open connections.
    pub fn connections(&self) -> i64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// What was answered how often, without what never was. Verifications are always told.
    pub fn counts(&self) -> Vec<RouteCount<'_>> {
        let mut counts = Vec::new();
        for (at, route) in self.routes.iter().enumerate() {
            for (method, statuses) in METHODS.iter().zip(&route.statuses) {
                for (class, (status, counter)) in CLASSES.iter().zip(statuses).enumerate() {
                    let mut count = counter.load(Ordering::Relaxed);
                    let verify = at == self.verify && *method == "POST";
                    if verify {
                        count += self.verifications.sum(|own| &own.statuses[class]);
                    }
                    if count > 0 || (verify && matches!(*status, "2xx" | "4xx" | "5xx")) {
                        counts.push(RouteCount { route: &route.template, method, status, count });
                    }
                }
            }
        }
        counts
    }

    /// How long verifications took, from their arrival to their answer.
    pub fn verification_durations(&self) -> Distribution {
        let routed = std::iter::once(&self.routes[self.verify].durations);
        Distribution::of(self.verifications.all().map(|own| &own.durations).chain(routed))
    }

    /// How long the other routes took; without those that were never asked for.
    pub fn durations(&self) -> Vec<(&str, Distribution)> {
        let others = self.routes.iter().enumerate().filter(|(at, _)| *at != self.verify);
        let told =
            others.map(|(_, route)| (&*route.template, Distribution::of(std::iter::once(&route.durations))));
        told.filter(|(_, distribution)| distribution.count() > 0).collect()
    }
}

impl Route {
    fn new(template: String) -> Self {
        Self { template: template.into(), statuses: Default::default(), durations: Durations::default() }
    }
}

fn class(status: StatusCode) -> usize {
    usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn requests() -> Requests {
        Requests::new(["/a/{id}".to_owned(), "/verify".to_owned()], "/verify")
    }

    #[test]
    fn a_request_is_counted_under_its_route_method_and_class() {
        let requests = requests();
        requests.answered(&Method::GET, Some("/a/{id}"), StatusCode::NOT_FOUND, 5);
        requests.answered(&Method::POST, Some("/verify"), StatusCode::OK, 7);
        requests.verified(StatusCode::OK, 11);
        let counts = requests.counts();
        let of = |route: &str, status: &str| {
            counts
                .iter()
                .filter(|own| own.route == route && own.status == status)
                .map(|own| own.count)
                .sum::<u64>()
        };
        assert_eq!((of("/a/{id}", "4xx"), of("/verify", "2xx"), of("/verify", "5xx")), (1, 2, 0));
        assert_eq!(requests.verification_durations().micros, 18);
        assert_eq!(requests.durations().len(), 1);
    }

    #[test]
    fn a_duration_lies_in_the_bucket_whose_bound_it_does_not_exceed() {
        let requests = requests();
        for micros in [-1, 10, 11, 5_000_000, 5_000_001, i64::MAX] {
            requests.verified(StatusCode::OK, micros);
        }
        let counts = requests.verification_durations().counts;
        assert_eq!((counts[0], counts[1], counts[16], counts[17]), (2, 1, 1, 2));
    }

    proptest! {
        #[test]
        fn no_client_makes_a_label(path in "[!-~]{0,40}", method in "[A-Z]{1,20}", status in 100u16..1000) {
            let requests = requests();
            let status = StatusCode::from_u16(status).unwrap();
            let method: Method = method.parse().unwrap();
            requests.answered(&method, Some(&path), status, 1);
            let routes = ["/a/{id}", "/verify", UNMATCHED];
            for told in requests.counts() {
                prop_assert!(routes.contains(&told.route));
                prop_assert!(METHODS.contains(&told.method) && CLASSES.contains(&told.status));
            }
            prop_assert!(routes.contains(&requests.route(Some(&path))));
        }
    }
}
