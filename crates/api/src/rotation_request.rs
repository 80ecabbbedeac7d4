//! What may be asked of automated rotation.

use crate::{
    WireEnum,
    kind::{Boolean, Id, choice, integer, text},
    page::PageQuery,
    patch::Patch,
    request::{Fields, Format, FromFields, Refused},
    rotation::{PolicyLevel, RotationStage, SecretDeliveryType},
    secret::Secret,
};
use serde::Serialize;
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema, Type,
        schema::{AdditionalProperties, SchemaType},
    },
};
use uuid::Uuid;

/// The most days that a plan looks ahead.
pub const MAX_PLAN_DAYS: u32 = 365;
/// The most characters of a path.
pub const MAX_PATH: usize = 1_000;
/// The most characters of a name in the configuration.
pub const MAX_COMMAND: usize = 64;

/// The most characters of an address.
pub const MAX_URL: usize = 2_048;
/// The most characters of a name that a receiver knows.
pub const MAX_NAME: usize = 500;
/// The most characters of what lets a delivery in.
pub const MAX_SECRET: usize = 4_096;

const ONE_LINE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";

/// Declares the fields of a delivery once: what is read, its bound, and what the schema says of it.
macro_rules! delivery_fields {
    ($($field:ident: $most:expr, $description:literal;)*) => {
        /// Where new secrets shall go to.
        #[derive(Debug, Serialize)]
        pub struct AskedDelivery {
            /// How.
            #[serde(rename = "type")]
            pub kind: SecretDeliveryType,
            $(
                #[doc = $description]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<String>,
            )*
            /// What lets the delivery in. It is shown by no answer.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub secret: Option<Secret>,
        }

        impl AskedDelivery {
            fn read(fields: &mut Fields<'_>) -> Option<Self> {
                let kind = fields.required("type", choice());
                $(let $field = fields.optional(stringify!($field), text(1, $most).of(Format::Words));)*
                let secret = fields.optional("secret", text(1, MAX_SECRET)).map(Secret::new);
                Some(Self { kind: kind?, $($field,)* secret })
            }
        }

        /// Each field, its most characters, and what it is.
        const DELIVERY_FIELDS: &[(&str, usize, &str)] = &[$((stringify!($field), $most, $description),)*];
    };
}

delivery_fields! {
    path: MAX_PATH, "The file, or the path of the secret in Vault; `{lineage_id}` in it tells tokens apart.";
    command: MAX_COMMAND, "The name of a program in the server's configuration.";
    url: MAX_URL, "The webhook; where Vault is, or the API of the cluster; GitHub's API when it is another. It is shown: \
        nothing in it may be secret.";
    public_key: 64, "The X25519 key of the webhook's receiver, 32 bytes in base64; secrets are sealed to it.";
    repository: MAX_NAME, "The repository on GitHub, `OWNER/NAME`.";
    environment: MAX_NAME, "The environment of the repository; left out, the secret is the repository's.";
    namespace: MAX_NAME, "The namespace in Kubernetes.";
    secret_name: MAX_NAME, "The name of the secret of GitHub Actions or of Kubernetes; `{lineage_id}` in it tells tokens apart.";
    mount: MAX_NAME, "Where Vault's store is mounted.";
    key: MAX_NAME, "The key within the secret of Kubernetes or Vault; `{lineage_id}` in it tells tokens apart.";
}

fn delivery_schema() -> RefOr<Schema> {
    let kinds: Vec<&str> = SecretDeliveryType::ALL.iter().map(|kind| kind.as_str()).collect();
    let kind = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(kinds))
        .description(Some("How the new secret is delivered."));
    let line = |most: usize, description: &str| {
        ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .min_length(Some(1))
            .max_length(Some(most))
            .pattern(Some(ONE_LINE))
            .description(Some(description))
    };
    let mut object = ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .property("type", kind)
        .required("type");
    for (name, most, description) in DELIVERY_FIELDS {
        object = object.property(*name, line(*most, description));
    }
    let secret = "What lets the delivery in: the token of GitHub, Kubernetes or Vault, or what a webhook is signed with \
        (`whsec_…`). Shown by no answer; left out, what is there stays for the same receiver, and a webhook is given a \
        new one.";
    object
        .property("secret", line(MAX_SECRET, secret).write_only(true))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .description(Some("Where new secrets go to; null is left to the next policy."))
        .into()
}

