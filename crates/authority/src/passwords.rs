//! Passwords: how they are kept, how they are compared, and which are refused.
//!
//! Argon2id takes 19 MiB and some 20 ms of a core for each. A bounded pool does it, so that a storm of
//! logins takes no core from verifications: a few at once, some more in a queue, the rest is turned away.

use std::sync::Arc;

use argon2::password_hash::phc;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use keywright_core::{PasswordHash, PlainPassword};
use tokio::sync::Semaphore;
use zxcvbn::{Score, zxcvbn};

use crate::entropy;
use crate::fault::Fault;

/// OWASP's smallest memory for Argon2id: KiB, passes, lanes.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// How many may wait for their turn, with some 20 ms for each before them.
const MAX_WAITING: usize = 128;

/// Hashes and compares passwords, a few at once.
#[derive(Clone, Debug)]
pub struct Passwords {
    running: Arc<Semaphore>,
    /// Those that run and those that wait.
    admitted: Arc<Semaphore>,
}

impl Passwords {
    /// A pool that takes at most half of so many cores, and at least one.
    pub fn new(cores: usize) -> Self {
        let running = (cores / 2).max(1);
        Self {
            running: Arc::new(Semaphore::new(running)),
            admitted: Arc::new(Semaphore::new(running + MAX_WAITING)),
        }
    }

    /// A password as it is kept.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] when too many wait already.
    pub async fn hash(&self, password: PlainPassword) -> Result<PasswordHash, Fault> {
        self.run(move || {
            let hash: phc::PasswordHash = argon2()
                .hash_password_with_salt(password.reveal().as_bytes(), &entropy::salt())
                .map_err(|error| Fault::Internal(format!("argon2: {error}")))?;
            Ok(PasswordHash::from_phc(hash.to_string()))
        })
        .await?
    }

    /// Whether a password is the one that was kept. Without one, for an account that is not there or has
    /// no password yet, it takes as long and is false.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] when too many wait already; [`Fault::Internal`] when what was kept is no
    /// such hash.
    pub async fn verify(&self, password: PlainPassword, kept: Option<&PasswordHash>) -> Result<bool, Fault> {
        let known = kept.is_some();
        let text = kept.map_or_else(dummy, |hash| hash.as_phc().to_owned());
        self.run(move || {
            let kept = phc::PasswordHash::new(&text)
                .map_err(|error| Fault::Internal(format!("a stored password hash: {error}")))?;
            let equal = argon2().verify_password(password.reveal().as_bytes(), &kept).is_ok();
            Ok(known && equal)
        })
        .await?
    }

    /// Judges a password that somebody wants to set: `context` is what an attacker would try first, such
    /// as the person's address and names.
    ///
    /// # Errors
    /// [`Fault::Invalid`] that names `field` and says what to do; [`Fault::Unavailable`] when too many
    /// wait already.
    pub async fn judge(
        &self,
        field: &'static str,
        text: &str,
        context: Vec<String>,
    ) -> Result<PlainPassword, Fault> {
        let password =
            PlainPassword::parse(text).map_err(|error| Fault::field(field, format!("{error}.")))?;
        self.run(move || match weakness(password.reveal(), &context) {
            None => Ok(password),
            Some(detail) => Err(Fault::field(field, detail)),
        })
        .await?
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
        let busy = || Fault::Unavailable("too many passwords are being checked at once".to_owned());
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| busy())?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| busy())?;
        // The permits go along: who hangs up gives its place free only when the work is done.
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop((running, admitted));
            done
        })
        .await
        .map_err(|error| Fault::Internal(error.to_string()))
    }
}

/// Whether a hash was made with weaker parameters than those of today.
pub fn needs_rehash(kept: &PasswordHash) -> bool {
    let Ok(hash) = phc::PasswordHash::new(kept.as_phc()) else { return true };
    let Ok(params) = Params::try_from(&hash) else { return true };
    hash.algorithm.as_str() != "argon2id"
        || params.m_cost() < MEMORY_KIB
        || params.t_cost() < PASSES
        || params.output_len().is_none_or(|length| length < Params::DEFAULT_OUTPUT_LEN)
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("these are within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// A hash of today's parameters that belongs to nobody.
fn dummy() -> String {
    let (salt, hash) = ("A".repeat(22), "A".repeat(43));
    format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${hash}")
}

/// The words of an address or a name that a guesser would try.
pub fn context_words<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut words = vec!["keywright".to_owned()];
    for text in texts {
        words.push(text.to_lowercase());
        words.extend(text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase));
    }
    words.retain(|word| word.chars().count() >= 3);
    words
}

