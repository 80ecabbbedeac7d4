//! Tables: columns without lines, as other tools' output, so that `awk` and people can read them.

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table as Grid, presets};

use super::{Look, text};

/// Stands where there is nothing.
pub(crate) const NOTHING: &str = "–";

/// What a value says about the state of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Neither good nor bad.
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// Out of order.
    Bad,
    /// Past.
    Faint,
}

/// One value, already safe to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    text: String,
    tone: Tone,
}

impl Value {
    /// A value with a meaning.
    pub(crate) fn toned(text: &str, tone: Tone) -> Self {
        Self { text: text::escape(text), tone }
    }

    fn cell(&self) -> Cell {
        let cell = Cell::new(&self.text);
        match self.tone {
            Tone::Plain => cell,
            Tone::Good => cell.fg(Color::Green),
            Tone::Warning => cell.fg(Color::Yellow),
            Tone::Bad => cell.fg(Color::Red),
            Tone::Faint => cell.add_attribute(Attribute::Dim),
        }
    }
}

impl<T: AsRef<str>> From<T> for Value {
    fn from(text: T) -> Self {
        Self::toned(text.as_ref(), Tone::Plain)
    }
}

/// Rows under a heading, or pairs without one.
#[derive(Debug, Default)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    /// With these headings.
    pub(crate) fn with_header(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, row: Vec<Value>) {
        self.rows.push(row);
    }

    /// Adds a name and its value.
    pub(crate) fn pair(&mut self, name: impl Into<Value>, value: impl Into<Value>) {
        self.row(vec![name.into(), value.into()]);
    }

    /// The lines, fitted to the terminal where there is one.
    pub(crate) fn render(&self, look: Look) -> String {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING);
        if look.terminal {
            grid.set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            grid.force_no_tty().set_content_arrangement(ContentArrangement::Disabled);
        }
        if !self.header.is_empty() {
            grid.set_header(self.header.iter().map(Cell::new).collect::<Vec<_>>());
        }
        for row in &self.rows {
            let cells =
                row.iter().map(|value| if look.colour { value.cell() } else { Cell::new(&value.text) });
            grid.add_row(cells.collect::<Vec<_>>());
        }
        for column in grid.column_iter_mut() {
            column.set_padding((0, 2));
        }
        grid.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Look = Look { terminal: false, colour: false };

    #[test]
    fn columns_line_up_and_lines_have_no_trailing_space() {
        let mut table = Table::with_header(&["NAME", "USES"]);
        table.row(vec!["ci".into(), "12".into()]);
        table.row(vec!["release-pipeline".into(), "3".into()]);
        assert_eq!(table.render(PIPE), "NAME              USES\nci                12\nrelease-pipeline  3");
    }

    #[test]
    fn a_pipe_gets_whole_lines_without_colour() {
        let mut table = Table::default();
        table.pair("name", Value::toned(&"x".repeat(500), Tone::Bad));
        let text = table.render(PIPE);
        assert_eq!(text.lines().count(), 1);
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn a_name_cannot_add_lines_or_colour() {
        let mut table = Table::default();
        table.pair("name", "a\u{1b}[31m\nb");
        assert_eq!(table.render(PIPE), "name  a\\u{1b}[31m\\u{a}b");
    }
}
