//! What was measured, as a page of Markdown.

use std::fmt::Write as _;

use crate::stats::Samples;

/// A load average from which on the machine was not ours alone.
const BUSY: f64 = 0.6;

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    PerSecond,
    Micros,
    Millis,
    Seconds,
    Mebibytes,
    Count,
    Times,
}

/// What `quality.md` of the design asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// Floor and goal, and more is better.
    AtLeast(f64, f64),
    /// Floor and goal, and less is better.
    AtMost(f64, f64),
    /// Nothing is asked for.
    None,
}

/// One thing measured.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    what: String,
    unit: Unit,
    bare: Option<Samples>,
    keywright: Samples,
    ratio: Option<Samples>,
    bound: Bound,
}

impl Row {
    /// A figure that stands for itself; the bound is about it.
    pub(crate) fn absolute(
        what: impl Into<String>,
        unit: Unit,
        keywright: impl Into<Samples>,
        bound: Bound,
    ) -> Self {
        Self { what: what.into(), unit, bare: None, keywright: keywright.into(), ratio: None, bound }
    }

    /// A figure beside that of the bare handler, round by round; the bound is about their ratio.
    pub(crate) fn beside(what: impl Into<String>, unit: Unit, rounds: &[(f64, f64)], bound: Bound) -> Self {
        Self {
            what: what.into(),
            unit,
            bare: Some(rounds.iter().map(|(bare, _)| *bare).collect()),
            keywright: rounds.iter().map(|(_, keywright)| *keywright).collect(),
            ratio: Some(rounds.iter().map(|(bare, keywright)| keywright / bare).collect()),
            bound,
        }
    }

    fn bound_unit(&self) -> Unit {
        if self.ratio.is_some() { Unit::Times } else { self.unit }
    }

    fn verdict(&self) -> &'static str {
        let value = self.ratio.as_ref().unwrap_or(&self.keywright).median();
        let (floor, goal) = match self.bound {
            Bound::AtLeast(floor, goal) => (value >= floor, value >= goal),
            Bound::AtMost(floor, goal) => (value <= floor, value <= goal),
            Bound::None => return "",
        };
        match (floor, goal) {
            (_, true) => "goal met",
            (true, false) => "floor met",
            (false, false) => "**missed**",
        }
    }

    fn cells(&self) -> [String; 7] {
        let samples = |samples: &Samples, unit| match samples.spread() {
            None => number(samples.median(), unit),
            Some((least, most)) => {
                format!(
                    "{} ({} … {})",
                    number(samples.median(), unit),
                    number(least, unit),
                    number(most, unit)
                )
            }
        };
        let optional =
            |value: &Option<Samples>, unit| value.as_ref().map_or_else(String::new, |s| samples(s, unit));
        let (floor, goal) = match self.bound {
            Bound::AtLeast(floor, goal) => (
                format!("≥ {}", number(floor, self.bound_unit())),
                format!("≥ {}", number(goal, self.bound_unit())),
            ),
            Bound::AtMost(floor, goal) => (
                format!("≤ {}", number(floor, self.bound_unit())),
                format!("≤ {}", number(goal, self.bound_unit())),
            ),
            Bound::None => Default::default(),
        };
        [
            self.what.clone(),
            optional(&self.bare, self.unit),
            samples(&self.keywright, self.unit),
            optional(&self.ratio, Unit::Times),
            floor,
            goal,
            self.verdict().to_owned(),
        ]
    }
}

