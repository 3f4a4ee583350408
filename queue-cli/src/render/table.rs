//! Tables without borders: one line per row, fitted to the terminal, cut with `…`.

use comfy_table::{Attribute, Cell, CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, Width, presets};

use super::style::Style;
use super::text;
use crate::out::Out;

/// The longest cell where no terminal says how wide it may be.
const WIDEST: usize = 120;
/// What gives way keeps at least this much; a terminal still narrower wraps the lines.
const LEAST: u16 = 12;
/// A terminal with fewer columns is narrow.
const NARROW: u16 = 100;

/// How a column behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Text that is never cut: an id to be copied, a state.
    Whole(&'static str),
    /// A number: to the right, never cut.
    Number(&'static str),
    /// Text that gives way when the terminal is narrow.
    Cut(&'static str),
    /// A number that is left out when the terminal is narrow.
    Spare(&'static str),
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Self::Whole(title) | Self::Number(title) | Self::Cut(title) | Self::Spare(title) => title,
        }
    }
}

/// A table as it grows.
#[derive(Debug)]
pub(crate) struct Grid {
    columns: &'static [Column],
    rows: Vec<Vec<(String, Style)>>,
}

impl Grid {
    /// An empty table.
    pub(crate) fn new(columns: &'static [Column]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row; control characters in it are made visible.
    pub(crate) fn row(&mut self, cells: Vec<(String, Style)>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "a cell for every column");
        self.rows.push(cells.into_iter().map(|(cell, style)| (text::one_line(&cell), style)).collect());
    }

    /// The table as text, without a last line feed.
    pub(crate) fn render(self, out: Out) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_truncation_indicator("…");
        if out.paint.0 {
            table.enforce_styling()
        } else {
            table.force_no_tty()
        };
        if let Some(width) = out.width {
            table.set_width(width);
        }
        let mut titles = Row::from(self.columns.iter().map(|column| header(*column)).collect::<Vec<_>>());
        titles.max_height(1);
        table.set_header(titles);
        for cells in self.rows {
            let cells = self.columns.iter().zip(cells).map(|(column, (text, style))| cell(*column, text, style, out));
            let mut row = Row::from(cells.collect::<Vec<_>>());
            row.max_height(1);
            table.add_row(row);
        }
        for (place, column) in self.columns.iter().enumerate() {
            shape(&mut table, place, *column, out);
        }
        trimmed(&table.to_string())
    }
}

fn header(column: Column) -> Cell {
    let cell = Cell::new(column.title()).add_attribute(Attribute::Bold);
    if matches!(column, Column::Number(_) | Column::Spare(_)) { cell.set_alignment(CellAlignment::Right) } else { cell }
}

fn cell(column: Column, text: String, style: Style, out: Out) -> Cell {
    let text = match (column, out.width) {
        (Column::Cut(_), None) => text::cut(&text, WIDEST),
        _ => text,
    };
    let cell = Cell::new(text);
    match (style, style.color()) {
        (_, Some(color)) => cell.fg(color),
        (Style::Strong, None) => cell.add_attribute(Attribute::Bold),
        (_, None) => cell,
    }
}

fn shape(table: &mut Table, place: usize, column: Column, out: Out) {
    let needed = table.column_max_content_widths().get(place).copied().unwrap_or(0);
    let Some(made) = table.column_mut(place) else { return };
    let left = if place == 0 { 0 } else { 1 };
    made.set_padding((left, 1));
    match column {
        Column::Whole(_) => {
            made.set_constraint(ColumnConstraint::ContentWidth);
        }
        Column::Spare(_) if out.width.is_some_and(|width| width < NARROW) => {
            made.set_constraint(ColumnConstraint::Hidden);
        }
        Column::Number(_) | Column::Spare(_) => {
            made.set_constraint(ColumnConstraint::ContentWidth);
            made.set_cell_alignment(CellAlignment::Right);
        }
        Column::Cut(_) => {
            made.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(needed.min(LEAST) + left + 1)));
        }
    }
}

/// Without the blanks that fill the last column.
fn trimmed(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
