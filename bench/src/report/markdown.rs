//! The report as a file that can be kept.

use std::fmt::Write;

use super::Report;
use super::tables::{sorted, verdict, words};
use crate::figures::show;
use crate::measure::what::{DRAIN, DRAIN_RESULTS};
use crate::subject::Subject;

/// The whole report; `picture` is its chart's file.
pub(super) fn text(report: &Report<'_>, picture: &str) -> String {
    let mut text = String::from("# Measured\n\nWritten by `scripts/bench --report`.\n\n");
    report.about.iter().for_each(|line| push(&mut text, format_args!("- {line}")));
    push(&mut text, format_args!("\n![drain per second]({picture})\n\n## Goals\n"));
    push(&mut text, format_args!("| goal | target | measured | |\n| --- | --: | --: | --- |"));
    for goal in report.goals {
        let measured = goal.measured.map_or_else(|| "–".to_owned(), show);
        push(&mut text, format_args!("| {} | {} | {measured} | {} |", goal.sentence, goal.target(), verdict(goal)));
    }
    push(
        &mut text,
        format_args!(
            "\n## Figures\n\nMedians of the rounds; spread is (most − least) ÷ median; steal is the share of CPU"
        ),
    );
    push(&mut text, format_args!("time that the host took from this machine meanwhile, load its load average.\n"));
    let mut question = String::new();
    for row in sorted(report.figures) {
        let [what, who, median, least, most, unit, spread, steal, load] = words(row);
        if what != question {
            push(
                &mut text,
                format_args!("\n**{what}**{}\n", if unit.is_empty() { String::new() } else { format!(" ({unit})") }),
            );
            push(
                &mut text,
                format_args!(
                    "| | median | least | most | spread | steal | load |\n| --- | --: | --: | --: | --: | --: | --: |"
                ),
            );
            question = what;
        }
        push(&mut text, format_args!("| {who} | {median} | {least} | {most} | {spread} | {steal} | {load} |"));
    }
    if !report.figures.gaps.is_empty() {
        push(&mut text, format_args!("\n## Not measured\n\n| who | what | why |\n| --- | --- | --- |"));
        for gap in &report.figures.gaps {
            let why = gap.why.replace('|', "/").replace('\n', " ");
            push(&mut text, format_args!("| {} | {} | {why} |", gap.subject, gap.what));
        }
    }
    push(
        &mut text,
        format_args!(
            "\n## Settings\n\n| who | settings | jobs per drain | survey | of it |\n| --- | --- | --: | --: | --: |"
        ),
    );
    for subject in report.subjects {
        let failed = subject
            .program
            .as_ref()
            .err()
            .map_or_else(String::new, |why| format!("; not run: {}", why.replace('|', "/")));
        let share = share_of_survey(report, subject);
        let survey = subject.survey.map_or_else(|| "–".to_owned(), show);
        push(
            &mut text,
            format_args!(
                "| {} | {}{failed} | {} | {survey} | {share} |",
                subject.name,
                subject.settings,
                show(subject.jobs as f64)
            ),
        );
    }
    text
}

/// How much of what the survey found this run found, in percent; much less on a quiet machine is a wrong set-up.
fn share_of_survey(report: &Report<'_>, subject: &Subject) -> String {
    let best = [DRAIN, DRAIN_RESULTS].iter().filter_map(|what| report.figures.median(subject.name, what));
    match (best.max_by(f64::total_cmp), subject.survey) {
        (Some(best), Some(survey)) => format!("{:.0} %", 100.0 * best / survey),
        _ => "–".to_owned(),
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
