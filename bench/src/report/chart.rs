//! The chart: drains per second, a bar for each, on a logarithmic scale, since they lie three orders of magnitude apart.

use std::path::Path;

use plotters::prelude::*;

use crate::Outcome;
use crate::figures::{Figures, show};
use crate::measure::what::{BY_SCRIPTS, DRAIN, DRAIN_RESULTS};
use crate::subject::floor::FLOOR;
use crate::subject::list::OURS_BY_DEFAULT;

const ROW: u32 = 26;
const WIDTH: u32 = 900;
const LEFT: i32 = 230;
const TOP: i32 = 60;

pub(super) fn draw(figures: &Figures, file: &Path) -> Outcome<()> {
    let bars = bars(figures);
    let height = TOP as u32 + ROW * u32::try_from(bars.len())? + 20;
    let canvas = SVGBackend::new(file, (WIDTH, height)).into_drawing_area();
    canvas.fill(&WHITE)?;
    let title = ("sans-serif", 18).into_font();
    canvas.draw(&Text::new("Jobs drained per second by one worker (logarithmic)", (12, 12), title))?;
    let note = ("sans-serif", 12).into_font();
    canvas.draw(&Text::new("dark: ours; grey: bare commands, the limit; light: peers", (12, 36), note))?;
    let most = bars.iter().map(|bar| bar.2).fold(1.0, f64::max);
    let room = f64::from(WIDTH) - f64::from(LEFT) - 90.0;
    for (at, (who, colour, value)) in bars.iter().enumerate() {
        let top = TOP + i32::try_from(at)? * ROW as i32;
        #[expect(clippy::cast_possible_truncation, reason = "a place on the canvas")]
        let right = LEFT + (room * (value.max(10.0).log10() - 1.0) / (most.max(100.0).log10() - 1.0)) as i32;
        let font = ("sans-serif", 13).into_font();
        canvas.draw(&Rectangle::new([(LEFT, top), (right, top + ROW as i32 - 6)], colour.filled()))?;
        canvas.draw(&Text::new(who.clone(), (12, top + 3), font.clone()))?;
        canvas.draw(&Text::new(show(*value), (right + 6, top + 3), font))?;
    }
    canvas.present()?;
    Ok(())
}

/// Who, in which colour, how many: without results, then with.
fn bars(figures: &Figures) -> Vec<(String, RGBColor, f64)> {
    let mut bars = Vec::new();
    for (what, suffix) in [(DRAIN, ""), (DRAIN_RESULTS, ", results")] {
        let mut rows: Vec<_> = figures.rows.iter().filter(|row| row.what == what).collect();
        rows.sort_by(|a, b| b.median().total_cmp(&a.median()));
        bars.extend(rows.into_iter().map(|row| {
            let colour = match row.subject.as_str() {
                "queue" | OURS_BY_DEFAULT => RGBColor(31, 78, 121),
                FLOOR | BY_SCRIPTS => RGBColor(150, 150, 150),
                _ => RGBColor(157, 195, 230),
            };
            (format!("{}{suffix}", row.subject), colour, row.median())
        }));
    }
    bars
}