/// What one section of the benchmark found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    title: String,
    how: String,
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Section {
    /// A section; `how` says what was done.
    pub(crate) fn new(title: &str, how: impl Into<String>) -> Self {
        eprintln!("\n## {title}");
        Self { title: title.to_owned(), how: how.into(), ..Self::default() }
    }

    /// Adds a row, and shows it.
    pub(crate) fn row(&mut self, row: Row) {
        let [what, bare, keywright, ratio, _, _, verdict] = row.cells();
        let side = |name, text: String| if text.is_empty() { text } else { format!("  {name} {text}") };
        eprintln!("{what}: {keywright}{}{}  {verdict}", side("bare", bare), side("ratio", ratio));
        self.rows.push(row);
    }

    /// Adds a remark, and shows it.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        eprintln!("- {note}");
        self.notes.push(note);
    }

    /// As Markdown.
    pub(crate) fn to_markdown(&self) -> String {
        let mut text = format!("## {}\n\n{}\n\n", self.title, self.how);
        let beside = self.rows.iter().any(|row| row.bare.is_some());
        let columns: &[usize] = if beside { &[0, 1, 2, 3, 4, 5, 6] } else { &[0, 2, 4, 5, 6] };
        let heads = ["what", "bare axum", "Keywright", "ratio", "floor", "goal", ""];
        let line = |cells: &dyn Fn(usize) -> String| {
            columns.iter().fold(String::from("|"), |line, column| format!("{line} {} |", cells(*column)))
                + "\n"
        };
        if !self.rows.is_empty() {
            text.push_str(&line(&|column| heads[column].to_owned()));
            text.push_str(&line(&|column| if matches!(column, 0 | 6) { "---" } else { "---:" }.to_owned()));
        }
        for row in &self.rows {
            let cells = row.cells();
            text.push_str(&line(&|column| cells[column].clone()));
        }
        text.push('\n');
        for note in &self.notes {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "- {note}");
        }
        if !self.notes.is_empty() {
            text.push('\n');
        }
        text
    }
}

/// The whole page.
pub(crate) fn page(machine: &str, busy: f64, quick: bool, sections: &[String]) -> String {
    let mut text = String::from(
        "# Speed\n\nWritten by `bench/run`; what is measured, how, and what the numbers do not say is in \
         [README.md](README.md).\nEach figure is a median, with the least and the greatest in brackets; ratios are \
         taken round by round.\n\n",
    );
    if quick {
        text.push_str("**A quick run: short, with few rounds. Not to be quoted.**\n\n");
    }
    if busy > BUSY {
        text.push_str(
            "**Other programs were at work on this machine: the figures are too low, the ratios rough.**\n\n",
        );
    }
    text.push_str(machine);
    for section in sections {
        text.push('\n');
        text.push_str(section.trim_end());
        text.push('\n');
    }
    text
}

/// A number with its unit.
pub(crate) fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond => format!("{}/s", grouped(value)),
        Unit::Micros => format!("{value:.1} µs"),
        Unit::Millis => format!("{value:.1} ms"),
        Unit::Seconds => format!("{value:.1} s"),
        Unit::Mebibytes => format!("{value:.1} MiB"),
        Unit::Count => grouped(value),
        Unit::Times => format!("{value:.2}"),
    }
}

/// A whole number with its thousands set apart.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) && text != "-" {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (value, text) in
            [(0.0, "0"), (999.0, "999"), (1_000.0, "1,000"), (1_234_567.4, "1,234,567"), (-1_000.0, "-1,000")]
        {
            assert_eq!(grouped(value), text);
        }
    }

    #[test]
    fn a_bound_is_held_against_the_ratio_where_there_is_one() {
        let rounds = [(100.0, 85.0), (100.0, 90.0), (100.0, 70.0)];
        let row = |bound| Row::beside("x", Unit::PerSecond, &rounds, bound);
        assert_eq!(row(Bound::AtLeast(0.8, 0.95)).verdict(), "floor met");
        assert_eq!(row(Bound::AtLeast(0.8, 0.85)).verdict(), "goal met");
        assert_eq!(row(Bound::AtLeast(0.86, 0.95)).verdict(), "**missed**");
        assert_eq!(row(Bound::AtMost(0.9, 0.8)).verdict(), "floor met");
        let absolute = Row::absolute("y", Unit::Millis, 300.0, Bound::AtMost(250.0, 100.0));
        assert_eq!(absolute.verdict(), "**missed**");
    }
}
