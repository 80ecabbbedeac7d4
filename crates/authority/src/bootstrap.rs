//! The first credential of an authority.

use keywright_core::{CredentialName, Metadata, ScopeSet};
use keywright_store::service_tokens;
use serde_json::{Map, Value};

use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use crate::idempotency::Minted;
use crate::service_tokens::{Create, Expiry, create};

/// Makes a service token with `*`, unless a usable one exists.
///
/// # Errors
/// [`Fault::AlreadyBootstrapped`]; those of [`create`].
pub async fn bootstrap(authority: &Authority, email: Option<&str>) -> Result<Minted, Fault> {
    let exists =
        service_tokens::any_exists_with_all(authority.store().read().await?.conn(), authority.now()).await?;
    if exists {
        return Err(Fault::AlreadyBootstrapped);
    }
    let mut metadata = Map::new();
    if let Some(email) = email {
        metadata.insert("email".to_owned(), Value::String(email.to_owned()));
    }
    let name = format!("bootstrap-{}", &authority.now().to_string()[..10]);
    let wanted = |name: &str| -> Result<Create, Fault> {
        Ok(Create {
            token_name: CredentialName::parse(name)
                .map_err(|error| Fault::field("name", error.to_string()))?,
            permissions: ScopeSet::all(),
            metadata: Metadata::new(metadata.clone())
                .map_err(|error| Fault::field("email", error.to_string()))?,
            expiry: Expiry::Default,
        })
    };
    let call = Call::operator("bootstrap");
    match create(authority, call.clone(), wanted(&name)?).await {
        Err(Fault::NameTaken) => {
            let another = format!("{name}-{}", &authority.new_event_id().0.simple().to_string()[24..]);
            create(authority, call, wanted(&another)?).await
        }
        made => made,
    }
}