/// NIST SP 800-63B-4 §3.1.1.2: what is common, expected or derived from the context is refused; no rule
/// says which kinds of characters there must be.
fn weakness(password: &str, context: &[String]) -> Option<String> {
    if is_mostly_context(password, context) {
        let detail = "is mostly your own name or address, or the name of what you log in to";
        return Some(format!("{detail}. Take several words that have nothing to do with you."));
    }
    let words: Vec<&str> = context.iter().map(String::as_str).collect();
    let estimate = zxcvbn(password, &words);
    if estimate.score() >= Score::Three {
        return None;
    }
    let mut detail = "is among what is guessed first".to_owned();
    if let Some(feedback) = estimate.feedback() {
        if let Some(warning) = feedback.warning() {
            detail.push_str(": ");
            detail.push_str(warning.to_string().trim_end_matches('.'));
        }
        for suggestion in feedback.suggestions() {
            detail.push_str(". ");
            detail.push_str(suggestion.to_string().trim_end_matches('.'));
        }
    }
    Some(format!("{detail}. Four or more words that do not belong together are hard to guess."))
}

/// Fewest letters and digits that there must be beside the words of the context.
const OF_ONES_OWN: usize = 8;

/// An estimate takes several known words for hard to guess, also when all of them are known to be this
/// person's: those count for nothing.
fn is_mostly_context(password: &str, context: &[String]) -> bool {
    let mut words: Vec<&str> = context.iter().map(String::as_str).filter(|word| word.len() > 3).collect();
    words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
    let left = words.iter().fold(password.to_lowercase(), |left, word| left.replace(word, ""));
    left.chars().filter(|c| c.is_alphanumeric()).count() < OF_ONES_OWN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> PlainPassword {
        PlainPassword::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_password_is_told_from_every_other_and_nobody_has_the_dummy() {
        let passwords = Passwords::new(2);
        let kept = passwords.hash(plain("correct horse battery")).await.unwrap();
        assert!(kept.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(passwords.verify(plain("correct horse battery"), Some(&kept)).await.unwrap());
        assert!(!passwords.verify(plain("correct horse batterz"), Some(&kept)).await.unwrap());
        assert!(!passwords.verify(plain("correct horse battery"), None).await.unwrap());
        let broken = PasswordHash::from_phc("$argon2id$nonsense".to_owned());
        assert!(passwords.verify(plain("correct horse battery"), Some(&broken)).await.is_err());
        assert_ne!(kept, passwords.hash(plain("correct horse battery")).await.unwrap());
    }

    #[test]
    fn the_dummy_costs_what_a_hash_of_today_costs() {
        let dummy = PasswordHash::from_phc(dummy());
        assert!(!needs_rehash(&dummy));
        let parsed = phc::PasswordHash::new(dummy.as_phc()).unwrap();
        let params = Params::try_from(&parsed).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (MEMORY_KIB, PASSES, LANES));
        for weaker in [
            dummy.as_phc().replace("m=19456", "m=4096"),
            dummy.as_phc().replace("t=2", "t=1"),
            dummy.as_phc().replace("argon2id", "argon2i"),
            "md5".to_owned(),
        ] {
            assert!(needs_rehash(&PasswordHash::from_phc(weaker.clone())), "{weaker}");
        }
    }

    #[tokio::test]
    async fn what_is_guessed_first_is_refused_in_words() {
        let passwords = Passwords::new(2);
        let context = || context_words(["ada.lovelace@example.com", "Ada Lovelace", "Songtrust Catalogue"]);
        for bad in [
            "tiny",
            "passwordpassword",
            "password123456789",
            "aaaaaaaaaaaaaaaaaaaa",
            "qwertyuiopasdfghjkl",
            "keywrightkeywright",
            "adalovelaceadalovelace",
            "songtrustcatalogue",
            "ada.lovelace2026",
            "Keywright Songtrust 1!",
            "1234567890123456789",
        ] {
            let refused = passwords.judge("new_password", bad, context()).await;
            let Err(Fault::Invalid(faults)) = refused else { panic!("{bad}: {refused:?}") };
            assert_eq!(faults[0].field, "new_password");
            assert!(!faults[0].detail.contains(bad), "{}", faults[0].detail);
        }
        for good in ["correct horse battery staple", "Ärger über 17 grüne Äpfel", "kxv8 wqpz mmt3 lfd9"] {
            let judged = passwords.judge("password", good, context()).await;
            assert!(judged.is_ok(), "{good}: {judged:?}");
        }
    }

    #[tokio::test]
    async fn who_comes_when_the_queue_is_full_is_turned_away() {
        let passwords = Passwords::new(1);
        let all = u32::try_from(1 + MAX_WAITING).unwrap();
        let places = passwords.admitted.try_acquire_many(all).unwrap();
        let refused = passwords.verify(plain("correct horse battery"), None).await;
        assert!(matches!(refused, Err(Fault::Unavailable(_))), "{refused:?}");
        drop(places);
        assert!(!passwords.verify(plain("correct horse battery"), None).await.unwrap());
    }
}