/// What a policy is to say; what is null, or left out of something new, is left to the next policy.
#[derive(Debug, Default)]
pub struct PolicyTerms {
    /// Whether tokens are rotated without being asked.
    pub enabled: Patch<bool>,
    /// The age at which a token is replaced, in days.
    pub max_age_days: Patch<u32>,
    /// How long before its end a token is replaced, in days.
    pub rotate_before_expiry_days: Patch<u32>,
    /// Uses within 30 days from which on a token counts as used much.
    pub high_usage_threshold: Patch<u32>,
    /// The age at which a token that is used much is replaced, in days.
    pub high_usage_max_age_days: Patch<u32>,
    /// How long the old one lives on after the first use of the new one, in seconds.
    pub grace_seconds: Patch<u32>,
    /// How long the old one must not have been used before it is retired, in hours.
    pub quiet_hours: Patch<u32>,
    /// How long the first use of the new one is waited for, in hours.
    pub confirm_within_hours: Patch<u32>,
    /// The window in which rotations begin.
    pub maintenance_window_id: Patch<Uuid>,
    /// Where new secrets go to.
    pub delivery: Patch<AskedDelivery>,
}

impl PolicyTerms {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            enabled: fields.patch("enabled", Boolean),
            max_age_days: fields.patch("max_age_days", integer(1, 3_650)),
            rotate_before_expiry_days: fields.patch("rotate_before_expiry_days", integer(0, 365)),
            high_usage_threshold: fields.patch("high_usage_threshold", integer(1, 1_000_000_000)),
            high_usage_max_age_days: fields.patch("high_usage_max_age_days", integer(1, 3_650)),
            grace_seconds: fields.patch("grace_seconds", integer(0, 2_592_000)),
            quiet_hours: fields.patch("quiet_hours", integer(0, 720)),
            confirm_within_hours: fields.patch("confirm_within_hours", integer(1, 720)),
            maintenance_window_id: fields.patch("maintenance_window_id", Id),
            delivery: fields.nested_patch("delivery", AskedDelivery::read),
        }
    }
}

/// Requests that say what a policy says, with other fields beside it.
macro_rules! policy_request {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $Type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Serialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $Type,)*
            /// Whether tokens are rotated without being asked.
            #[serde(skip_serializing_if = "Patch::is_absent")]
            #[schema(value_type = Option<bool>, required = false)]
            pub enabled: Patch<bool>,
            /// The age at which a token is replaced, in days.
            #[serde(skip_serializing_if = "Patch::is_absent")]
            #[schema(value_type = Option<u32>, minimum = 1, maximum = 3_650, required = false)]
            pub max_age_days: Patch<u32>,
            /// How long before its end a token is replaced, in days; never in the first half of its life.
            #[serde(skip_serializing_if = "Patch::is_absent")]
            #[schema(value_type = Option<u32>, minimum = 0, maximum = 365, required = false)]
            pub rotate_before_expiry_days: Patch<u32>,
            /// Uses within 30 days from which on a token counts as used much.
            #[serde(skip_serializing_if = "Patch::is_absent")]
            #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000_000, required = false)]
            pub high_usage_threshold: Patch<u32>,
            /// The age at which a token that is used much is replaced, in days.
            #[serde(skip_serializing_if = "Patch::is_absent")]
            #[schema(value_type = Option<u32>, minimum = 1, maximum = 3_650, required = false)]
            pub high_usage_max_age_days: Patch<u32>,
            /// How long the old one lives on after the first use of the new one, in seconds.
            #[serde(skip_serializing_if = "Patch::is_absent")]
            #[schema(value_type = Option<u32>, minimum = 0, maximum = 2_592_000, required = false)]
            pub grace_seconds: Patch<u32>,
            /// How long the old one must not have been used before it is retired, in hours; 0: however much it is.
            #[serde(skip_serializing_if = "Patch::is_absent")]
            #[schema(value_type = Option<u32>, minimum = 0, maximum = 720, required = false)]
            pub quiet_hours: Patch<u32>,
            /// How long the first use of the new one is waited for before people are told, in hours.
            #[serde(skip_serializing_if = "Patch::is_absent")]
            #[schema(value_type = Option<u32>, minimum = 1, maximum = 720, required = false)]
            pub confirm_within_hours: Patch<u32>,
            /// The window in which rotations begin, of the same publisher, or of the platform for the platform's.
            #[serde(skip_serializing_if = "Patch::is_absent")]
            #[schema(value_type = Option<Uuid>, required = false)]
            pub maintenance_window_id: Patch<Uuid>,
            /// Where new secrets go to.
            #[serde(skip_serializing_if = "Patch::is_absent")]
            #[schema(schema_with = delivery_schema, required = false)]
            pub delivery: Patch<AskedDelivery>,
        }

        impl $name {
            /// What it says.
            pub fn terms(self) -> PolicyTerms {
                PolicyTerms {
                    enabled: self.enabled,
                    max_age_days: self.max_age_days,
                    rotate_before_expiry_days: self.rotate_before_expiry_days,
                    high_usage_threshold: self.high_usage_threshold,
                    high_usage_max_age_days: self.high_usage_max_age_days,
                    grace_seconds: self.grace_seconds,
                    quiet_hours: self.quiet_hours,
                    confirm_within_hours: self.confirm_within_hours,
                    maintenance_window_id: self.maintenance_window_id,
                    delivery: self.delivery,
                }
            }

            fn saying(terms: PolicyTerms, $($field: $Type,)*) -> Self {
                Self {
                    $($field,)*
                    enabled: terms.enabled,
                    max_age_days: terms.max_age_days,
                    rotate_before_expiry_days: terms.rotate_before_expiry_days,
                    high_usage_threshold: terms.high_usage_threshold,
                    high_usage_max_age_days: terms.high_usage_max_age_days,
                    grace_seconds: terms.grace_seconds,
                    quiet_hours: terms.quiet_hours,
                    confirm_within_hours: terms.confirm_within_hours,
                    maintenance_window_id: terms.maintenance_window_id,
                    delivery: terms.delivery,
                }
            }
        }
    };
}

