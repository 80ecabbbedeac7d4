//! Telling of what was found.

use keywright_core::{AlertKind, AlertSubjectKind, CredentialKind, Severity, TokenHash};
use keywright_store::Tx;
use keywright_store::alerts::AlertSubject;
use keywright_store::mailed_tokens::Purpose;
use serde_json::{Map, Value, json};

use super::end::Ended;
use super::{Found, FoundKind, Leak, NOTICED_BY, Reporter};
use crate::alerts::{self, NewAlert};
use crate::audit::Event;
use crate::authority::Authority;
use crate::fault::Fault;

/// Where something was found.
pub(super) struct Place<'a> {
    pub(super) found_in: &'a str,
    /// The hash of that: a place is kept once.
    pub(super) hash: [u8; 32],
    /// It was an access token that was found there.
    of_access_token: bool,
}

impl<'a> Place<'a> {
    pub(super) fn of(leak: &'a Leak) -> Self {
        Self {
            found_in: &leak.found_in,
            hash: *TokenHash::of(leak.found_in.as_bytes()).as_bytes(),
            of_access_token: leak.is_access_token(),
        }
    }
}

/// Tells of a place that was not known: an event, and an alert for whoever looks after the credential.
pub(super) async fn tell(
    authority: &Authority,
    tx: &mut Tx,
    reporter: &Reporter<'_>,
    ended: &Ended,
    place: &Place<'_>,
) -> Result<(), Fault> {
    let mut told = Map::from_iter([
        ("found_in".to_owned(), json!(place.found_in)),
        ("source".to_owned(), json!(reporter.source.as_str())),
        ("revoked".to_owned(), json!(ended.found.revoked)),
    ]);
    if let FoundKind::Mailed(purpose) = ended.found.kind {
        told.insert("purpose".to_owned(), json!(purpose.as_str()));
    }
    Event::new("leak.reported", reporter.actor.clone(), reporter.call, ended.subject.clone())
        .publisher(ended.publisher)
        .details(json!(told))
        .write(authority, tx.conn())
        .await?;
    alerts::open(authority, tx, alert(ended, place, told)).await?;
    Ok(())
}

/// What had been revoked before was no danger any more.
fn alert(ended: &Ended, place: &Place<'_>, evidence: Map<String, Value>) -> NewAlert {
    let Found { kind, revoked, .. } = &ended.found;
    let (subject, which) = about(ended);
    let done = match (revoked, kind) {
        (true, FoundKind::Mailed(_)) => "it was made useless at once",
        (true, FoundKind::Credential(CredentialKind::User, _)) => "its session was ended at once",
        (true, _) if place.of_access_token => "that token was revoked at once",
        (true, _) => "it was revoked at once",
        (false, FoundKind::Credential(CredentialKind::User, _)) => "its session had ended before",
        (false, _) if place.of_access_token => "that token had been revoked before",
        (false, _) => "it had been revoked before",
    };
    NewAlert {
        publisher_id: ended.publisher,
        kind: AlertKind::LeakReported,
        severity: if *revoked { Severity::Critical } else { Severity::Medium },
        subject,
        summary: format!("{} was found where it should not be; {done}.", what(&ended.found, place)),
        evidence,
        dedupe_key: format!("leak_reported:{which}:{}", hex::encode(&place.hash[..16])),
        noticed_by: NOTICED_BY,
    }
}

/// Whom an alert is about, and what tells its occurrences apart.
fn about(ended: &Ended) -> (AlertSubject, String) {
    match ended.found.kind {
        FoundKind::Credential(kind, id) => {
            let name = ended.found.name.clone().filter(|_| kind == CredentialKind::Service);
            let subject = AlertSubject { kind: AlertSubjectKind::Credential, id: Some(id.0), name };
            (subject, id.to_string())
        }
        FoundKind::Mailed(purpose) => {
            let user = ended.subject.id;
            let subject = AlertSubject { kind: AlertSubjectKind::User, id: user, name: None };
            let made_at = ended.made_at.map_or(0, keywright_core::Timestamp::as_micros);
            let user = user.unwrap_or_default();
            (subject, format!("{user}:{}:{made_at}", purpose.as_str()))
        }
    }
}

/// What was found, in words.
fn what(found: &Found, place: &Place<'_>) -> String {
    let name = found.name.as_deref().unwrap_or_default();
    match found.kind {
        FoundKind::Mailed(purpose) => format!("A mailed link {}", to_do(purpose)),
        // What people call their own is shown to them alone.
        FoundKind::Credential(CredentialKind::Personal, _) => "A personal token".to_owned(),
        FoundKind::Credential(CredentialKind::User, _) if place.of_access_token => {
            "An access token".to_owned()
        }
        FoundKind::Credential(CredentialKind::User, _) => "A refresh token".to_owned(),
        FoundKind::Credential(..) if place.of_access_token => {
            format!("An access token that was made from the service token {name:?}")
        }
        FoundKind::Credential(..) => format!("The service token {name:?}"),
    }
}

/// What a link lets its bearer do.
const fn to_do(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Invitation => "to accept an invitation",
        Purpose::PasswordReset => "to set a new password",
        Purpose::EmailVerification => "to confirm an address",
        Purpose::EmailChange => "to change an address",
    }
}
