//! The order in which pages are stored, where several are under way at once.

use tokio::sync::oneshot;

use crate::error::StoreError;

/// Hands out turns, one after another.
#[derive(Debug, Default)]
pub struct Turns(Option<oneshot::Receiver<()>>);

impl Turns {
    /// The turn after the one that was handed out last.
    pub fn hand_out(&mut self) -> Turn {
        let (after, comes) = oneshot::channel();
        Turn { before: self.0.replace(comes).map_or(Before::Passed, Before::Open), after }
    }
}

/// A place in the order. Dropped without [`Turn::pass`], it lets nobody come who stands behind it.
#[derive(Debug)]
pub struct Turn {
    before: Before,
    after: oneshot::Sender<()>,
}

/// Whoever stands before a turn.
#[derive(Debug)]
enum Before {
    Open(oneshot::Receiver<()>),
    Passed,
    Gone,
}

impl Turn {
    /// Whether everybody before it has passed.
    pub fn has_come(&mut self) -> bool {
        if let Before::Open(before) = &mut self.before {
            match before.try_recv() {
                Ok(()) => self.before = Before::Passed,
                Err(oneshot::error::TryRecvError::Closed) => self.before = Before::Gone,
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
        }
        matches!(self.before, Before::Passed)
    }

    /// Waits until everybody before it has passed.
    ///
    /// # Errors
    /// [`StoreError::Other`] when one of them never will.
    pub async fn comes(&mut self) -> Result<(), StoreError> {
        if let Before::Open(before) = &mut self.before {
            self.before = before.await.map_or(Before::Gone, |()| Before::Passed);
        }
        match self.before {
            Before::Passed => Ok(()),
            Before::Gone | Before::Open(_) => {
                Err(StoreError::Other("what comes before it was not stored".to_owned()))
            }
        }
    }

    /// Lets the next one come.
    pub fn pass(self) {
        // Nobody may be there any more who waits.
        let _ = self.after.send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_comes_when_those_before_it_have_passed() {
        let mut turns = Turns::default();
        let (mut first, mut second, mut third) = (turns.hand_out(), turns.hand_out(), turns.hand_out());
        assert!(first.has_come() && first.comes().await.is_ok());
        assert!(!second.has_come() && !third.has_come());
        first.pass();
        assert!(second.comes().await.is_ok() && second.has_come());
        assert!(second.comes().await.is_ok(), "once it has come it stays so");
        assert!(!third.has_come());
        second.pass();
        assert!(third.has_come());
    }

    #[tokio::test]
    async fn behind_one_that_went_away_nobody_comes() {
        let mut turns = Turns::default();
        let (first, mut second, mut third) = (turns.hand_out(), turns.hand_out(), turns.hand_out());
        drop(first);
        assert!(!second.has_come());
        assert!(second.comes().await.is_err() && second.comes().await.is_err());
        drop(second);
        assert!(third.comes().await.is_err());
    }
}
