//! The OpenAPI document, made from the handlers.

mod examples;
pub mod permissions;
mod refusals;

use axum::extract::State;
use axum::response::Response;
use axum::routing::any;
use http::StatusCode;
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{PathItem, RefOr, Schema, Server};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::json;
use super::input::NoQuery;
use super::{
    App, BASE, accounts, alerts, analytics, audit, auth, event_subscriptions, leaks, maintenance_windows,
    members, metrics, notification_channels, oauth, personal_tokens, publishers, roles, rotation_policies,
    rotations, service_accounts, sessions, signing_keys, system, tokens, users,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Keywright",
        description = "A self-hosted credential authority for APIs: issues, verifies, rotates, revokes and audits credentials.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    security(("bearer" = []), ("api_key" = [])),
    modifiers(&Schemes),
    tags(
        (name = "verification", description = "The decision about a credential, and who the caller is"),
        (name = "oauth", description = "The same decisions in OAuth's form: introspection, revocation, tokens"),
        (name = "sessions", description = "Users who log in, and the tokens that they are given"),
        (name = "signing keys", description = "The keys that sign access tokens"),
        (name = "service tokens", description = "API keys: create, rotate, revoke"),
        (name = "service accounts", description = "The identities of external systems, and their tokens"),
        (name = "rotation", description = "Automated rotation: policies, maintenance windows, and what became of each"),
        (name = "personal tokens", description = "Tokens that users make for their scripts: never more than their owner"),
        (name = "users", description = "People: invite, see, lock out, delete"),
        (name = "accounts", description = "What people do with their own accounts"),
        (name = "publishers", description = "The tenants, what they set for themselves, and their members"),
        (name = "roles", description = "What members of a publisher may do"),
        (name = "notification channels", description = "Ways by which alerts leave"),
        (name = "event subscriptions", description = "Who is told of which events"),
        (name = "analytics", description = "How credentials are used"),
        (name = "alerts", description = "What somebody should look at"),
        (name = "leaks", description = "Credentials that were found where they should not be"),
        (name = "audit", description = "Who changed what, and who used what"),
        (name = "system", description = "How the authority is doing"),
    ),
)]
struct Document;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("Any credential")).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let client = HttpBuilder::new().scheme(HttpAuthScheme::Basic);
        let client =
            client.description(Some("The id of a service account, and a service token of it")).build();
        components.add_security_scheme("client_secret_basic", SecurityScheme::Http(client));
        components.add_security_scheme(
            "api_key",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))),
        );
    }
}

/// The routes under the base path, with their part of the document.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(auth::verify::verify))
        // OpenAPI has no word for any method: the document tells of GET, and that it stands for all.
        .routes(routes!(auth::forward::forward))
        .route("/auth/forward", any(auth::forward::forward))
        .merge(limits_and_places())
        .routes(routes!(auth::me::me, accounts::profile::update))
        .routes(routes!(auth::health::health))
        .routes(routes!(auth::emergency_revoke::emergency_revoke))
        .routes(routes!(auth::emergency_revoke::allow_external))
        .routes(routes!(sessions::login::login))
        .routes(routes!(sessions::refresh::refresh))
        .routes(routes!(sessions::switch::switch))
        .routes(routes!(sessions::end::log_out))
        .routes(routes!(sessions::end::log_out_all))
        .routes(routes!(sessions::list::list))
        .routes(routes!(sessions::end::end))
        .routes(routes!(sessions::list::list_of_user, sessions::end::end_of_user))
        .routes(routes!(signing_keys::list::list))
        .routes(routes!(signing_keys::rotate::rotate))
        .routes(routes!(signing_keys::revoke::revoke))
        .merge(service_token_routes())
        .merge(service_account_routes())
        .merge(rotation_routes())
        .merge(people())
        .merge(alert_routes())
        .merge(notification_routes())
        .routes(routes!(accounts::accept::accept))
        .routes(routes!(accounts::password::change))
        .routes(routes!(accounts::password::reset))
        .routes(routes!(accounts::password::confirm))
        .routes(routes!(accounts::email::verify))
        .routes(routes!(accounts::email::resend))
        .routes(routes!(accounts::email::change))
        .routes(routes!(accounts::email::confirm))
        .routes(routes!(publishers::list::list, publishers::create::create))
        .routes(routes!(publishers::get::get, publishers::update::update, publishers::delete::delete))
        .routes(routes!(publishers::suspend::suspend))
        .routes(routes!(publishers::suspend::resume))
        .routes(routes!(
            publishers::settings::get,
            publishers::settings::replace,
            publishers::settings::update
        ))
        .routes(routes!(members::list::list, members::add::add))
        .routes(routes!(members::get::get, members::update::update, members::remove::remove))
        .routes(routes!(roles::list::list, roles::create::create))
        .routes(routes!(roles::get::get, roles::update::update, roles::delete::delete))
        .routes(routes!(analytics::of_token))
        .routes(routes!(analytics::summary))
        .routes(routes!(leaks::report::report))
        .routes(routes!(leaks::github::report))
        .routes(routes!(tokens::blast_radius::blast_radius))
        .routes(routes!(audit::authentication_events::list))
        .routes(routes!(audit::security_events::list))
        .routes(routes!(audit::verify::verify))
        .routes(routes!(audit::cicd_event::record))
        .routes(routes!(system::status::status))
        .routes(routes!(system::cleanup::clean_up))
        .routes(routes!(system::health::health))
        .routes(routes!(serve))
}

