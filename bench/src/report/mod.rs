//! How a run is told: a table for the terminal, JSON, a Markdown report with a chart.

mod chart;
mod markdown;
mod survey;
mod tables;

use std::path::Path;

use crate::Outcome;
use crate::figures::Figures;
use crate::goals::Goal;
use crate::subject::Subject;

/// All there is to tell.
pub(crate) struct Report<'a> {
    pub(crate) figures: &'a Figures,
    pub(crate) goals: &'a [Goal],
    pub(crate) subjects: &'a [Subject],
    /// The machine, the server and the rounds, in a line each.
    pub(crate) about: Vec<String>,
}

impl Report<'_> {
    pub(crate) fn print_tables(&self) {
        println!("{}", tables::figures(self.figures));
        println!("{}", tables::goals(self.goals));
        survey::warnings(self.figures).iter().for_each(|line| println!("warning: {line}"));
    }

    pub(crate) fn print_json(&self) {
        println!("{:#}", self.json());
    }

    fn json(&self) -> serde_json::Value {
        let rows = self.figures.rows.iter().map(|row| {
            serde_json::json!({"subject": row.subject, "what": row.what, "unit": row.unit, "median": row.median(),
                "values": row.values, "spread_percent": row.spread(), "steal_percent": row.steal(), "load": row.load()})
        });
        let rows: Vec<_> = rows.collect();
        let gaps = self.figures.gaps.iter();
        let gaps: Vec<_> =
            gaps.map(|gap| serde_json::json!({"subject": gap.subject, "what": gap.what, "why": gap.why})).collect();
        let goals = self.goals.iter().map(|goal| {
            serde_json::json!({"goal": goal.sentence, "target": goal.target(), "measured": goal.measured, "met": goal.is_met()})
        });
        let goals: Vec<_> = goals.collect();
        let settings = self.subjects.iter().map(|subject| {
            serde_json::json!({"subject": subject.name, "settings": subject.settings, "failed": subject.program.as_ref().err()})
        });
        let settings: Vec<_> = settings.collect();
        serde_json::json!({"about": self.about, "figures": rows, "not_measured": gaps, "goals": goals, "subjects": settings, "survey": survey::json(self.figures)})
    }

    /// Writes `file` and, beside it, its chart and all figures as JSON.
    pub(crate) fn write(&self, file: &Path) -> Outcome<()> {
        let picture = file.with_extension("svg");
        chart::draw(self.figures, &picture)?;
        let name = picture.file_name().ok_or("a report is a file")?.to_string_lossy().into_owned();
        std::fs::write(file, markdown::text(self, &name))?;
        let values = file.with_extension("json");
        std::fs::write(&values, format!("{:#}\n", self.json()))?;
        eprintln!("written: {}, {} and {}", file.display(), picture.display(), values.display());
        Ok(())
    }
}
