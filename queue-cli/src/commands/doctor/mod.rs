//! `queue doctor`: is all well with the store, the workers and what is in it?

mod checks;
mod orphans;

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use self::checks::{Check, Level};
use crate::error::CliError;
use crate::exit::Exit;
use crate::open::{Access, Place, Session, open};
use crate::out::Out;
use crate::render::json;
use crate::render::style::Style;
use crate::render::table::{Column, Grid};
use crate::render::{text, time};

/// What to look at.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Only look for what is left over, and list it: keys or rows of ours without owner, end or bound
    #[arg(long)]
    orphans: bool,
    /// Warn of a job that has been ready for longer
    #[arg(long, value_name = "5m", default_value = "5m", value_parser = time::parse)]
    max_age: Duration,
    /// How long results are kept, as the workers have it; 0s is for ever: then a result without end is nothing wrong
    #[arg(long, env = "QUEUE_RESULT_TTL", hide_env_values = true, value_name = "TIME", value_parser = time::parse)]
    result_ttl: Option<Duration>,
}

impl DoctorArgs {
    /// Whether results are to stay for ever.
    fn results_stay(&self) -> bool {
        self.result_ttl == Some(Duration::ZERO)
    }
}

/// `doctor --json`. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    url: &'a str,
    now: json::Instant,
    well: bool,
    checks: &'a [Check],
}

/// Looks at all there is to look at, or only for what is left over.
pub(crate) async fn run(place: &Place, args: &DoctorArgs, out: Out) -> Result<Exit, CliError> {
    let began = Instant::now();
    let mut session = open(place, Access::Existing, out).await?;
    let opened = began.elapsed();
    let leftovers = orphans::search(&session, args.results_stay()).await?;
    if args.orphans {
        return orphans::show(&session, &leftovers);
    }
    // The search may have taken minutes: who lives and how old a job is are of now.
    session.now = session.store.now().await?;
    let mut checks = checks::of_store(&session, opened).await?;
    checks.extend(checks::of_queues(&session, args.max_age).await?);
    checks.push(orphans::check(&leftovers));
    show(&session, &checks)
}

fn show(session: &Session, checks: &[Check]) -> Result<Exit, CliError> {
    let well = checks.iter().all(|check| check.level != Level::Problem);
    let exit = if well { Exit::Ok } else { Exit::UNWELL };
    if session.out.json {
        let url = session.store.display_url();
        session.out.document(&Document { url, now: json::Instant(session.now), well, checks })?;
        return Ok(exit);
    }
    let mut grid = Grid::new(&[Column::Whole("CHECK"), Column::Whole("STATE"), Column::Cut("FOUND")]);
    for check in checks {
        let (word, style) = check.level.shown();
        grid.row(vec![
            (check.name.to_owned(), Style::Plain),
            (word.to_owned(), style),
            (check.found.clone(), Style::Plain),
        ]);
    }
    session.out.data(&grid.render(session.out))?;
    for check in checks.iter().filter(|check| !check.hint.is_empty()) {
        session.out.hint(&format!("{}: {}", check.name, text::one_line(&check.hint)));
    }
    Ok(exit)
}
