//! Chords and saved groups: how many parts are expected, which came in, and who sends the body.
//!
//! The same as on Redis, within the transaction of the settlement. Who settles the last part does not lease the dispatch:
//! it becomes the first of its queue, for whichever worker asks next.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Outcome;
use super::sql;
use super::tx::{Kind, Tx, Wake, hash};
use crate::clock::Timestamp;
use crate::names::TaskId;
use crate::store::{
    CLAIM, COMPLETE, ChordEnd, ChordPart, ChordParts, ChordStart, ChordStep, DONE, Outgoing, StoredResult,
};

/// The claim of a chord that is over.
const OVER: &str = "done";
/// The place of a part that has no index: behind all others.
const LAST: i64 = i64::MAX;

/// What is known of a chord.
#[derive(Debug, Default)]
struct Chord {
    size: Option<i64>,
    grown: i64,
    parts: i64,
    /// Empty when nobody claims it.
    claim: String,
    claim_ends: i64,
    expires: Option<i64>,
}

impl Chord {
    /// Reads it as it stands now: what has expired is not there.
    fn read(connection: &Connection, name: &str, now: Timestamp) -> Outcome<Option<Self>> {
        let mut statement = connection.prepare_cached(sql::CHORD_READ)?;
        let row = statement.query_row([name], |row| {
            let (size, grown, parts) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Self { size, grown, parts, claim: row.get(3)?, claim_ends: row.get(4)?, expires: row.get(5)? })
        });
        let Some(mut chord) = row.optional()? else { return Ok(None) };
        if chord.claim_ends <= now.as_millis() {
            chord.claim = String::new();
        }
        if chord.expires.is_some_and(|at| at <= now.as_millis()) {
            let (claim, claim_ends) = (chord.claim, chord.claim_ends);
            chord = Self { claim, claim_ends, expires: chord.expires, ..Self::default() };
        }
        Ok(Some(chord))
    }

    /// Reads it to change it.
    fn open(tx: &Tx<'_>, name: &str, ttl: Option<i64>) -> Outcome<Self> {
        match Self::read(tx.connection(), name, tx.now)? {
            Some(chord) if chord.parts == 0 => {
                // Left over from before it expired.
                tx.prepare(sql::CHORD_PART_DELETE)?.execute([name])?;
                let over = chord.expires.is_some_and(|at| at <= tx.now.as_millis());
                Ok(Self { expires: if over { ttl } else { chord.expires }, ..chord })
            }
            Some(chord) => Ok(chord),
            None => Ok(Self { expires: ttl, ..Self::default() }),
        }
    }

    fn write(&self, tx: &Tx<'_>, name: &str) -> Outcome<()> {
        let Self { size, grown, parts, claim, claim_ends, expires } = self;
        tx.prepare(sql::CHORD_WRITE)?.execute(params![name, size, grown, parts, claim, claim_ends, expires])?;
        Ok(())
    }

    /// Keeps it, and its saved group, until then; `None` is for ever.
    fn keep(&mut self, tx: &Tx<'_>, name: &str, ends: Option<i64>) -> Outcome<()> {
        self.expires = ends;
        tx.prepare(sql::GROUP_EXTEND)?.execute(params![name, ends, tx.now.as_millis()])?;
        Ok(())
    }

    /// The same, but not for less than it is kept already, by whoever keeps it longest: its other parts may begin much later. What
    /// has no size is not kept for ever: perhaps nobody comes any more that ends it.
    fn keep_longer(&mut self, tx: &Tx<'_>, name: &str, ends: Option<i64>) -> Outcome<()> {
        let ends = match self.size {
            Some(_) => later(self.expires, ends),
            None => ends.or(Some(waits(tx))).max(self.expires),
        };
        self.keep(tx, name, ends)
    }

    fn claim_by(&mut self, claim: &str, ends: Timestamp) {
        claim.clone_into(&mut self.claim);
        self.claim_ends = ends.as_millis();
    }

    fn is_complete(&self) -> bool {
        self.size.is_some_and(|size| self.parts == size + self.grown)
    }
}

fn expires(tx: &Tx<'_>, ttl: Option<std::time::Duration>) -> Option<i64> {
    ttl.map(|ttl| tx.now.after(ttl).as_millis())
}

/// The later of two ends; `None` is for ever.
fn later(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    Some(one?.max(other?))
}

/// Until when a chord that is complete waits for its end, at least.
fn waits(tx: &Tx<'_>) -> i64 {
    tx.now.after(COMPLETE).as_millis()
}

/// What a settlement means for chords.
pub(super) fn apply(tx: &mut Tx<'_>, steps: &[ChordStep]) -> Outcome<()> {
    steps.iter().try_for_each(|step| match step {
        ChordStep::Begin(start) => begin(tx, start),
        ChordStep::Grow { group, by, ttl } => grow(tx, group, *by, expires(tx, *ttl)),
        ChordStep::Part(part) => count(tx, part),
    })
}

/// A chord begins; an earlier claim, of the same group applied before, is forgotten.
pub(super) fn begin(tx: &mut Tx<'_>, start: &ChordStart) -> Outcome<()> {
    let ends = expires(tx, start.ttl);
    let mut chord = Chord::open(tx, &start.group, ends)?;
    chord.size = Some(i64::try_from(start.size).unwrap_or(i64::MAX));
    chord.expires = ends;
    chord.claim = String::new();
    chord.write(tx, &start.group)?;
    match &start.meta {
        Some(meta) => save(tx, &start.group, meta, ends),
        None => Ok(()),
    }
}