policy_request! {
    /// A new policy of automated rotation.
    CreateRotationPolicy {
        /// The service token that it is on, and each that replaces it.
        #[serde(skip_serializing_if = "Option::is_none")]
        credential_id: Option<Uuid>,
        /// The service account that it is on.
        #[serde(skip_serializing_if = "Option::is_none")]
        service_account_id: Option<Uuid>,
        /// The publisher that it is on. Left out with the others, it is that of the caller, or the platform.
        #[serde(skip_serializing_if = "Option::is_none")]
        publisher_id: Option<Uuid>,
    }
}

policy_request! {
    /// A change of a policy, by RFC 7396: what is left out stays, null is left to the next policy.
    PatchRotationPolicy {}
}

policy_request! {
    /// What the policy on a service account shall say: what is left out is left to the next policy.
    PutAccountRotationPolicy {}
}

impl FromFields for CreateRotationPolicy {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let credential_id = fields.optional("credential_id", Id);
        let service_account_id = fields.optional("service_account_id", Id);
        let publisher_id = fields.optional("publisher_id", Id);
        let terms = PolicyTerms::read(&mut fields);
        fields.finish(|| Some(Self::saying(terms, credential_id, service_account_id, publisher_id)))
    }
}

impl FromFields for PatchRotationPolicy {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let terms = PolicyTerms::read(&mut fields);
        fields.forbidden(&["credential_id", "service_account_id", "publisher_id"]);
        fields.finish(|| Some(Self::saying(terms)))
    }
}

impl FromFields for PutAccountRotationPolicy {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let terms = PolicyTerms::read(&mut fields);
        fields.forbidden(&["credential_id", "service_account_id", "publisher_id"]);
        fields.finish(|| Some(Self::saying(terms)))
    }
}

/// The query of `GET /rotation-policies`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RotationPolicyQuery {
    /// Only those of this publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub publisher_id: Option<Uuid>,
    /// Only those on things of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, inline)]
    pub level: Option<PolicyLevel>,
    /// Which page of them.
    #[serde(flatten)]
    #[param(ignore)]
    pub page: PageQuery,
}

impl FromFields for RotationPolicyQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            publisher_id: fields.optional("publisher_id", Id),
            level: fields.optional("level", choice()),
            page: PageQuery::read(&mut fields),
        };
        fields.finish(|| Some(query))
    }
}

/// The query of `GET /rotation-policies/effective`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EffectivePolicyQuery {
    /// The service token; it must be named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub credential_id: Option<Uuid>,
}

impl FromFields for EffectivePolicyQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self { credential_id: fields.optional("credential_id", Id) };
        fields.finish(|| Some(query))
    }
}

/// The query of `GET /rotations`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RotationQuery {
    /// Only those of tokens of this publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub publisher_id: Option<Uuid>,
    /// Only those in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, inline)]
    pub state: Option<RotationStage>,
    /// Only those of this token, or that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub credential_id: Option<Uuid>,
    /// Which page of them.
    #[serde(flatten)]
    #[param(ignore)]
    pub page: PageQuery,
}

impl FromFields for RotationQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            publisher_id: fields.optional("publisher_id", Id),
            state: fields.optional("state", choice()),
            credential_id: fields.optional("credential_id", Id),
            page: PageQuery::read(&mut fields),
        };
        fields.finish(|| Some(query))
    }
}

/// The query of `GET /rotations/plan`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RotationPlanQuery {
    /// How many days to look ahead; 30 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 0, maximum = 365)]
    pub days: Option<u32>,
}

impl FromFields for RotationPlanQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self { days: fields.optional("days", integer(0, MAX_PLAN_DAYS)) };
        fields.finish(|| Some(query))
    }
}
