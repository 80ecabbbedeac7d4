//! What `keywright bootstrap` prints.

use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The first credential of a new authority.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Bootstrap {
    /// The platform-level service token with `*`; shown this once.
    #[schema(value_type = String, pattern = "^sk_[0-9a-f]{64}$")]
    pub token: Secret,
    /// Its id.
    pub credential_id: Uuid,
    /// The first administrator; null until users exist.
    #[schema(required = true)]
    pub user_id: Option<Uuid>,
}
