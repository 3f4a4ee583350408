//! A whole run: fetch the peers, start a server, the rounds, the report.

use crate::figures::Figures;
use crate::lab::Lab;
use crate::report::Report;
use crate::server::Server;
use crate::subject::{Subject, install, list};
use crate::{Arguments, Outcome, goals, measure, noise};

const PARTS: [&str; 9] = ["enqueue", "drain", "latency", "idle", "processes", "sqlite", "kill", "memory", "scale"];
/// Parts whose figures are no rates: this many rounds of them are enough.
const SELDOM: [(&str, usize); 3] = [("kill", 3), ("memory", 1), ("scale", 1)];

pub(crate) async fn run(arguments: &Arguments) -> Outcome<()> {
    if let Some(odd) = arguments.only.iter().find(|part| !PARTS.contains(&part.as_str())) {
        return Err(format!("no part `{odd}`: {}", PARTS.join(", ")).into());
    }
    let mut subjects = chosen(&arguments.peers);
    install::install(&mut subjects).await;
    let directory = tempfile::Builder::new().prefix("queue-bench").tempdir()?;
    let server = Server::start(directory.path()).await?;
    let mut about = vec![noise::machine()];
    about.push(format!("Redis {} on the same machine, no password, no TLS", version(&server).await?));
    let mut lab = Lab::new(server, directory.path(), subjects, arguments.quick);
    lab.also = arguments.also.as_deref().map(list::another_build);
    if wants(arguments, "idle", 0) {
        eprintln!("building ours with its libc within, which takes some minutes the first time");
        lab.linked_statically = install::ours_static().await;
    }
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { 1 } else { 5 });
    about.push(format!("rounds: {rounds}{}", if arguments.quick { ", --quick" } else { "" }));
    about.extend(arguments.remark.clone());
    for round in 0..rounds {
        lab.round = round;
        for part in PARTS.into_iter().filter(|part| wants(arguments, part, round)) {
            eprintln!("round {} of {rounds}: {part}", round + 1);
            lab.part = part;
            if let Err(why) = part_of(&mut lab, part).await {
                lab.figures.gap("the benchmark", part, why);
            }
        }
    }
    tell(arguments, &lab.figures, &lab.subjects, about)
}

fn wants(arguments: &Arguments, part: &str, round: usize) -> bool {
    let most = SELDOM.iter().find(|(seldom, _)| *seldom == part).map_or(usize::MAX, |(_, most)| *most);
    round < most && (arguments.only.is_empty() || arguments.only.iter().any(|only| only == part))
}

fn chosen(names: &[String]) -> Vec<Subject> {
    let is_chosen = |peer: &Subject| {
        let name = peer.name.to_lowercase();
        names.is_empty() || names.iter().any(|chosen| name.contains(&chosen.to_lowercase()))
    };
    std::iter::once(list::ours()).chain(list::peers().into_iter().filter(is_chosen)).collect()
}

async fn part_of(lab: &mut Lab, part: &str) -> Outcome<()> {
    match part {
        "enqueue" => measure::enqueue::measure(lab).await,
        "drain" => measure::drain::measure(lab).await,
        "latency" => measure::latency::measure(lab).await,
        "idle" => measure::idle::measure(lab).await,
        "processes" => measure::processes::measure(lab).await,
        "sqlite" => measure::sqlite::measure(lab).await,
        "kill" => measure::kill::measure(lab).await,
        "memory" => measure::memory::measure(lab).await,
        _ => measure::scale::measure(lab).await,
    }
}

async fn version(server: &Server) -> Outcome<String> {
    let text: String = server.command(&["INFO", "server"]).await?;
    let version = text.lines().find_map(|line| line.strip_prefix("redis_version:"));
    Ok(version.unwrap_or("?").trim().to_owned())
}

fn tell(arguments: &Arguments, figures: &Figures, subjects: &[Subject], about: Vec<String>) -> Outcome<()> {
    let peers: Vec<_> = subjects.iter().skip(1).map(|subject| subject.name).collect();
    let goals = goals::goals(figures, &peers);
    let report = Report { figures, goals: &goals, subjects, about };
    if arguments.json {
        report.print_json()
    } else {
        report.print_tables()
    }
    match &arguments.report {
        Some(file) => report.write(file),
        None => Ok(()),
    }
}
