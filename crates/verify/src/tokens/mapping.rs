//! Who an identity of another issuer is here: the rules of that issuer, applied to its claims.

use keywright_core::{EmailAddress, Mapping, PublisherId, ScopeSet};
use serde_json::Value;

use crate::jwt::Claims;

/// What the identities of an issuer are here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappingRules {
    /// The domains whose addresses the issuer may speak for, in ASCII. Empty: it speaks for no user.
    pub email_domains: Box<[Box<str>]>,
    /// The publishers that such users may act for; `None`: all of theirs.
    pub publishers: Option<Box<[PublisherId]>>,
    /// Looked at first, in their order.
    pub principals: Box<[PrincipalRule]>,
}

/// Whoever has a claim of this value is a principal of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalRule {
    /// The name of the claim.
    pub claim: Box<str>,
    /// Its value; of a claim that is a list, one of its members.
    pub value: Box<str>,
    /// The name of the principal.
    pub name: Box<str>,
    /// What it may do.
    pub scopes: ScopeSet,
    /// The publisher that it acts for; none at platform level.
    pub publisher: Option<PublisherId>,
}

impl PrincipalRule {
    fn applies(&self, claims: &Claims) -> bool {
        match claims.all.get(&*self.claim) {
            Some(Value::String(text)) => **text == *self.value,
            Some(Value::Array(members)) => members.iter().any(|member| member.as_str() == Some(&self.value)),
            _ => false,
        }
    }
}

/// An identity that rules have been applied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// `sub`, or of a principal without one the claim that made it one.
    pub subject: Box<str>,
    /// Who that is here.
    pub mapping: Mapping,
    /// The address, as the issuer writes it.
    pub email: Option<Box<str>>,
}

impl MappingRules {
    /// Who it is; `None` when nothing says so.
    pub fn map(&self, claims: &Claims) -> Option<Mapped> {
        let subject = claims.subject.clone().filter(|subject| !subject.is_empty());
        let email = claims.text("email").map(Into::into);
        if let Some(rule) = self.principals.iter().find(|rule| rule.applies(claims)) {
            let subject = subject.unwrap_or_else(|| format!("{}={}", rule.claim, rule.value).into());
            let (name, scopes, publisher) = (rule.name.clone(), rule.scopes.clone(), rule.publisher);
            return Some(Mapped { subject, mapping: Mapping::Principal { name, scopes, publisher }, email });
        }
        let address = EmailAddress::parse(claims.text("email")?).ok()?;
        let vouched = claims.all.get("email_verified").is_none_or(|verified| *verified == Value::Bool(true));
        let within = self.email_domains.iter().any(|domain| **domain == *address.domain());
        let mapping = Mapping::User { email: address.folded().into(), publishers: self.publishers.clone() };
        (vouched && within).then_some(Mapped { subject: subject?, mapping, email })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules() -> MappingRules {
        MappingRules {
            email_domains: ["example.com".into()].into(),
            publishers: None,
            principals: [PrincipalRule {
                claim: "common_name".into(),
                value: "abc.access".into(),
                name: "ingest".into(),
                scopes: ScopeSet::parse(["works:read"]).unwrap(),
                publisher: None,
            }]
            .into(),
        }
    }

    fn mapped(claims: &Value) -> Option<Mapped> {
        let mut claims = claims.clone();
        claims["exp"] = json!(1);
        rules().map(&Claims::parse(claims.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn an_address_counts_within_the_domains_of_the_issuer_and_where_it_was_verified() {
        let user = mapped(&json!({"sub": "1", "email": "Ada@EXAMPLE.com"})).unwrap();
        assert_eq!(user.mapping, Mapping::User { email: "ada@example.com".into(), publishers: None });
        assert_eq!(user.email.as_deref(), Some("Ada@EXAMPLE.com"));
        assert!(mapped(&json!({"sub": "1", "email": "ada@example.com", "email_verified": true})).is_some());
        for bad in [
            json!({"sub": "1", "email": "ada@example.com", "email_verified": false}),
            json!({"sub": "1", "email": "ada@example.com", "email_verified": "true"}),
            json!({"sub": "1", "email": "ada@example.com", "email_verified": null}),
            json!({"sub": "1", "email": "ada@sub.example.com"}),
            json!({"sub": "1", "email": "ada@example.com.evil.test"}),
            json!({"sub": "1", "email": "ada@evil.test@example.com"}),
            json!({"sub": "1", "email": ["ada@example.com"]}),
            json!({"sub": "", "email": "ada@example.com"}),
            json!({"email": "ada@example.com"}),
            json!({"sub": "1"}),
        ] {
            assert_eq!(mapped(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_rule_makes_a_principal_of_a_claim_that_has_exactly_its_value() {
        for good in
            [json!({"common_name": "abc.access", "sub": ""}), json!({"common_name": ["x", "abc.access"]})]
        {
            let principal = mapped(&good).unwrap();
            assert_eq!(&*principal.subject, "common_name=abc.access");
            assert!(matches!(principal.mapping, Mapping::Principal { ref name, .. } if **name == *"ingest"));
        }
        for bad in
            [json!({"common_name": "ABC.access"}), json!({"common_name": 7}), json!({"name": "abc.access"})]
        {
            assert_eq!(mapped(&bad), None, "{bad}");
        }
    }
}