fn grow(tx: &Tx<'_>, group: &str, by: u32, ends: Option<i64>) -> Outcome<()> {
    let mut chord = Chord::open(tx, group, ends)?;
    chord.grown += i64::from(by);
    chord.keep_longer(tx, group, ends)?;
    chord.write(tx, group)
}

/// A part is done. Who counts the last one claims the chord.
fn count(tx: &mut Tx<'_>, part: &ChordPart) -> Outcome<()> {
    let ends = expires(tx, part.ttl);
    let mut chord = Chord::open(tx, &part.group, ends)?;
    if chord.claim == OVER {
        return Ok(());
    }
    let row = params![part.group, part.index.unwrap_or(LAST), part.id.as_str(), &*part.member];
    let inserted = tx.prepare(sql::CHORD_PART_INSERT)?.execute(row)?;
    chord.parts += i64::try_from(inserted).unwrap_or(0);
    let ends = if chord.is_complete() { later(ends, Some(waits(tx))) } else { ends };
    chord.keep_longer(tx, &part.group, ends)?;
    if inserted == 1 && chord.is_complete() && chord.claim.is_empty() {
        chord.claim_by(&part.token, tx.now.after(CLAIM));
        put_first(tx, &part.dispatch)?;
    }
    chord.write(tx, &part.group)
}

/// Puts a dispatch ahead of all others of its queue and step.
fn put_first(tx: &mut Tx<'_>, dispatch: &Outgoing) -> Outcome<()> {
    let (seq, queue, step) = (tx.number(), tx.queue(&dispatch.queue)?, dispatch.priority.step());
    let id = dispatch.id.as_str();
    tx.prepare(sql::JOB_INSERT_FIRST)?.execute(params![seq, queue, step, hash(id)])?;
    tx.prepare(sql::BODY_INSERT)?.execute(params![seq, id, &*dispatch.task, &*dispatch.payload])?;
    tx.count(queue, Kind::Ready, step, 1);
    tx.effects.wake(queue, Wake::Fresh, 1);
    Ok(())
}

/// Whether whoever has this claim may end the chord: it stands, or ran out and nobody took or ended the chord since.
pub(super) fn may_end(tx: &Tx<'_>, end: &ChordEnd) -> Outcome<bool> {
    let Some(chord) = Chord::read(tx.connection(), &end.group, tx.now)? else { return Ok(false) };
    Ok(chord.claim == end.token || (chord.claim.is_empty() && chord.size.is_some()))
}

/// The body is sent, or never will be: then what came in stays until it expires, as with Celery.
pub(super) fn end(tx: &Tx<'_>, end: &ChordEnd) -> Outcome<()> {
    let mut chord = Chord::open(tx, &end.group, None)?;
    chord.size = None;
    if let Some(ends) = expires(tx, end.ttl) {
        chord.keep(tx, &end.group, Some(ends))?;
    }
    if !end.failed {
        tx.prepare(sql::CHORD_PART_DELETE)?.execute([&end.group])?;
        (chord.parts, chord.grown) = (0, 0);
        chord.expires = Some(tx.now.after(DONE).as_millis());
    }
    chord.claim_by(OVER, tx.now.after(DONE));
    chord.write(tx, &end.group)
}

/// What came in of a chord.
pub(super) fn parts(connection: &Connection, group: &str, now: Timestamp) -> Outcome<ChordParts> {
    let meta = group_meta(connection, group, now)?;
    let chord = Chord::read(connection, group, now)?.unwrap_or_default();
    let size = chord.size.and_then(|size| u64::try_from(size).ok());
    if chord.parts == 0 {
        return Ok(ChordParts { meta, size, members: Vec::new() });
    }
    let mut list = connection.prepare_cached(sql::CHORD_PART_LIST)?;
    let members = list.query_map([group], |row| Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?)))?;
    Ok(ChordParts { meta, size, members: members.collect::<Result<_, _>>()? })
}

/// Saves a group.
pub(super) fn put_group(tx: &Tx<'_>, group: &StoredResult) -> Outcome<()> {
    save(tx, group.id.as_str(), &group.meta, expires(tx, group.ttl))
}

fn save(tx: &Tx<'_>, id: &str, meta: &[u8], ends: Option<i64>) -> Outcome<()> {
    tx.prepare(sql::GROUP_WRITE)?.execute(params![id, meta, ends])?;
    Ok(())
}

/// A saved group.
pub(super) fn group_meta(connection: &Connection, id: &str, now: Timestamp) -> Outcome<Option<Bytes>> {
    let mut read = connection.prepare_cached(sql::GROUP_READ)?;
    let meta =
        read.query_row(params![id, now.as_millis()], |row| Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?)));
    Ok(meta.optional()?)
}

/// Forgets a saved group; true where there was one.
pub(super) fn forget_group(tx: &Tx<'_>, id: &TaskId) -> Outcome<bool> {
    let mut delete = tx.prepare(sql::GROUP_DELETE)?;
    let ended = delete.query_row([id.as_str()], |row| row.get::<_, Option<i64>>(0)).optional()?;
    Ok(ended.is_some_and(|ends| ends.is_none_or(|at| at > tx.now.as_millis())))
}

/// Deletes a slice of what has expired; how many rows of the kind that had most.
pub(super) fn expire(tx: &Tx<'_>, slice: &[&dyn rusqlite::ToSql]) -> Outcome<usize> {
    let parts = tx.prepare(sql::CHORD_PART_EXPIRE)?.execute(slice)?;
    let chords = tx.prepare(sql::CHORD_EXPIRE)?.execute(slice)?;
    let groups = tx.prepare(sql::GROUP_EXPIRE)?.execute(slice)?;
    Ok(parts.max(chords).max(groups))
}
