//! What may be asked of the audit trail.

use crate::{
    Time,
    kind::{Address, Boolean, Id, choice, text, time},
    page::PageQuery,
    request::{Fields, FromFields, Refused},
    wire_enum::wire_enum,
};
use serde::Serialize;
use std::net::IpAddr;
use utoipa::{
    IntoParams,
    openapi::{KnownFormat, ObjectBuilder, OneOfBuilder, RefOr, Schema, SchemaFormat, Type},
};
use uuid::Uuid;

wire_enum! {
    /// Order of a list of events.
    pub enum Order {
        /// Oldest first.
        Asc = "asc",
        /// Newest first.
        Desc = "desc",
    }
}

/// The query of `GET /audit/authentication-events` and `GET /audit/security-events`. All filters that
/// are given must apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// Only events at this moment or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime, nullable = false)]
    pub since: Option<Time>,
    /// Only events before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime, nullable = false)]
    pub until: Option<Time>,
    /// Only events of this principal: who was verified, or who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub principal_id: Option<Uuid>,
    /// Only events about this credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub credential_id: Option<Uuid>,
    /// Only events of this publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub publisher_id: Option<Uuid>,
    /// Only events of this type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub kind: Option<String>,
    /// Only authentication events that ended so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub success: Option<bool>,
    /// Only authentication events with this code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub code: Option<String>,
    /// Only events from this address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(schema_with = address_schema, required = false)]
    pub ip: Option<IpAddr>,
    /// `desc`, newest first, when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, inline)]
    pub order: Option<Order>,
    /// Which page of them.
    #[serde(flatten)]
    #[param(ignore)]
    pub page: PageQuery,
}

fn address_schema() -> RefOr<Schema> {
    let of = |format| {
        ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(format)))
    };
    let told = Some("Only events from this address.");
    OneOfBuilder::new().item(of(KnownFormat::Ipv4)).item(of(KnownFormat::Ipv6)).description(told).into()
}

impl FromFields for EventQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            since: fields.optional("since", time()),
            until: fields.optional("until", time()),
            principal_id: fields.optional("principal_id", Id),
            credential_id: fields.optional("credential_id", Id),
            publisher_id: fields.optional("publisher_id", Id),
            kind: fields.optional("type", text(1, 100)),
            success: fields.optional("success", Boolean),
            code: fields.optional("code", text(1, 100)),
            ip: fields.optional("ip", Address),
            order: fields.optional("order", choice()),
            page: PageQuery::read(&mut fields),
        };
        fields.finish(|| Some(query))
    }
}
