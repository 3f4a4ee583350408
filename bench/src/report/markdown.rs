//! The report as a file that can be kept.

use std::fmt::Write;

use super::Report;
use super::survey;
use super::tables::{sorted, verdict, words};
use crate::figures::{Figures, Row, show};
use crate::measure::scale::{name, parts};

/// The whole report; `picture` is its chart's file.
pub(super) fn text(report: &Report<'_>, picture: &str) -> String {
    let mut text = String::from("# Measured\n\nWritten by `scripts/bench --report`.\n\n");
    report.about.iter().for_each(|line| push(&mut text, format_args!("- {line}")));
    survey::warnings(report.figures).iter().for_each(|line| push(&mut text, format_args!("- warning: {line}")));
    push(&mut text, format_args!("\n![drain per second]({picture})"));
    goals(&mut text, report);
    figures(&mut text, report);
    scale(&mut text, report);
    gaps(&mut text, report);
    beside(&mut text, report);
    settings(&mut text, report);
    text
}

fn goals(text: &mut String, report: &Report<'_>) {
    push(text, format_args!("\n## Goals\n\n| goal | target | measured | |\n| --- | --: | --: | --- |"));
    for goal in report.goals {
        let measured = goal.measured.map_or_else(|| "–".to_owned(), show);
        push(text, format_args!("| {} | {} | {measured} | {} |", goal.sentence, goal.target(), verdict(goal)));
    }
}

fn figures(text: &mut String, report: &Report<'_>) {
    push(text, format_args!("\n## Figures\n"));
    push(text, format_args!("Medians of the rounds; spread is (most − least) ÷ median; steal is the share of CPU"));
    push(text, format_args!("time that the host took from this machine meanwhile, load its load average."));
    let mut question = String::new();
    for row in sorted(report.figures).into_iter().filter(|row| parts(&row.what).is_none()) {
        let [what, who, median, least, most, unit, spread, steal, load] = words(row);
        if what != question {
            let unit = if unit.is_empty() { String::new() } else { format!(" ({unit})") };
            push(text, format_args!("\n**{what}**{unit}\n\n| | median | least | most | spread | steal | load |"));
            push(text, format_args!("| --- | --: | --: | --: | --: | --: | --: |"));
            question = what;
        }
        push(text, format_args!("| {who} | {median} | {least} | {most} | {spread} | {steal} | {load} |"));
    }
}

/// Few and many side by side: what must not grow with how much there is.
fn scale(text: &mut String, report: &Report<'_>) {
    let pairs: Vec<_> = report.figures.rows.iter().filter_map(|few| pair(report.figures, few)).collect();
    if pairs.is_empty() {
        return;
    }
    push(
        text,
        format_args!(
            "\n## Scale\n\nFew is 1,000; how many are many, docs/performance.md says. On Redis by the server's"
        ),
    );
    push(text, format_args!("time, on a file by the clock. Spread, steal and load are of the many.\n"));
    push(text, format_args!("| what there is | operation | | who | few | many | many ÷ few | spread | steal | load |"));
    push(text, format_args!("| --- | --- | --- | --- | --: | --: | --: | --: | --: | --: |"));
    for (state, operation, few, many) in pairs {
        let [_, who, .., unit, spread, steal, load] = words(many);
        let growth = many.median() / few.median();
        let growth = if growth.is_finite() { show(growth) } else { "–".to_owned() };
        let (few, many) = (show(few.median()), show(many.median()));
        push(
            text,
            format_args!(
                "| {state} | {operation} | {unit} | {who} | {few} | {many} | {growth} | {spread} | {steal} | {load} |"
            ),
        );
    }
}

/// What there was, the operation, and its figures with few and with many.
fn pair<'a>(figures: &'a Figures, few: &'a Row) -> Option<(&'a str, &'a str, &'a Row, &'a Row)> {
    let (state, operation, true) = parts(&few.what)? else { return None };
    let what = name(state, operation, false);
    let many = figures.rows.iter().find(|row| row.subject == few.subject && row.what == what)?;
    Some((state, operation, few, many))
}

fn gaps(text: &mut String, report: &Report<'_>) {
    if report.figures.gaps.is_empty() {
        return;
    }
    push(text, format_args!("\n## Not measured\n\n| who | what | why |\n| --- | --- | --- |"));
    for gap in &report.figures.gaps {
        let why = gap.why.replace('|', "/").replace('\n', " ");
        push(text, format_args!("| {} | {} | {why} |", gap.subject, gap.what));
    }
}

/// Next to what the peers did in an earlier survey.
fn beside(text: &mut String, report: &Report<'_>) {
    let both = survey::beside(report.figures);
    if both.is_empty() {
        return;
    }
    push(text, format_args!("\n## Beside an earlier survey\n"));
    push(
        text,
        format_args!("Of it: measured ÷ survey of a rate, survey ÷ measured of a time; below 70 % is a warning.\n"),
    );
    push(text, format_args!("| who | what | survey | measured | of it | |\n| --- | --- | --: | --: | --: | --- |"));
    both.iter().for_each(|one| push(text, format_args!("{}", one.row())));
}

fn settings(text: &mut String, report: &Report<'_>) {
    push(text, format_args!("\n## Settings\n\n| who | settings | jobs per drain |\n| --- | --- | --: |"));
    for subject in report.subjects {
        let failed = subject.program.as_ref().err();
        let failed = failed.map_or_else(String::new, |why| format!("; not run: {}", why.replace('|', "/")));
        let jobs = show(subject.jobs as f64);
        push(text, format_args!("| {} | {}{failed} | {jobs} |", subject.name, subject.settings));
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
