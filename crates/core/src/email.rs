//! E-mail addresses: what is taken for one, what is shown of it, and which spellings are one account.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::name::is_hidden;

/// Most bytes of an address: a path of RFC 5321 §4.5.3.1.3 without its angle brackets.
pub const MAX_BYTES: usize = 254;
/// Most bytes before the `@` (RFC 5321 §4.5.3.1.1).
pub const MAX_LOCAL_BYTES: usize = 64;

/// An address that mail can be sent to: `local@domain`, with letters of any script in the local part
/// (RFC 6531) and a domain that DNS knows. Quoted local parts, comments and address literals are not taken:
/// nobody has them, and they would be a second spelling.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EmailAddress(String);

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Not `local@domain`.
    #[error("is not of the form name@domain")]
    Form,
    /// More than [`MAX_BYTES`], or than [`MAX_LOCAL_BYTES`] before the `@`.
    #[error("is longer than 254 bytes, or than 64 before the @")]
    TooLong,
    /// A character that has no place before the `@`.
    #[error("has characters that an address cannot have")]
    Characters,
    /// No domain by the rules of DNS and IDNA.
    #[error("has no valid domain")]
    Domain,
}

impl EmailAddress {
    /// Checks an address that a caller gave. Space around it goes, the local part becomes NFC, the domain
    /// its lower-case ASCII form (UTS #46).
    ///
    /// # Errors
    /// [`EmailError`] tells the first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        if text.len() > MAX_BYTES * 4 {
            return Err(EmailError::TooLong);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError::Form)?;
        let local: String = local.nfc().collect();
        check_local(&local)?;
        let domain = ascii_domain(domain)?;
        if local.len() > MAX_LOCAL_BYTES || local.len() + 1 + domain.len() > MAX_BYTES {
            return Err(EmailError::TooLong);
        }
        Ok(Self(format!("{local}@{domain}")))
    }

    /// Takes over what the store holds, which was checked when it was written.
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// What is shown, and what mail is sent to.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What comes before the `@`.
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or(self.0.as_str(), |(local, _)| local)
    }

    /// What comes after it, in ASCII.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The form under which an account is found: spellings that differ in case, width or composition are
    /// one account (NFKC, lower case). Mail never goes to this form, nor to the spelling that somebody
    /// asked with, but to the one that is stored: whoever registers a look-alike gets nobody else's mail.
    pub fn folded(&self) -> String {
        let folded: String = self.local().nfkc().collect::<String>().to_lowercase().nfkc().collect();
        format!("{folded}@{}", self.domain())
    }
}

/// RFC 5322 §3.2.3 `dot-atom`, with everything beyond ASCII that can be seen (RFC 6532 §3.2).
fn check_local(local: &str) -> Result<(), EmailError> {
    if local.is_empty() {
        return Err(EmailError::Form);
    }
    if local.split('.').any(str::is_empty) || !local.chars().all(is_atom) {
        return Err(EmailError::Characters);
    }
    Ok(())
}

fn is_atom(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
    } else {
        !c.is_whitespace() && !is_hidden(c)
    }
}

/// The lower-case ASCII form of a domain (UTS #46).
pub(crate) fn ascii_domain(domain: &str) -> Result<String, EmailError> {
    let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| EmailError::Domain)?;
    let last = ascii.rsplit('.').next().unwrap_or_default();
    // An empty last label is the root's dot; digits alone are the end of an address, not of a name.
    if last.is_empty() || last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(EmailError::Domain);
    }
    Ok(ascii)
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folded(text: &str) -> String {
        EmailAddress::parse(text).unwrap().folded()
    }

    #[test]
    fn spellings_of_one_address_are_one_account() {
        let one = folded("ärger.o'neil+x@example.com");
        for other in [
            " Ärger.O'Neil+X@EXAMPLE.com\n",
            "A\u{308}RGER.o'neil+x@example.com",
            "ärger.o'neil+x@ｅｘａｍｐｌｅ.com",
            "ä\u{FF52}ger.o'neil+x@example。com",
        ] {
            assert_eq!(folded(other), one, "{other:?}");
        }
        assert_ne!(folded("arger.o'neil+x@example.com"), one);
    }

    #[test]
    fn a_domain_is_kept_in_ascii_and_the_name_as_it_was_written() {
        let address = EmailAddress::parse("Jörg@Bücher.Example").unwrap();
        assert_eq!(address.as_str(), "Jörg@xn--bcher-kva.example");
        assert_eq!((address.local(), address.domain()), ("Jörg", "xn--bcher-kva.example"));
        assert_eq!(EmailAddress::parse("root@mailhost").unwrap().domain(), "mailhost");
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        use EmailError::{Characters, Domain, Form, TooLong};
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}com", "abcdefgh.".repeat(30));
        for (bad, why) in [
            ("", Form),
            ("example.com", Form),
            ("@example.com", Form),
            ("a@", Domain),
            ("a b@example.com", Characters),
            ("a@b@example.com", Characters),
            ("\"a b\"@example.com", Characters),
            ("a..b@example.com", Characters),
            (".a@example.com", Characters),
            ("a\r\nBcc: x@example.com", Characters),
            ("a\u{202e}b@example.com", Characters),
            ("a,b@example.com", Characters),
            ("<a@example.com>", Characters),
            ("a@exa mple.com", Domain),
            ("a@example.com\r\nBcc: b", Domain),
            ("a@-example.com", Domain),
            ("a@example..com", Domain),
            ("a@example.com.", Domain),
            ("a@[127.0.0.1]", Domain),
            ("a@127.0.0.1", Domain),
            (&long, TooLong),
            (&longer, Domain),
        ] {
            assert_eq!(EmailAddress::parse(bad), Err(why), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_and_folding_are_stable(text in "[ \\PC]{1,70}@[a-zA-Zäß。.-]{1,40}") {
            if let Ok(address) = EmailAddress::parse(&text) {
                prop_assert_eq!(EmailAddress::parse(address.as_str()), Ok(address.clone()));
                let folded = address.folded();
                prop_assert_eq!(EmailAddress::from_stored(folded.clone()).folded(), folded);
            }
        }

        #[test]
        fn case_space_and_composition_make_no_second_account(local in "[a-zäöéñ0-9+_-]{1,12}", domain in "[a-z]{1,9}\\.(de|com)") {
            let plain = format!("{local}@{domain}");
            let loud = format!("  {}\t", plain.to_uppercase());
            let apart: String = plain.nfd().collect();
            let one = folded(&plain);
            prop_assert_eq!(&folded(&loud), &one);
            prop_assert_eq!(&folded(&apart), &one);
        }

        #[test]
        fn nonsense_is_refused_or_kept_in_bounds(text in "\\PC{0,400}|.{0,80}@.{0,80}") {
            if let Ok(address) = EmailAddress::parse(&text) {
                prop_assert!(address.as_str().len() <= MAX_BYTES);
                prop_assert!(!address.as_str().chars().any(|c| c.is_control() || c == ' '));
                prop_assert!(address.domain().is_ascii());
            }
        }
    }
}
