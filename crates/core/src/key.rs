//! What a verification asks for: by which credential, and for which publisher.

use std::sync::Arc;

use aws_lc_rs::digest;
use uuid::Uuid;

use crate::id::{CredentialId, PublisherId, SessionId};
use crate::scope::ScopeSet;
use crate::secret::TokenHash;

/// What all tokens of other issuers depend on: a change of it reaches each of them.
pub const EXTERNAL: Uuid = Uuid::from_u128(2);

/// The key of one answer to "what may this credential do there": 32 bytes, so that a cache of a million is
/// small. Of a service token or a personal token asked about for no publisher it is the token's hash itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct GrantKey([u8; 32]);

impl GrantKey {
    fn derived(kind: u8, parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&[kind]);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        Self(key)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<TokenHash> for GrantKey {
    fn from(hash: TokenHash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl std::fmt::Debug for GrantKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GrantKey(redacted)")
    }
}

/// What a verification asks the store for when the cache does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A service token.
    Token {
        /// What it is found by.
        hash: TokenHash,
        /// The publisher that it is asked about for.
        publisher: Option<PublisherId>,
    },
    /// A personal token.
    Personal {
        /// What it is found by.
        hash: TokenHash,
        /// The publisher that it is asked about for.
        publisher: Option<PublisherId>,
    },
    /// A session, by an access token made from it.
    Session {
        /// The session.
        id: SessionId,
        /// The publisher that the access token is for, or that a token of the platform is asked about for.
        publisher: Option<PublisherId>,
    },
    /// A service token, by an access token made from it.
    TokenAccess {
        /// The service token.
        id: CredentialId,
        /// The publisher that it is asked about for.
        publisher: Option<PublisherId>,
    },
    /// Whoever another issuer vouches for.
    External {
        /// Who, by that issuer's word and our rules.
        identity: Arc<ExternalIdentity>,
        /// The publisher that it is asked about for.
        publisher: Option<PublisherId>,
    },
}

impl Wanted {
    /// A service token, asked about for no publisher.
    pub const fn token(hash: TokenHash) -> Self {
        Self::Token { hash, publisher: None }
    }

    /// The key of the answer.
    pub fn key(&self) -> GrantKey {
        let id =
            |publisher: &Option<PublisherId>| publisher.unwrap_or(PublisherId(Uuid::nil())).0.into_bytes();
        match self {
            Self::Token { hash, publisher: None } | Self::Personal { hash, publisher: None } => {
                (*hash).into()
            }
            Self::Token { hash, publisher } | Self::Personal { hash, publisher } => {
                GrantKey::derived(1, &[hash.as_bytes(), &id(publisher)])
            }
            Self::Session { id: session, publisher } => {
                GrantKey::derived(2, &[session.0.as_bytes(), &id(publisher)])
            }
            Self::TokenAccess { id: token, publisher } => {
                GrantKey::derived(5, &[token.0.as_bytes(), &id(publisher)])
            }
            Self::External { identity, publisher } => identity.key(&id(publisher)),
        }
    }

    /// The publisher that it is asked about for.
    pub const fn publisher(&self) -> Option<PublisherId> {
        match self {
            Self::Token { publisher, .. }
            | Self::Personal { publisher, .. }
            | Self::Session { publisher, .. }
            | Self::TokenAccess { publisher, .. }
            | Self::External { publisher, .. } => *publisher,
        }
    }

    /// The same credential, asked about for another publisher.
    #[must_use]
    pub fn within(&self, publisher: Option<PublisherId>) -> Self {
        match self {
            Self::Token { hash, .. } => Self::Token { hash: *hash, publisher },
            Self::Personal { hash, .. } => Self::Personal { hash: *hash, publisher },
            Self::Session { id, .. } => Self::Session { id: *id, publisher },
            Self::TokenAccess { id, .. } => Self::TokenAccess { id: *id, publisher },
            Self::External { identity, .. } => Self::External { identity: Arc::clone(identity), publisher },
        }
    }
}

