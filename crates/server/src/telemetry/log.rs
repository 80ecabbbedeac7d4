//! The log: one line for each thing that happened, whatever stands in it.

use std::fmt::Write as _;
use std::io::{self, Write};

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::trace;
use crate::config::{Log, LogFormat};

/// What writes the log, as configured. On a terminal the text format has colours.
pub fn layer<S, W>(log: &Log, terminal: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The spans of traces are for the receiver of traces.
    let filter = format!("{},sqlx=warn,hyper=warn,{}=off", log.level.name(), trace::TARGET);
    let filter = EnvFilter::new(filter);
    let lines = match log.format {
        LogFormat::Json => Lines { writer, style: Style::Json },
        LogFormat::Text if terminal => Lines { writer, style: Style::Colours },
        LogFormat::Text => Lines { writer, style: Style::Plain },
    };
    match log.format {
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(lines)
            .with_filter(filter)
            .boxed(),
        LogFormat::Text => fmt::layer().with_ansi(terminal).with_writer(lines).with_filter(filter).boxed(),
    }
}

/// Sees to it that an event is one line: the formatter writes each with one call, and what was sent from
/// outside may hold line breaks, or sequences that a terminal obeys. JSON escapes some of them, not all.
struct Lines<W> {
    writer: W,
    style: Style,
}

struct Line<W> {
    writer: W,
    style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Json,
    Plain,
    /// The formatter itself writes escape sequences.
    Colours,
}

impl Style {
    /// Line and paragraph separators are the end of a line to some readers of logs.
    fn is_harmless(self, c: char) -> bool {
        !matches!(c, '\u{2028}' | '\u{2029}') && (!c.is_control() || (c == '\x1b' && self == Self::Colours))
    }

    /// In JSON these stand within its strings only, so that it stays the same document.
    fn escape(self, c: char, into: &mut String) {
        if self == Self::Json {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(into, "\\u{unit:04x}");
            }
        } else {
            into.extend(c.escape_default());
        }
    }
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Lines<W> {
    type Writer = Line<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { writer: self.writer.make_writer(), style: self.style }
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Self::Writer {
        Line { writer: self.writer.make_writer_for(meta), style: self.style }
    }
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        if line.chars().all(|c| self.style.is_harmless(c)) {
            self.writer.write_all(bytes)?;
        } else {
            let mut escaped = String::with_capacity(text.len() + 16);
            for c in line.chars() {
                if self.style.is_harmless(c) {
                    escaped.push(c);
                } else {
                    self.style.escape(c, &mut escaped);
                }
            }
            escaped.push('\n');
            self.writer.write_all(escaped.as_bytes())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogLevel;
    use parking_lot::Mutex;
    use proptest::prelude::*;
    use std::sync::Arc;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of one event about a path and a user agent.
    fn written(format: LogFormat, terminal: bool, path: &str, agent: &str) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let log = Log { format, level: LogLevel::Info };
        let subscriber = tracing_subscriber::registry().with(layer(&log, terminal, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", agent, shown = %agent);
            span.in_scope(|| {
                tracing::info!(path, agent = %agent, error = ?path, status = 200, "answered {agent}");
            });
        });
        let bytes = kept.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_break_from_outside_begins_no_line() {
        let forged = "x\n2026-01-01T00:00:00Z ERROR forged\r\n\u{1b}[31m\u{2028}y\u{85}";
        for format in [LogFormat::Text, LogFormat::Json] {
            let written = written(format, false, forged, forged);
            assert_eq!(written.lines().count(), 1, "{written:?}");
            assert!(written.ends_with('\n') && written.contains("forged"), "{written:?}");
            assert!(!written.contains(['\r', '\u{1b}', '\u{2028}', '\u{85}']), "{written:?}");
        }
    }

    #[test]
    fn json_has_what_was_told_as_it_was() {
        let forged = "a\"b\\c\n{\"level\":\"ERROR\"}";
        let line: serde_json::Value =
            serde_json::from_str(&written(LogFormat::Json, false, forged, "agent/1")).unwrap();
        assert_eq!((&line["path"], &line["status"]), (&forged.into(), &200.into()));
        assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"answered agent/1".into()));
    }

    #[test]
    fn the_spans_of_traces_are_not_logged() {
        let kept = Kept::default();
        let writer = kept.clone();
        let log = Log { format: LogFormat::Text, level: LogLevel::Trace };
        let subscriber = tracing_subscriber::registry().with(layer(&log, false, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::trace_span!(target: trace::TARGET, "store", otel.name = "hidden");
            span.in_scope(|| tracing::info!("seen"));
        });
        let written = String::from_utf8(kept.0.lock().clone()).unwrap();
        assert!(written.contains("seen") && !written.contains("hidden"), "{written}");
    }

    /// Texts in which what is dangerous is not rare.
    fn texts() -> impl Strategy<Value = String> {
        let dangerous =
            ['\n', '\r', '\u{0}', '\u{1b}', '\u{7f}', '\u{85}', '\u{9b}', '\u{2028}', '\u{2029}', '"', '\\'];
        let character = prop_oneof![any::<char>(), proptest::sample::select(dangerous.to_vec())];
        proptest::collection::vec(character, 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_is_one_line(path in texts(), agent in texts(), terminal: bool) {
            for format in [LogFormat::Text, LogFormat::Json] {
                let written = written(format, terminal, &path, &agent);
                let line = written.strip_suffix('\n').unwrap();
                let breaks = |c| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
                prop_assert!(!line.contains(breaks), "{line:?}");
                if format == LogFormat::Json {
                    let read: serde_json::Value = serde_json::from_str(line).unwrap();
                    prop_assert_eq!(&read["path"], &serde_json::Value::from(path.as_str()));
                    prop_assert_eq!(&read["level"], "INFO");
                }
                if format == LogFormat::Json || !terminal {
                    prop_assert!(!line.chars().any(char::is_control), "{line:?}");
                }
            }
        }
    }
}
