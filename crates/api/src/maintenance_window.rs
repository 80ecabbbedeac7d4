//! Maintenance windows: when automated rotations may begin.

use crate::{
    Time,
    actor::Actor,
    kind::{Id, integer, text},
    page::PageQuery,
    request::{Fields, Format, FromFields, Refused},
    service_token_request::MAX_NAME,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// The most characters of a cron expression.
pub const MAX_CRON: usize = 100;
/// The most characters of the name of a time zone.
pub const MAX_ZONE: usize = 64;
/// The least minutes that a window is open.
pub const MIN_DURATION: u32 = 5;
/// The most minutes that a window is open.
pub const MAX_DURATION: u32 = 10_080;

/// When automated rotations may begin, by the clock of a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MaintenanceWindow {
    /// Its id.
    pub id: Uuid,
    /// The publisher that it belongs to; null at platform level.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// Its name, unique within the publisher, or at platform level.
    pub name: String,
    /// When it opens: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// How long it is open, in minutes.
    pub duration_minutes: u32,
    /// The place by whose clock it opens, as an IANA time zone.
    pub time_zone: String,
    /// Its next openings.
    #[schema(value_type = Vec<String>)]
    pub next_openings: Vec<Time>,
    /// Who made it.
    pub created_by: Actor,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

/// A new maintenance window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateMaintenanceWindow {
    /// Its name, unique within the publisher, or at platform level.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: String,
    /// The publisher that it belongs to. Left out, it is that of the caller, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher_id: Option<Uuid>,
    /// When it opens: minute, hour, day of the month, month, day of the week, such as `0 2 * * SUN`.
    #[schema(min_length = 1, max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub cron: String,
    /// How long it is open, in minutes.
    #[schema(minimum = 5, maximum = 10_080)]
    pub duration_minutes: u32,
    /// The place by whose clock it opens, as an IANA time zone; `UTC` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 64, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub time_zone: Option<String>,
}

impl FromFields for CreateMaintenanceWindow {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let name = fields.required("name", text(1, MAX_NAME).of(Format::Name));
        let publisher_id = fields.optional("publisher_id", Id);
        let cron = fields.required("cron", text(1, MAX_CRON));
        let duration_minutes = fields.required("duration_minutes", integer(MIN_DURATION, MAX_DURATION));
        let time_zone = fields.not_null("time_zone", text(1, MAX_ZONE));
        fields.finish(|| {
            Some(Self {
                name: name?,
                publisher_id,
                cron: cron?,
                duration_minutes: duration_minutes?,
                time_zone,
            })
        })
    }
}

/// A change of a maintenance window, by RFC 7396: what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchMaintenanceWindow {
    /// A new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// Other openings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub cron: Option<String>,
    /// Another length, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 5, maximum = 10_080)]
    pub duration_minutes: Option<u32>,
    /// The clock of another place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 64, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub time_zone: Option<String>,
}

impl FromFields for PatchMaintenanceWindow {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let change = Self {
            name: fields.not_null("name", text(1, MAX_NAME).of(Format::Name)),
            cron: fields.not_null("cron", text(1, MAX_CRON)),
            duration_minutes: fields.not_null("duration_minutes", integer(MIN_DURATION, MAX_DURATION)),
            time_zone: fields.not_null("time_zone", text(1, MAX_ZONE)),
        };
        fields.forbidden(&["publisher_id"]);
        fields.finish(|| Some(change))
    }
}

/// The query of `GET /maintenance-windows`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MaintenanceWindowQuery {
    /// Only those of this publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub publisher_id: Option<Uuid>,
    /// Only those with exactly this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// Which page of them.
    #[serde(flatten)]
    #[param(ignore)]
    pub page: PageQuery,
}

impl FromFields for MaintenanceWindowQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            publisher_id: fields.optional("publisher_id", Id),
            name: fields.optional("name", text(1, MAX_NAME)),
            page: PageQuery::read(&mut fields),
        };
        fields.finish(|| Some(query))
    }
}
