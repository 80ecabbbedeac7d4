//! What is told of a token, signed for whoever asked (RFC 9701).

use std::sync::Arc;

use keywright_core::Timestamp;
use serde::Serialize;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::authority::Authority;
use crate::fault::Fault;
use crate::sessions::{ready, signing};
use crate::signing_keys::{Kind, Signer};

/// RFC 9701 §5. It has neither `sub` nor `exp`: no access token lacks them.
#[derive(Serialize)]
struct Claims<'a, T> {
    iss: &'a str,
    aud: Uuid,
    iat: i64,
    token_introspection: &'a T,
}

/// What signs answers at this moment.
pub struct Notary<'a> {
    issuer: &'a str,
    signer: Arc<Signer>,
}

impl<'a> Notary<'a> {
    /// The key that signs now, found before anything is decided: what cannot be told is not asked.
    ///
    /// # Errors
    /// [`Fault::NotConfigured`] without `server.public_url`; [`Fault::Unavailable`] while the store is away.
    pub async fn find(authority: &'a Authority) -> Result<Self, Fault> {
        ready(authority).await?;
        let mut reader = authority.store().read().await?;
        let ((issuer, _), signer) = signing(authority, reader.conn(), authority.now()).await?;
        Ok(Self { issuer, signer })
    }

    /// What is told, as a JWT for the one who asked.
    ///
    /// # Errors
    /// [`Fault::Internal`] when it cannot be signed.
    pub fn sign<T: Serialize>(
        &self,
        asker: Uuid,
        told: &T,
        now: Timestamp,
    ) -> Result<Zeroizing<String>, Fault> {
        let claims =
            Claims { iss: self.issuer, aud: asker, iat: now.as_seconds(), token_introspection: told };
        self.signer.sign(Kind::Introspection, &claims)
    }
}
