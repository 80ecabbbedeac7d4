//! What publishers say of anomalies.

use crate::{
    WireEnum as _,
    kind::{choice, integer, list},
    patch::Patch,
    request::Fields,
    wire_enum::wire_enum,
};
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{
        ArrayBuilder, ObjectBuilder, RefOr, Schema, Type,
        schema::{AdditionalProperties, SchemaType},
    },
};

/// The least and the most days of history.
pub const HISTORY_DAYS: (u32, u32) = (7, 90);

wire_enum! {
    /// What can be odd about a credential.
    pub enum AnomalyKind {
        /// Far more use than at this hour of the week before.
        Volume = "volume",
        /// Far more denials than before.
        DenialBurst = "denial_burst",
        /// Use from a country where the credential never was.
        NewCountry = "new_country",
        /// Use from a network where the credential never was.
        NewNetwork = "new_network",
        /// Use from two countries sooner than anybody travels.
        ImpossibleTravel = "impossible_travel",
        /// Use at an hour of the day far from all hours of use.
        UnusualHour = "unusual_hour",
        /// Use after a long rest.
        DormantAwake = "dormant_awake",
        /// Attempts after revocation or expiry from where the credential never was.
        TokenExpiredInUse = "token_expired_in_use",
    }
}

wire_enum! {
    /// How little it takes for something to be odd.
    pub enum Sensitivity {
        /// Only what is gross.
        Low = "low",
        /// As is usual.
        Normal = "normal",
        /// Also what is slight; more false alarms.
        High = "high",
    }
}

/// What a publisher says of anomalies of its credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnomalySettings {
    /// How little it takes.
    pub sensitivity: Sensitivity,
    /// Kinds that are not looked for.
    pub off: Vec<AnomalyKind>,
    /// Days of history before anything is compared with it.
    pub history_days: u32,
}

/// A change of what a publisher says of anomalies; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChangeAnomalies {
    /// How little it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Sensitivity>,
    /// Kinds that are not looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off: Option<Vec<AnomalyKind>>,
    /// Days of history before anything is compared with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_days: Option<u32>,
}

impl ChangeAnomalies {
    /// Reads it.
    pub(crate) fn field(fields: &mut Fields<'_>, name: &'static str) -> Patch<Self> {
        fields.nested_patch(name, |change| {
            Some(Self {
                sensitivity: change.not_null("sensitivity", choice()),
                off: change.not_null("off", list(AnomalyKind::ALL.len(), choice())),
                history_days: change.not_null("history_days", integer(HISTORY_DAYS.0, HISTORY_DAYS.1)),
            })
        })
    }
}

/// The schema of a change.
pub(crate) fn schema() -> RefOr<Schema> {
    fn words<E: crate::WireEnum>() -> ObjectBuilder {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(E::ALL.iter().map(|word| word.as_str())))
    }
    let off = ArrayBuilder::new()
        .items(words::<AnomalyKind>())
        .max_items(Some(AnomalyKind::ALL.len()))
        .description(Some("Kinds that are not looked for."));
    let days = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(HISTORY_DAYS.0))
        .maximum(Some(HISTORY_DAYS.1))
        .description(Some("Days of history before anything is compared with it."));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .property("sensitivity", words::<Sensitivity>().description(Some("How little it takes.")))
        .property("off", off)
        .property("history_days", days)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .description(Some("What it says of anomalies of its credentials; null is as by default."))
        .into()
}