/// Several decisions at once, and what is left and was seen of a credential.
fn limits_and_places() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(auth::verify_batch::verify_batch))
        .routes(routes!(auth::verify_stream::stream_invalidations))
        .routes(routes!(auth::verify_usage::report_usage))
        .routes(routes!(tokens::limit_state::limit_state))
        .routes(routes!(tokens::locations::locations))
        .routes(routes!(tokens::limit_state::of_own))
        .routes(routes!(tokens::locations::of_own))
}

fn service_token_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(tokens::list::list, tokens::create::create))
        .routes(routes!(tokens::cleanup::cleanup))
        .routes(routes!(tokens::revoke::revoke_self))
        .routes(routes!(tokens::rotate::rotate_self))
        .routes(routes!(tokens::get::get, tokens::update::update, tokens::revoke::revoke))
        .routes(routes!(tokens::rotate::rotate))
        .routes(routes!(tokens::security_events::list))
}

fn service_account_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(service_accounts::list::list, service_accounts::create::create))
        .routes(routes!(
            service_accounts::get::get,
            service_accounts::update::update,
            service_accounts::update::replace,
            service_accounts::delete::delete
        ))
        .routes(routes!(service_accounts::disable::disable))
        .routes(routes!(service_accounts::disable::enable))
        .routes(routes!(service_accounts::bounds::get_scopes, service_accounts::bounds::replace_scopes))
        .routes(routes!(service_accounts::bounds::get_limits, service_accounts::bounds::replace_limits))
        .routes(routes!(service_accounts::bounds::get_allowlist, service_accounts::bounds::replace_allowlist))
        .routes(routes!(service_accounts::usage::usage))
        .routes(routes!(service_accounts::limit_state::limit_state))
        .routes(routes!(service_accounts::security_events::list))
        .routes(routes!(service_accounts::tokens::read::list, service_accounts::tokens::create::create))
        .routes(routes!(service_accounts::tokens::all::rotate))
        .routes(routes!(service_accounts::tokens::all::revoke))
        .routes(routes!(
            service_accounts::tokens::read::get,
            service_accounts::tokens::change::update,
            service_accounts::tokens::change::revoke
        ))
        .routes(routes!(service_accounts::tokens::change::rotate))
}

fn alert_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(alerts::list::list))
        .routes(routes!(alerts::get::get))
        .routes(routes!(alerts::acknowledge::acknowledge))
        .routes(routes!(alerts::resolve::resolve))
}

fn notification_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(notification_channels::list::list, notification_channels::create::create))
        .routes(routes!(
            notification_channels::get::get,
            notification_channels::update::update,
            notification_channels::delete::delete
        ))
        .routes(routes!(notification_channels::test::test))
        .routes(routes!(notification_channels::deliveries::list))
        .routes(routes!(notification_channels::deliveries::retry))
        .routes(routes!(event_subscriptions::list::list, event_subscriptions::create::create))
        .routes(routes!(
            event_subscriptions::get::get,
            event_subscriptions::update::update,
            event_subscriptions::delete::delete
        ))
        .routes(routes!(event_subscriptions::deliveries::list))
        .routes(routes!(event_subscriptions::deliveries::retry))
}

