//! What is left over: keys or rows without owner, end or bound.

use std::collections::BTreeMap;
use std::time::Duration;

use queue_core::store::{Cursor, Orphan, OrphanKind};
use serde::Serialize;

use super::checks::{Check, Level};
use crate::error::CliError;
use crate::exit::Exit;
use crate::open::Session;
use crate::progress;
use crate::render::style::Style;
use crate::render::table::{Column, Grid};
use crate::render::text;

/// More are counted, not listed.
const LISTED: usize = 1000;
/// What a worker moves just now is somewhere else by then.
const LATER: Duration = Duration::from_secs(3);
/// How often that is waited for: in a store that is full of them it is enough to see so.
const PAUSES: usize = 10;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// Keys or rows that were looked at.
    looked_at: u64,
    /// How many are left over.
    count: u64,
    /// The first of them.
    listed: Vec<Orphan>,
}

/// `doctor --orphans --json`. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    url: &'a str,
    looked_at: u64,
    count: u64,
    orphans: Vec<OrphanDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct OrphanDocument<'a> {
    key: &'a str,
    kind: OrphanKind,
    why: &'a str,
    mend: &'static str,
}

/// Goes through the whole store in small steps. What is found is asked for again, some at a time.
pub(super) async fn search(session: &Session, results_stay: bool) -> Result<Leftovers, CliError> {
    let _sign = progress::searching();
    let mut leftovers = Leftovers::default();
    let mut cursor: Option<Cursor> = None;
    let (mut found, mut pauses) = (Vec::new(), 0);
    loop {
        let page = session.store.orphans(cursor.as_ref()).await?;
        leftovers.looked_at += page.looked_at;
        found.extend(page.orphans.into_iter().filter(|one| !(results_stay && one.kind.is_about_results())));
        cursor = page.next;
        if found.len() >= LISTED || (cursor.is_none() && !found.is_empty()) {
            if pauses < PAUSES {
                tokio::time::sleep(LATER).await;
                pauses += 1;
            }
            leftovers.add(session.store.orphans_again(&found).await?);
            found.clear();
        }
        if cursor.is_none() {
            return Ok(leftovers);
        }
    }
}

impl Leftovers {
    fn add(&mut self, found: Vec<Orphan>) {
        self.count += found.len() as u64;
        let room = LISTED.saturating_sub(self.listed.len());
        self.listed.extend(found.into_iter().take(room));
    }
}

/// As one of the checks.
pub(super) fn check(leftovers: &Leftovers) -> Check {
    let looked_at = format!("among {}", text::number(leftovers.looked_at));
    match leftovers.count {
        0 => Check::ok("orphans", format!("none {looked_at}")),
        some => Check::bad(
            "orphans",
            Level::Problem,
            format!("{} {looked_at}", text::number(some)),
            "left over without owner or end; which, and how to mend them: `queue doctor --orphans`",
        ),
    }
}

/// Lists them.
pub(super) fn show(session: &Session, leftovers: &Leftovers) -> Result<Exit, CliError> {
    let exit = if leftovers.count == 0 { Exit::Ok } else { Exit::UNWELL };
    if session.out.json {
        session.out.document(&document(session, leftovers))?;
        return Ok(exit);
    }
    let Leftovers { looked_at, count, listed } = leftovers;
    if *count == 0 {
        session.out.data(&format!("nothing is left over, among {}", text::number(*looked_at)))?;
        return Ok(exit);
    }
    let mut grid = Grid::new(&[Column::Whole("KIND"), Column::Cut("KEY"), Column::Cut("WHY")]);
    for orphan in listed {
        let cells =
            [(kind(orphan.kind), Style::Bad), (orphan.key.clone(), Style::Plain), (orphan.why.clone(), Style::Plain)];
        grid.row(cells.into());
    }
    session.out.data(&grid.render(session.out))?;
    session.out.note(&format!("{} left over, among {}", text::number(*count), text::number(*looked_at)));
    let kinds: BTreeMap<_, _> = listed.iter().map(|orphan| (orphan.kind, orphan.kind.mend())).collect();
    for (of, mend) in kinds {
        session.out.hint(&format!("{}: {mend}", kind(of)));
    }
    Ok(exit)
}

/// The kind as JSON spells it.
fn kind(kind: OrphanKind) -> String {
    serde_json::to_value(kind).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

fn document<'a>(session: &'a Session, leftovers: &'a Leftovers) -> Document<'a> {
    let orphan = |orphan: &'a Orphan| OrphanDocument {
        key: &orphan.key,
        kind: orphan.kind,
        why: &orphan.why,
        mend: orphan.kind.mend(),
    };
    Document {
        url: session.store.display_url(),
        looked_at: leftovers.looked_at,
        count: leftovers.count,
        orphans: leftovers.listed.iter().map(orphan).collect(),
    }
}
