//! What a command prints: results on standard output, everything else on standard error.

pub(crate) mod chart;
pub(crate) mod details;
pub(crate) mod moment;
pub(crate) mod problem;
pub(crate) mod progress;
pub(crate) mod table;
pub(crate) mod text;

use std::cell::RefCell;
use std::io::{self, IsTerminal as _, Write};

use keywright_core::Timestamp;
use serde::Serialize;

use super::failure::Outcome;
use super::globals::Globals;
use super::transport::Answer;
use table::Table;

/// How results look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Whether lines are fitted to a terminal's width.
    pub(crate) terminal: bool,
    /// Whether colours are used.
    pub(crate) colour: bool,
}

/// Where and how a command prints.
pub(crate) struct Output {
    /// Print the API's own words.
    pub(crate) json: bool,
    /// Print the bare result, and no notes.
    pub(crate) quiet: bool,
    /// How results look.
    pub(crate) look: Look,
    /// The moment against which times are told.
    pub(crate) now: Timestamp,
    results: RefCell<Box<dyn Write>>,
    notes: RefCell<Box<dyn Write>>,
}

impl Output {
    /// As the options, the terminal and `NO_COLOR` ask.
    pub(crate) fn new(globals: &Globals) -> Self {
        let terminal = io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            json: globals.json,
            quiet: globals.quiet,
            look: Look { terminal, colour: terminal && !unwanted },
            now: keywright_verify::clock::wall_clock(),
            results: RefCell::new(Box::new(io::stdout())),
            notes: RefCell::new(Box::new(io::stderr())),
        }
    }

    /// Prints a line of the result.
    pub(crate) fn line(&self, line: &str) -> Outcome {
        self.bytes(line.as_bytes())
    }

    /// Prints a table of the result.
    pub(crate) fn table(&self, table: &Table) -> Outcome {
        self.line(&table.render(self.look))
    }

    /// Prints what the API answered: laid out on a terminal, else byte for byte.
    pub(crate) fn answer(&self, answer: &Answer) -> Outcome {
        if answer.body.is_empty() {
            Ok(())
        } else if self.look.terminal {
            self.value(&answer.json)
        } else {
            self.bytes(answer.body.trim_ascii_end())
        }
    }

    /// Prints a result of our own as JSON.
    pub(crate) fn value(&self, value: &impl Serialize) -> Outcome {
        let json = if self.look.terminal {
            serde_json::to_string_pretty(value)
        } else {
            serde_json::to_string(value)
        };
        self.line(&text::escape_json(&json.map_err(io::Error::other)?))
    }

    /// Prints an object on a line of its own, whoever reads it.
    pub(crate) fn json_line(&self, value: &impl Serialize) -> Outcome {
        self.line(&text::escape_json(&serde_json::to_string(value).map_err(io::Error::other)?))
    }

    /// Passes bytes on as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) -> io::Result<()> {
        let mut results = self.results.borrow_mut();
        results.write_all(bytes).and_then(|()| results.flush())
    }

    /// Prints bytes and one newline. A reader that left (`keywright … | head`) has what it wanted.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Outcome {
        let mut results = self.results.borrow_mut();
        match results.write_all(bytes).and_then(|()| results.write_all(b"\n")).and_then(|()| results.flush())
        {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// Tells the person at the terminal something that is no part of the result.
    pub(crate) fn note(&self, note: &str) {
        if !self.quiet {
            self.tell(note);
        }
    }

    /// Tells the person at the terminal something that must not be missed. When standard error is
    /// gone there is nobody to tell.
    pub(crate) fn tell(&self, line: &str) {
        let _ = writeln!(self.notes.borrow_mut(), "{line}");
    }
}

/// Output that a test can read: results and notes.
#[cfg(test)]
pub(crate) mod captured {
    use super::{Look, Output};
    use std::cell::RefCell;
    use std::io::{self, Write};
    use std::rc::Rc;

    #[derive(Clone, Default)]
    pub(crate) struct Sink(Rc<RefCell<Vec<u8>>>);

    impl Sink {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).unwrap()
        }
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Output into sinks, as into pipes, on 2026-11-21 at noon.
    pub(crate) fn output() -> (Output, Sink, Sink) {
        let (results, notes) = (Sink::default(), Sink::default());
        let output = Output {
            json: false,
            quiet: false,
            look: Look { terminal: false, colour: false },
            now: "2026-11-21T12:00:00Z".parse().unwrap(),
            results: RefCell::new(Box::new(results.clone())),
            notes: RefCell::new(Box::new(notes.clone())),
        };
        (output, results, notes)
    }
}