/// Automated rotation.
fn rotation_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(maintenance_windows::read::list, maintenance_windows::change::create))
        .routes(routes!(
            maintenance_windows::read::get,
            maintenance_windows::change::update,
            maintenance_windows::change::delete
        ))
        .routes(routes!(rotation_policies::read::list, rotation_policies::change::create))
        .routes(routes!(rotation_policies::read::effective))
        .routes(routes!(
            rotation_policies::read::get,
            rotation_policies::change::update,
            rotation_policies::change::delete
        ))
        .routes(routes!(rotation_policies::of_account::get, rotation_policies::of_account::replace))
        .routes(routes!(rotations::read::list))
        .routes(routes!(rotations::plan::plan))
        .routes(routes!(rotations::read::get))
        .routes(routes!(rotations::decide::confirm))
        .routes(routes!(rotations::decide::roll_back))
}

/// Personal tokens, and users.
fn people() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(personal_tokens::list::list, personal_tokens::create::create))
        .routes(routes!(personal_tokens::scopes::list))
        .routes(routes!(personal_tokens::revoke::revoke_all))
        .routes(routes!(personal_tokens::cleanup::cleanup))
        .routes(routes!(
            personal_tokens::get::get,
            personal_tokens::update::replace,
            personal_tokens::update::update,
            personal_tokens::revoke::revoke
        ))
        .routes(routes!(personal_tokens::rotate::rotate))
        .routes(routes!(personal_tokens::approve::approve))
        .routes(routes!(personal_tokens::usage::usage))
        .routes(routes!(personal_tokens::usage::security_events))
        .routes(routes!(personal_tokens::of_user::list))
        .routes(routes!(personal_tokens::of_user::revoke_all))
        .routes(routes!(personal_tokens::of_user::get, personal_tokens::of_user::revoke))
        .routes(routes!(personal_tokens::of_user::approve))
        .routes(routes!(users::list::list, users::invite::invite))
        .routes(routes!(users::get::get, users::update::update, users::delete::delete))
        .routes(routes!(users::disable::disable))
        .routes(routes!(users::disable::enable))
        .routes(routes!(users::remind::remind))
}

/// The routes outside the base path.
pub fn outside() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(system::probes::live))
        .routes(routes!(system::probes::ready))
        .routes(routes!(signing_keys::jwks::jwks))
        .routes(routes!(oauth::metadata::metadata))
        .routes(routes!(oauth::introspect::introspect))
        .routes(routes!(oauth::revoke::revoke))
        .routes(routes!(oauth::token::token))
}

/// The route of metrics, outside the base path.
pub fn metrics() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(metrics::metrics))
}

fn openapi() -> utoipa::openapi::OpenApi {
    let (_, api) =
        OpenApiRouter::<App>::new().nest(BASE, routes()).merge(outside()).merge(metrics()).split_for_parts();
    let mut document = Document::openapi();
    document.merge(api);
    for operation in document.paths.paths.values_mut().flat_map(operations_of) {
        permissions::tell(operation);
        examples::tell(operation);
        operation.parameters.iter_mut().flatten().for_each(describe);
    }
    for read in document.paths.paths.values_mut().filter_map(|item| item.get.as_mut()) {
        refusals::tell_of_a_read(read);
    }
    document
}

/// A parameter whose schema a function makes says what that says: utoipa passes its doc comment over.
fn describe(parameter: &mut RefOr<Parameter>) {
    let RefOr::T(parameter) = parameter else { return };
    if parameter.description.is_none() {
        parameter.description = match &parameter.schema {
            Some(RefOr::T(Schema::OneOf(schema))) => schema.description.clone(),
            Some(RefOr::T(Schema::Array(schema))) => schema.description.clone(),
            _ => None,
        };
    }
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

/// The templates of all paths.
pub fn paths() -> impl Iterator<Item = String> {
    openapi().paths.paths.into_keys()
}

/// The document, for whoever reads it in this process.
pub fn value() -> serde_json::Value {
    serde_json::to_value(openapi()).unwrap_or_default()
}

/// The document, pretty.
pub fn document() -> String {
    openapi().to_pretty_json().unwrap_or_default()
}

/// This document, with the address under which this server is reached.
#[utoipa::path(
    get, path = "/openapi.json", tag = "system", operation_id = "get_openapi_document", security(()),
    responses((status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn serve(State(app): State<App>, _: NoQuery) -> Response {
    let mut document = openapi();
    document.servers = app.settings().public_url.as_ref().map(|url| vec![Server::new(url.as_str())]);
    json(StatusCode::OK, &document)
}
