//! Figures of several rounds and how they are shown.

use std::time::Instant;

use comfy_table::{CellAlignment, Table, presets};

/// One figure's values, a round each.
struct Row {
    store: String,
    name: String,
    unit: &'static str,
    values: Vec<f64>,
}

/// All figures, in the order first measured.
#[derive(Default)]
pub(crate) struct Report(Vec<Row>);

impl Report {
    /// Adds a round's value.
    pub(crate) fn figure(&mut self, store: &str, name: &str, unit: &'static str, value: f64) {
        match self.0.iter_mut().find(|row| row.store == store && row.name == name) {
            Some(row) => row.values.push(value),
            None => {
                let (store, name) = (store.to_owned(), name.to_owned());
                self.0.push(Row { store, name, unit, values: vec![value] });
            }
        }
    }

    /// Adds `count` things per second since `begun`.
    pub(crate) fn rate(&mut self, store: &str, name: &str, unit: &'static str, count: usize, begun: Instant) {
        self.figure(store, name, unit, count as f64 / begun.elapsed().as_secs_f64());
    }

    pub(crate) fn print_table(&mut self) {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(["store", "what", "median", "least", "most", ""]);
        for row in &mut self.0 {
            let [median, least, most] = [0.5, 0.0, 1.0].map(|share| show(percentile(&mut row.values, share)));
            table.add_row([row.store.clone(), row.name.clone(), median, least, most, row.unit.to_owned()]);
        }
        for column in 2..5 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        println!("{table}");
    }

    pub(crate) fn print_json(&mut self) {
        let rows = self.0.iter_mut().map(|row| {
            let median = percentile(&mut row.values, 0.5);
            serde_json::json!({"store": row.store, "what": row.name, "unit": row.unit, "median": median, "values": row.values})
        });
        println!("{}", serde_json::Value::Array(rows.collect()));
    }
}

/// The value below which `share` of them lie. Sorts them.
pub(crate) fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into a slice")]
    let at = (share * (values.len().saturating_sub(1)) as f64).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}

fn show(value: f64) -> String {
    match value {
        large if large >= 1000.0 => {
            let whole = format!("{large:.0}");
            let thousands: Vec<_> = whole.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
            thousands.join(",")
        }
        small if small.fract() == 0.0 => format!("{small:.0}"),
        other => format!("{other:.2}"),
    }
}
