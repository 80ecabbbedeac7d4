//! A decision that is there, or will be.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Undecided, Verdict};

/// A decision, or why there is none.
type Decided = Result<Verdict, Undecided>;

/// What a decision is awaited by. One that is there already costs nothing more than itself.
pub struct Deciding<'a>(State<'a>);

enum State<'a> {
    Made(Ready<Decided>),
    Awaited(Pin<Box<dyn Future<Output = Decided> + Send + 'a>>),
}

impl<'a> Deciding<'a> {
    /// A decision that was made without waiting for anything.
    pub fn made(decided: Decided) -> Self {
        Self(State::Made(ready(decided)))
    }

    /// A decision that this will make.
    pub fn awaited(deciding: impl Future<Output = Decided> + Send + 'a) -> Self {
        Self(State::Awaited(Box::pin(deciding)))
    }
}

impl fmt::Debug for Deciding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Made(_) => "Deciding(made)",
            State::Awaited(_) => "Deciding(awaited)",
        })
    }
}

impl Future for Deciding<'_> {
    type Output = Decided;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Decided> {
        match &mut self.0 {
            State::Made(made) => Pin::new(made).poll(context),
            State::Awaited(deciding) => deciding.as_mut().poll(context),
        }
    }
}
