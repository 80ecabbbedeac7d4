//! Which of our credentials the names of another system belong to.

use std::collections::{BTreeSet, HashMap};

use keywright_core::CredentialId;

/// Names that are remembered with their tokens: of the last pages so many, and of those before them as many.
const MAX_NAMES: usize = 150_000;

/// Which of our credentials names belong to. Those that come again and again stay.
#[derive(Default)]
pub(super) struct Names {
    recent: HashMap<String, Option<CredentialId>>,
    before: HashMap<String, Option<CredentialId>>,
}

impl Names {
    /// Those that nothing is known of. All others stay until this is called again.
    pub(super) fn unknown<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
        if self.recent.len() > MAX_NAMES {
            self.before = std::mem::take(&mut self.recent);
        }
        names.filter(|name| !self.keeps(name)).collect()
    }

    /// Whose it is; nobody's, where there is none.
    pub(super) fn learn(&mut self, name: String, credential: Option<CredentialId>) {
        self.recent.insert(name, credential);
    }

    fn keeps(&mut self, name: &str) -> bool {
        if let Some((name, credential)) = self.before.remove_entry(name) {
            self.recent.insert(name, credential);
        }
        self.recent.contains_key(name)
    }

    pub(super) fn credential(&self, name: &str) -> Option<CredentialId> {
        self.recent.get(name).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn names_that_come_again_stay_known_and_the_others_are_forgotten() {
        let text = |n: usize| format!("token {n}");
        let credential = |n: usize| Some(CredentialId(Uuid::from_u128(n as u128)));
        let mut names = Names::default();
        // Pages of a hundred, in each of them the same one.
        for page in 0..3 * MAX_NAMES / 99 {
            let wanted: Vec<String> = (0..99).map(|n| text(1 + page * 99 + n)).chain([text(0)]).collect();
            let unknown = names.unknown(wanted.iter().map(String::as_str));
            assert_eq!(unknown.contains("token 0"), page == 0);
            for (n, name) in (1 + page * 99..).zip(&wanted[..99]) {
                assert!(unknown.contains(name.as_str()));
                names.learn(name.clone(), credential(n));
            }
            names.learn(text(0), credential(7));
            assert_eq!(names.credential("token 0"), credential(7));
            assert!(names.recent.len() + names.before.len() <= 2 * MAX_NAMES + 200);
        }
        assert_eq!(names.unknown([text(1).as_str()].into_iter()).len(), 1);
    }
}
