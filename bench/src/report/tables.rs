//! Tables for the terminal.

use comfy_table::{CellAlignment, Table, presets};

use crate::figures::{Figures, Row, show};
use crate::goals::Goal;

/// A row of words: what, who, median, least, most, unit, spread, steal, load.
pub(super) fn words(row: &Row) -> [String; 9] {
    let extreme = |share| show(crate::figures::percentile(&row.values, share));
    let steal = row.steal().map_or_else(|| "–".to_owned(), |steal| format!("{steal:.1} %"));
    [
        row.what.clone(),
        row.subject.clone(),
        show(row.median()),
        extreme(0.0),
        extreme(1.0),
        row.unit.to_owned(),
        format!("{:.0} %", row.spread()),
        steal,
        row.load().map_or_else(|| "–".to_owned(), |load| format!("{load:.1}")),
    ]
}

/// The rows by question, the best first.
pub(super) fn sorted(figures: &Figures) -> Vec<&Row> {
    let place = |row: &Row| figures.rows.iter().position(|other| other.what == row.what).unwrap_or(usize::MAX);
    let mut rows: Vec<&Row> = figures.rows.iter().collect();
    let is_rate = |row: &Row| row.unit == "jobs/s";
    rows.sort_by(|a, b| {
        let by_value = a.median().total_cmp(&b.median());
        place(a).cmp(&place(b)).then(if is_rate(a) { by_value.reverse() } else { by_value })
    });
    rows
}

pub(super) fn figures(figures: &Figures) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY);
    table.set_header(["what", "who", "median", "least", "most", "", "spread", "steal", "load"]);
    sorted(figures).into_iter().for_each(|row| {
        table.add_row(words(row));
    });
    for gap in &figures.gaps {
        table.add_row([gap.what.as_str(), gap.subject.as_str(), "none", "", "", "", "", gap.why.as_str()]);
    }
    for column in [2, 3, 4, 6, 7, 8] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

pub(super) fn verdict(goal: &Goal) -> &'static str {
    match goal.is_met() {
        Some(true) => "met",
        Some(false) => "NOT met",
        None => "not measured",
    }
}

pub(super) fn goals(goals: &[Goal]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(["goal", "target", "measured", ""]);
    for goal in goals {
        let measured = goal.measured.map_or_else(|| "–".to_owned(), show);
        table.add_row([&goal.sentence, &goal.target(), &measured, verdict(goal)]);
    }
    table
}
