//! What a selection holds, counted by task and error in bounded memory, to be read before it is touched.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use queue_core::store::JobState;
use serde::Serialize;

use crate::out::Out;
use crate::render::style::Style;
use crate::render::table::{Column, Grid};
use crate::render::text;
use crate::seen::{Seen, reason, word};

/// More kinds than this are counted together.
const MOST_KINDS: usize = 1000;
/// How many kinds are shown.
const SHOWN: usize = 15;
/// How many ids are shown.
const SAMPLE: usize = 3;

/// Jobs that are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Kind {
    queue: String,
    state: &'static str,
    task: Option<String>,
    reason: Option<String>,
    error: Option<String>,
}

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// How many in all.
    pub(crate) count: u64,
    kinds: BTreeMap<Kind, u64>,
    others: u64,
    sample: Vec<String>,
}

/// A [`Summary`] in `--json`. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
pub(crate) struct SummaryDocument<'a> {
    matched: u64,
    kinds: Vec<KindDocument<'a>>,
    sample: &'a [String],
}

#[derive(Debug, Serialize)]
struct KindDocument<'a> {
    count: u64,
    #[serde(flatten)]
    kind: &'a Kind,
}

impl Summary {
    /// Counts one.
    pub(crate) fn add(&mut self, seen: &Seen) {
        self.count += 1;
        if self.sample.len() < SAMPLE {
            self.sample.extend(seen.id().map(str::to_owned));
        }
        let kind = Kind {
            queue: seen.job.queue.to_string(),
            state: word(seen.job.state),
            task: seen.task().map(str::to_owned),
            reason: seen.letter().map(reason),
            error: seen.error().map(|error| first_line(&error)),
        };
        let room = self.kinds.len() < MOST_KINDS;
        match self.kinds.entry(kind) {
            Entry::Occupied(mut known) => *known.get_mut() += 1,
            Entry::Vacant(new) if room => {
                new.insert(1);
            }
            Entry::Vacant(_) => self.others += 1,
        }
    }

    /// `12 dead letters`, `1 ready job`, `7 jobs`.
    pub(crate) fn what(&self) -> String {
        what(self.count, self.kinds.keys().all(|kind| kind.state == word(JobState::Dead)))
    }

    /// As a table with a sample below, for people.
    pub(crate) fn render(&self, out: Out) -> String {
        let mut grid = Grid::new(&[
            Column::Number("COUNT"),
            Column::Whole("QUEUE"),
            Column::Whole("STATE"),
            Column::Cut("TASK"),
            Column::Cut("ERROR"),
        ]);
        let mut rest = self.others;
        for (place, (kind, count)) in self.largest().into_iter().enumerate() {
            if place < SHOWN { grid.row(cells(kind, count)) } else { rest += count }
        }
        let mut text = grid.render(out);
        if rest > 0 {
            text.push_str(&format!("\n… and {} of other kinds", text::plural(rest, "job", "jobs")));
        }
        if !self.sample.is_empty() {
            let ids: Vec<_> = self.sample.iter().map(|id| text::one_line(id)).collect();
            text.push_str(&format!("\nfor example: {}", ids.join(", ")));
        }
        text
    }

    /// As a JSON document.
    pub(crate) fn document(&self) -> SummaryDocument<'_> {
        let kinds = self.largest().into_iter().map(|(kind, count)| KindDocument { count, kind }).collect();
        SummaryDocument { matched: self.count, kinds, sample: &self.sample }
    }

    fn largest(&self) -> Vec<(&Kind, u64)> {
        let mut kinds: Vec<_> = self.kinds.iter().map(|(kind, count)| (kind, *count)).collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        kinds
    }
}

/// `12 dead letters` or `12 jobs`.
pub(crate) fn what(count: u64, dead: bool) -> String {
    if dead { text::plural(count, "dead letter", "dead letters") } else { text::plural(count, "job", "jobs") }
}

fn cells(kind: &Kind, count: u64) -> Vec<(String, Style)> {
    let error = match (&kind.reason, &kind.error) {
        (Some(reason), Some(error)) => format!("{reason}: {error}"),
        (_, error) => error.clone().unwrap_or_else(|| "-".to_owned()),
    };
    vec![
        (text::number(count), Style::Strong),
        (kind.queue.clone(), Style::Plain),
        (kind.state.to_owned(), Style::Plain),
        (kind.task.clone().unwrap_or_else(|| "?".to_owned()), Style::Plain),
        (error, Style::Bad),
    ]
}

/// Errors that differ after their first line are of one kind.
fn first_line(error: &str) -> String {
    text::cut(error.lines().next().unwrap_or_default().trim(), 200)
}