/// Who another issuer vouches for, after our rules were applied to its claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalIdentity {
    /// `iss`, as configured.
    pub issuer: Box<str>,
    /// `sub`, or what stands in its place at that issuer.
    pub subject: Box<str>,
    /// Who that is here.
    pub mapping: Mapping,
}

/// Who an external identity is here (verification.md, External JWTs).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// The user with this address, or the one that it was pinned to before.
    User {
        /// The address, folded; it lies within the domains that the issuer may speak for.
        email: Box<str>,
        /// The publishers that it may act for; `None`: all of the user's.
        publishers: Option<Box<[PublisherId]>>,
    },
    /// A principal of its own, by a rule.
    Principal {
        /// Its name.
        name: Box<str>,
        /// What it may do.
        scopes: ScopeSet,
        /// The publisher that it acts for; none at platform level.
        publisher: Option<PublisherId>,
    },
}

impl ExternalIdentity {
    /// The id under which records name the identity: always the same for one subject of one issuer (a
    /// UUID of version 8, RFC 9562 §5.8).
    pub fn id(&self) -> CredentialId {
        let key = GrantKey::derived(4, &[self.issuer.as_bytes(), self.subject.as_bytes()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&key.0[..16]);
        CredentialId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// Everything that the answer depends on is in it: changed rules find no old answer.
    fn key(&self, publisher: &[u8]) -> GrantKey {
        let mut parts =
            vec![publisher.to_vec(), self.issuer.as_bytes().to_vec(), self.subject.as_bytes().to_vec()];
        match &self.mapping {
            Mapping::User { email, publishers } => {
                parts.push(email.as_bytes().to_vec());
                let all: Vec<_> = publishers.iter().flatten().flat_map(|id| id.0.into_bytes()).collect();
                parts.push([&[u8::from(publishers.is_some())], all.as_slice()].concat());
            }
            Mapping::Principal { name, scopes, publisher } => {
                parts.push(name.as_bytes().to_vec());
                parts.push(publisher.map_or_else(Vec::new, |id| id.0.into_bytes().to_vec()));
                parts.extend(scopes.iter().map(|scope| scope.as_str().as_bytes().to_vec()));
            }
        }
        let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
        GrantKey::derived(3, &parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn publisher(n: u8) -> PublisherId {
        PublisherId::generate(Timestamp::EPOCH, [n; 10])
    }

    fn external(subject: &str, email: &str) -> Wanted {
        let mapping = Mapping::User { email: email.into(), publishers: None };
        let identity = ExternalIdentity { issuer: "https://issuer".into(), subject: subject.into(), mapping };
        Wanted::External { identity: Arc::new(identity), publisher: None }
    }

    #[test]
    fn what_is_asked_differently_has_another_key() {
        let hash = TokenHash::of(b"t");
        let session = SessionId::generate(Timestamp::EPOCH, [1; 10]);
        let asked = [
            Wanted::token(hash),
            Wanted::Token { hash, publisher: Some(publisher(1)) },
            Wanted::Token { hash, publisher: Some(publisher(2)) },
            Wanted::Session { id: session, publisher: None },
            Wanted::Session { id: session, publisher: Some(publisher(1)) },
            Wanted::TokenAccess { id: CredentialId(session.0), publisher: None },
            Wanted::TokenAccess { id: CredentialId(session.0), publisher: Some(publisher(1)) },
            external("a", "bc"),
            external("ab", "c"),
            external("a", "bc").within(Some(publisher(1))),
        ];
        let keys: std::collections::HashSet<_> = asked.iter().map(Wanted::key).collect();
        assert_eq!(keys.len(), asked.len());
        assert_eq!(asked[0].key().as_bytes(), hash.as_bytes());
        assert_eq!(asked[1].within(None).key(), asked[0].key());
    }

    #[test]
    fn an_external_identity_is_known_by_issuer_and_subject_alone() {
        let id = |wanted: Wanted| match wanted {
            Wanted::External { identity, .. } => identity.id(),
            _ => unreachable!(),
        };
        assert_eq!(id(external("a", "x@a")), id(external("a", "y@a")));
        assert_ne!(id(external("a", "x@a")), id(external("b", "x@a")));
        assert_eq!(id(external("a", "x@a")).0.get_version_num(), 8);
    }
}
