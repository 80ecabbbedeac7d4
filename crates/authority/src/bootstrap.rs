//! The first credential of an authority.

use keywright_core::{Allowlist, CredentialName, Metadata, RateLimits, ScopeSet};
use keywright_store::service_tokens;
use serde_json::{Map, Value};

use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use crate::idempotency::Minted;
use crate::service_tokens::{Create, Expiry, Holder, create};

/// Most names that are tried for the first credential in one day.
const MAX_NAMES: u32 = 100;

/// Makes a service token with `*`, unless a usable one exists. Of two at once one makes it: they take
/// the same name, and whoever comes second looks again.
///
/// # Errors
/// [`Fault::AlreadyBootstrapped`]; those of [`create`].
pub async fn bootstrap(authority: &Authority, email: Option<&str>) -> Result<Minted, Fault> {
    let mut metadata = Map::new();
    if let Some(email) = email {
        metadata.insert("email".to_owned(), Value::String(email.to_owned()));
    }
    let metadata = Metadata::new(metadata).map_err(|error| Fault::field("email", error.to_string()))?;
    let name = format!("bootstrap-{}", &authority.now().to_string()[..10]);
    for number in 1..=MAX_NAMES {
        let mut reader = authority.store().read().await?;
        if service_tokens::any_exists_with_all(reader.conn(), authority.now()).await? {
            return Err(Fault::AlreadyBootstrapped);
        }
        drop(reader);
        let name = if number == 1 { name.clone() } else { format!("{name}-{number}") };
        let wanted = Create {
            token_name: CredentialName::parse(&name)
                .map_err(|error| Fault::Internal(format!("name {name}: {error}")))?,
            holder: Holder::Nobody,
            permissions: Some(ScopeSet::all()),
            limits: RateLimits::UNLIMITED,
            allowlist: Allowlist::default(),
            metadata: metadata.clone(),
            expiry: Expiry::Default,
        };
        match create(authority, Call::operator("bootstrap"), wanted).await {
            Err(Fault::NameTaken) => {}
            made => return made,
        }
    }
    Err(Fault::NameTaken)
}
