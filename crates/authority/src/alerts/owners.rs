//! Who is to know of an alert: the owner of what it is about.

use keywright_core::{AlertSubjectKind, CredentialId, EmailAddress, PublisherId, ServiceAccountId, UserId};
use keywright_store::alerts::AlertRow;
use keywright_store::{
    Conn, StoreError, memberships, personal_tokens, service_accounts, service_tokens, users,
};
use uuid::Uuid;

/// Somebody who is to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The address.
    pub email: String,
    /// The user, where it is one; of a service account the owner is an address alone.
    pub user_id: Option<UserId>,
}

/// The owner of what an alert is about: the address that a service account names, the user of a personal token,
/// else the administrators of the publisher, and without one those of the platform. Of what is gone, or names
/// nobody who can be reached, the administrators too.
///
/// # Errors
/// As the store.
pub async fn owners(mut conn: Conn<'_>, alert: &AlertRow) -> Result<Vec<Owner>, StoreError> {
    let own = match (alert.subject.kind, alert.subject.id) {
        (AlertSubjectKind::Credential, Some(id)) => of_credential(conn.reborrow(), id).await?,
        (AlertSubjectKind::ServiceAccount, Some(id)) => of_account(conn.reborrow(), id).await?,
        (AlertSubjectKind::User, Some(id)) => of_user(conn.reborrow(), UserId(id)).await?,
        _ => None,
    };
    match own {
        Some(owner) => Ok(vec![owner]),
        None => administrators(conn, alert.publisher_id).await,
    }
}

async fn of_credential(mut conn: Conn<'_>, id: Uuid) -> Result<Option<Owner>, StoreError> {
    if let Some(user) = personal_tokens::owner(conn.reborrow(), CredentialId(id)).await? {
        return of_user(conn, user).await;
    }
    let token = service_tokens::by_id(conn.reborrow(), None, CredentialId(id)).await?;
    match token.and_then(|token| token.service_account_id) {
        Some(ServiceAccountId(account)) => of_account(conn, account).await,
        None => Ok(None),
    }
}

async fn of_account(conn: Conn<'_>, id: Uuid) -> Result<Option<Owner>, StoreError> {
    let account = service_accounts::by_id(conn, None, ServiceAccountId(id)).await?;
    let email = account.and_then(|account| account.owner_email);
    Ok(email.as_ref().map(EmailAddress::as_str).map(|email| Owner { email: email.to_owned(), user_id: None }))
}

/// Who is locked out is told nothing.
async fn of_user(conn: Conn<'_>, id: UserId) -> Result<Option<Owner>, StoreError> {
    let user = users::by_id(conn, id, None).await?.filter(|user| user.disabled_at.is_none());
    Ok(user.map(|user| Owner { email: user.email.as_str().to_owned(), user_id: Some(id) }))
}

async fn administrators(conn: Conn<'_>, publisher: Option<PublisherId>) -> Result<Vec<Owner>, StoreError> {
    let found = memberships::administrators(conn, publisher).await?;
    Ok(found.into_iter().map(|(user, email)| Owner { email, user_id: Some(user) }).collect())
}
