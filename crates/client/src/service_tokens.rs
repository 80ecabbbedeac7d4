//! Service tokens: of accounts, or standing alone.

use std::fmt;

use http::Method;
use keywright_api::page::Page;
use keywright_api::service_token::{CreatedServiceToken, ServiceToken};
use keywright_api::service_token_request::{CreateServiceToken, RotateServiceToken, ServiceTokenQuery};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::error::ClientError;
use crate::transport::{Call, Transport};

const PATH: &str = "/auth/tokens";

/// What can be done with service tokens. Needs `tokens:read` or `tokens:admin`.
pub struct ServiceTokens<'a> {
    pub(crate) transport: &'a Transport,
}

impl fmt::Debug for ServiceTokens<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTokens").finish_non_exhaustive()
    }
}

impl ServiceTokens<'_> {
    /// A new one, with its secret. Under `key`, 16 to 128 visible ASCII characters, it may be repeated after the
    /// process that asked was restarted; without one the call makes a key of its own, for its own repetitions.
    ///
    /// # Errors
    /// As any call.
    pub async fn create(
        &self,
        token: &CreateServiceToken,
        key: Option<&str>,
    ) -> Result<CreatedServiceToken, ClientError> {
        self.transport.send(&Call::post(PATH, token)?.creating(key)).await
    }

    /// One page of them, newest first.
    ///
    /// # Errors
    /// As any call.
    pub async fn list(&self, query: &ServiceTokenQuery) -> Result<Page<ServiceToken>, ClientError> {
        self.transport.send(&Call { query: pairs(query)?, ..Call::get(PATH) }).await
    }

    /// One of them.
    ///
    /// # Errors
    /// As any call; [`ClientError::Problem`] with 404 when there is none.
    pub async fn get(&self, id: Uuid) -> Result<ServiceToken, ClientError> {
        self.transport.send(&Call::get(format!("{PATH}/{id}"))).await
    }

    /// A new credential in the place of this one, which works on through its grace. For `key` see
    /// [`ServiceTokens::create`].
    ///
    /// # Errors
    /// As any call.
    pub async fn rotate(
        &self,
        id: Uuid,
        rotation: &RotateServiceToken,
        key: Option<&str>,
    ) -> Result<CreatedServiceToken, ClientError> {
        self.transport.send(&Call::post(format!("{PATH}/{id}/rotate"), rotation)?.creating(key)).await
    }

    /// Revokes it; repeated, it changes nothing. In force on the answering node when this returns.
    ///
    /// # Errors
    /// As any call.
    pub async fn revoke(&self, id: Uuid, reason: Option<&str>) -> Result<(), ClientError> {
        let query = reason.map(|reason| ("reason".to_owned(), reason.to_owned())).into_iter().collect();
        let call = Call { method: Method::DELETE, query, ..Call::get(format!("{PATH}/{id}")) };
        self.transport.send_for_nothing(&call).await
    }
}

/// The parameters of a query.
fn pairs(query: &impl Serialize) -> Result<Vec<(String, String)>, ClientError> {
    let Ok(Value::Object(fields)) = serde_json::to_value(query) else {
        return Err(ClientError::Setup("the query cannot be written"));
    };
    let text = |value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    Ok(fields.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_api::page::PageQuery;
    use keywright_api::service_token::TokenStatus;

    #[test]
    fn a_query_is_its_fields_and_nothing_that_was_left_out() {
        let query = ServiceTokenQuery {
            status: Some(TokenStatus::Active),
            q: Some("a&b".to_owned()),
            page: PageQuery { limit: Some(7), cursor: None },
            ..ServiceTokenQuery::default()
        };
        let mut pairs = pairs(&query).unwrap();
        pairs.sort();
        let expected = [("limit", "7"), ("q", "a&b"), ("status", "active")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
