//! What was measured: a value a round for each subject and question.

use std::fmt::Display;

use crate::noise::Span;

/// One figure's values, a round each.
pub(crate) struct Row {
    pub(crate) subject: String,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) values: Vec<f64>,
    /// Percent of the machine's time that was stolen meanwhile.
    pub(crate) steal: Vec<f64>,
    /// The machine's load average at the end of each.
    pub(crate) load: Vec<f64>,
}

/// Something that could not be measured, and why.
pub(crate) struct Gap {
    pub(crate) subject: String,
    pub(crate) what: String,
    pub(crate) why: String,
}

/// All figures, in the order first measured.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) rows: Vec<Row>,
    pub(crate) gaps: Vec<Gap>,
}

impl Figures {
    /// Adds a round's value, measured during `span`.
    pub(crate) fn add(&mut self, subject: &str, what: &str, unit: &'static str, value: f64, span: &Span) {
        if value.is_nan() {
            return;
        }
        let at = self.rows.iter().position(|row| row.subject == subject && row.what == what).unwrap_or_else(|| {
            let (subject, what) = (subject.to_owned(), what.to_owned());
            self.rows.push(Row { subject, what, unit, values: Vec::new(), steal: Vec::new(), load: Vec::new() });
            self.rows.len() - 1
        });
        if let Some(row) = self.rows.get_mut(at) {
            row.values.push(value);
            row.steal.extend(span.steal());
            row.load.extend(crate::noise::load());
        }
    }

    /// Adds why there is no value.
    pub(crate) fn gap(&mut self, subject: &str, what: &str, why: impl Display) {
        let why = why.to_string();
        eprintln!("  {subject}: {what}: {why}");
        if !self.gaps.iter().any(|gap| gap.subject == subject && gap.what == what) {
            self.gaps.push(Gap { subject: subject.to_owned(), what: what.to_owned(), why });
        }
    }

    fn row(&self, subject: &str, what: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.subject == subject && row.what == what)
    }

    pub(crate) fn median(&self, subject: &str, what: &str) -> Option<f64> {
        self.row(subject, what).map(|row| percentile(&row.values, 0.5))
    }

    /// The median of ours ÷ theirs, round by round: what a machine whose speed drifts leaves standing.
    pub(crate) fn ratio(&self, ours: (&str, &str), theirs: (&str, &str)) -> Option<f64> {
        let (above, below) = (self.row(ours.0, ours.1)?, self.row(theirs.0, theirs.1)?);
        if above.values.len() != below.values.len() {
            return Some(percentile(&above.values, 0.5) / percentile(&below.values, 0.5));
        }
        let each: Vec<f64> = above.values.iter().zip(&below.values).map(|(above, below)| above / below).collect();
        Some(percentile(&each, 0.5))
    }
}

impl Row {
    pub(crate) fn median(&self) -> f64 {
        percentile(&self.values, 0.5)
    }

    /// (most − least) ÷ median, in percent of its size.
    pub(crate) fn spread(&self) -> f64 {
        let (least, most) = (percentile(&self.values, 0.0), percentile(&self.values, 1.0));
        // Who begins before its time has a negative one.
        if most > least { 100.0 * (most - least) / self.median().abs() } else { 0.0 }
    }

    pub(crate) fn steal(&self) -> Option<f64> {
        (!self.steal.is_empty()).then(|| percentile(&self.steal, 0.5))
    }

    pub(crate) fn load(&self) -> Option<f64> {
        (!self.load.is_empty()).then(|| percentile(&self.load, 0.5))
    }
}

/// The value that `share` of them do not exceed; of an even number of them the median is the mean of the two in the middle.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = share * (sorted.len().saturating_sub(1)) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into a slice")]
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    match (sorted.get(below), sorted.get(above)) {
        (Some(low), Some(high)) => low + (high - low) * at.fract(),
        _ => f64::NAN,
    }
}

/// A number for people: thousands apart, few decimals.
pub(crate) fn show(value: f64) -> String {
    match value {
        large if large.abs() >= 1000.0 => {
            let whole = format!("{large:.0}");
            let thousands: Vec<_> = whole.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
            thousands.join(",")
        }
        whole if whole.fract() == 0.0 => format!("{whole:.0}"),
        tens if tens.abs() >= 10.0 => format!("{tens:.1}"),
        other => format!("{other:.2}"),
    }
}
