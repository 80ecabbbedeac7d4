//! The key ring of a node, as the store gives it.

use keywright_core::Timestamp;
use keywright_verify::jwt::PublicKey;
use keywright_verify::{AcceptedKey, AcceptedKeys, KeySource, SourceError};

use crate::error::StoreError;
use crate::store::Store;
use crate::{platform, signing_keys};

impl KeySource for Store {
    async fn load_keys(&self) -> Result<AcceptedKeys, SourceError> {
        let mut reader = self.read().await?;
        // The version first: keys that change meanwhile are newer than it says, never older.
        let version = platform::epochs(reader.conn()).await?.keys;
        // Which of them have come to their end, each verification looks at itself.
        let rows = signing_keys::accepted(reader.conn(), Timestamp::EPOCH).await?;
        let keys = rows.into_iter().map(|row| {
            let key = PublicKey::from_jwk(&row.public_jwk)
                .ok()
                .filter(|key| key.kid().is_some_and(|kid| kid == row.id.to_string()));
            let key =
                key.ok_or_else(|| StoreError::corrupt(format_args!("the key {} cannot be read", row.id)))?;
            Ok(AcceptedKey { key, accepted_until: row.accepted_until })
        });
        Ok(AcceptedKeys { version, keys: keys.collect::<Result<_, StoreError>>()? })
    }
}
