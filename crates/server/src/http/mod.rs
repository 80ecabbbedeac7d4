//! The HTTP front door. One folder for each noun, one file for each verb.
//!
//! [`edge`] takes connections and answers verifications on the thread that read them; everything else
//! goes to the [`router`] on the main runtime. The operator's socket and the command line drive the
//! very same router.

mod accept;
pub mod answer;
pub mod app;
pub mod bounds;
pub mod client;
pub mod cursor;
mod deliveries;
pub mod edge;
pub mod etag;
pub mod gate;
pub mod guest;
pub mod input;
pub mod limits;
pub mod locations;
pub mod look_up;
pub mod metrics;
pub mod openapi;
pub mod operator;
pub mod view;

pub mod accounts;
pub mod alerts;
pub mod analytics;
pub mod audit;
pub mod auth;
pub mod event_subscriptions;
pub mod leaks;
pub mod maintenance_windows;
pub mod members;
pub mod notification_channels;
pub mod oauth;
pub mod outer;
pub mod pages;
pub mod personal_tokens;
pub mod publishers;
pub mod reference;
pub mod roles;
pub mod rotation_policies;
pub mod rotations;
pub mod service_accounts;
pub mod sessions;
mod shown;
pub mod signing_keys;
pub mod system;
pub mod tokens;
pub mod users;

use axum::Router;
use axum::middleware::from_fn_with_state;
use keywright_api::problem::Problem;
use keywright_api::problem_code::Refusal;

pub use app::App;

use answer::Refused;

/// The path under which the API lies.
pub const BASE: &str = "/api/v1";

/// The whole API.
pub fn router(app: App) -> Router {
    let (api, _) = openapi::routes().split_for_parts();
    let mut outside = openapi::outside();
    if !app.settings().metrics_apart {
        outside = outside.merge(openapi::metrics());
    }
    let (outside, _) = outside.split_for_parts();
    Router::new()
        .nest(BASE, api)
        .merge(outside)
        .merge(pages::routes())
        .merge(reference::routes())
        .fallback(async || Refused::from(Problem::new(Refusal::NotFound, "There is nothing at this path.")))
        .method_not_allowed_fallback(async || {
            Refused::from(Problem::new(Refusal::MethodNotAllowed, "This path does not know that method."))
        })
        .layer(from_fn_with_state(app.clone(), outer::layer))
        .with_state(app)
}
