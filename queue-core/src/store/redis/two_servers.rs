//! Settles where results and chords are on another server than messages: what may safely happen twice first, the delivery last.
//!
//! 1. Which deliveries stand? What does not stand stores nothing, and stays where it is.
//! 2. On the results' server: results, parts, and the claim to a chord that is to end. A crash from here on runs the task
//!    again, which stores the same once more and counts nothing twice.
//! 3. On the messages' server: the delivery goes, what follows comes, dispatches are leased, in one fenced step.
//! 4. On the results' server: the claim to a chord whose dispatch was leased is sure now, and chords that ended are forgotten. A
//!    crash before leaves a claim that a part which runs again takes over, and ended chords to expire.

use super::chord::{self, End};
use super::errors::unless_foreign;
use super::plain::Plain;
use super::settle::{self, Done, Names, Sent, add_dead, add_follow, add_results, add_tag, begin_call, settled};
use super::shared::Shared;
use crate::store::{
    ChordEnd, ChordPart, ChordStep, DeliveryTag, Ending, Settled, Settlement, StoreError, StoredResult,
};

/// See the module; `batch` is small enough for one call.
pub(super) async fn settle(shared: &Shared, batch: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
    let stand = standing(shared, batch.iter().map(|settlement| settlement.tag.as_ref())).await?;
    let prepared = prepare(shared, batch, &stand).await?;
    let answers = deliver(shared, batch, &prepared).await?;
    let done = batch.iter().zip(prepared).zip(&answers).filter(|(_, answer)| **answer == Settled::Done);
    let (ended, kept): (Vec<_>, Vec<_>) =
        done.map(|((one, ready), _)| (one.chord_end.as_deref(), ready.complete)).unzip();
    let (ended, kept) = (ended.into_iter().flatten().collect::<Vec<_>>(), kept.concat());
    if !(ended.is_empty() && kept.is_empty())
        && let Err(error) = tidy_up(shared, &ended, &kept).await
    {
        tracing::warn!(%error, "what is over of chords could not be written down");
    }
    Ok(answers)
}

/// See [`crate::store::Consumer::progress`].
pub(super) async fn progress(shared: &Shared, tag: &DeliveryTag, stored: &[StoredResult]) -> Result<bool, StoreError> {
    let stands = standing(shared, std::iter::once(Some(tag))).await? == [true];
    if stands {
        super::results::put(&shared.store, stored).await?;
    }
    Ok(stands)
}

/// Which deliveries are this worker's; one that was acknowledged early stands.
async fn standing<'a>(
    shared: &Shared,
    tags: impl Iterator<Item = Option<&'a DeliveryTag>>,
) -> Result<Vec<bool>, StoreError> {
    let mut pipe = redis::pipe();
    let asked: Vec<bool> = tags
        .map(|tag| {
            if let Some(tag) = tag {
                pipe.cmd("LPOS").arg(Shared::held_key(tag)).arg(&tag.payload[..]).arg("RANK").arg(-1);
            }
            tag.is_some()
        })
        .collect();
    if pipe.cmd_iter().next().is_none() {
        return Ok(asked.iter().map(|_| true).collect());
    }
    let found = shared.store.link.each::<Option<i64>>(pipe).await?.into_iter().map(unless_foreign);
    // A tombstone is no list. Any other refusal says nothing of the delivery.
    let mut found = found.collect::<Result<Vec<_>, _>>()?.into_iter().map(|place| place.flatten().is_some());
    Ok(asked.into_iter().map(|asked| !asked || found.next().unwrap_or(false)).collect())
}

/// What is known of one settlement before its delivery goes.
struct Prepared<'a> {
    /// The delivery was this worker's. Else nothing of it is stored, and it must not go either, should it be this worker's by now.
    stands: bool,
    /// Somebody else ends, or ended, the chord that was to end.
    taken: bool,
    /// Parts whose chord is complete.
    complete: Vec<&'a ChordPart>,
}

impl Prepared<'_> {
    /// What the caller is told where the messages' server answers so.
    fn told(&self, answer: Settled) -> Settled {
        match answer {
            _ if !self.stands => Settled::LeaseLost,
            Settled::Done if self.taken => Settled::ChordTaken,
            answer => answer,
        }
    }
}

/// The second step.
async fn prepare<'a>(
    shared: &Shared,
    batch: &'a [Settlement],
    stand: &[bool],
) -> Result<Vec<Prepared<'a>>, StoreError> {
    let mut call = begin_call(shared, &[], &Plain::default());
    let mut parts: Vec<(usize, &ChordPart)> = Vec::new();
    let mut asked = Vec::new();
    for (at, settlement) in batch.iter().enumerate().filter(|(at, settlement)| stand[*at] && has_results(settlement)) {
        add_tag(&mut call, &mut Names::default(), None, None);
        chord::add_end(&mut call, shared, settlement.chord_end.as_deref(), End::Claim);
        add_results(&mut call, shared, &settlement.results);
        chord::add_steps(&mut call, shared, &settlement.chords, &mut Vec::new());
        call.arg("0").arg("0");
        asked.push(at);
        parts.extend(settlement.chords.iter().filter_map(|step| match step {
            ChordStep::Part(part) => Some((at, part)),
            ChordStep::Begin(_) | ChordStep::Grow { .. } => None,
        }));
    }
    let mut prepared: Vec<_> =
        stand.iter().map(|stands| Prepared { stands: *stands, taken: false, complete: Vec::new() }).collect();
    if asked.is_empty() {
        return Ok(prepared);
    }
    let script = &shared.store.scripts.settle;
    let (_, reply, complete): Done = shared.store.results_link().script(script, &call).await?;
    for (at, answer) in asked.into_iter().zip(reply) {
        prepared[at].taken = settled(answer) == Settled::ChordTaken;
    }
    for (at, part) in complete.into_iter().filter_map(|number| parts.get(number - 1)) {
        prepared[*at].complete.push(part);
    }
    Ok(prepared)
}

fn has_results(settlement: &Settlement) -> bool {
    !settlement.results.is_empty() || !settlement.chords.is_empty() || settlement.chord_end.is_some()
}

/// The third step.
async fn deliver(shared: &Shared, batch: &[Settlement], prepared: &[Prepared<'_>]) -> Result<Vec<Settled>, StoreError> {
    let (mut names, mut claimable) = (Names::default(), Vec::new());
    // What of them is plain was seen to by the second step, or is ended like the others.
    let mut plain = Plain::none(batch);
    plain.place(shared, batch, None);
    let mut call = begin_call(shared, batch, &plain);
    for (settlement, prepared) in batch.iter().zip(prepared) {
        add_tag(&mut call, &mut names, settlement.tag.as_ref().filter(|_| prepared.stands), None);
        call.arg("").arg("0");
        chord::add_dispatches(&mut call, shared, &prepared.complete, &mut claimable);
        if prepared.taken || !prepared.stands {
            add_follow(&mut call, shared, &Settlement::early());
            add_dead(&mut call, shared, &Settlement { ending: Ending::Done, ..Settlement::early() });
        } else {
            add_follow(&mut call, shared, settlement);
            add_dead(&mut call, shared, settlement);
        }
    }
    let Sent::Answered(answers) = settle::send(shared, batch, &plain, &call, claimable, None).await? else {
        let source = "the script says that something stands elsewhere, of which nothing was told".into();
        return Err(StoreError::Refused { url: shared.store.connector.url.clone(), source });
    };
    Ok(answers.into_iter().zip(prepared).map(|(answer, prepared)| prepared.told(answer)).collect())
}

/// The fourth step.
async fn tidy_up(shared: &Shared, ended: &[&ChordEnd], kept: &[&ChordPart]) -> Result<(), StoreError> {
    let mut call = begin_call(shared, &[], &Plain::default());
    add_tag(&mut call, &mut Names::default(), None, None);
    call.arg("").arg("0");
    chord::add_kept(&mut call, &shared.store.keys, kept);
    call.arg("0").arg("0");
    for end in ended {
        add_tag(&mut call, &mut Names::default(), None, None);
        chord::add_end(&mut call, shared, Some(end), End::Whole);
        call.arg("0").arg("0").arg("0").arg("0");
    }
    let script = &shared.store.scripts.settle;
    shared.store.results_link().script::<redis::Value>(script, &call).await.map(drop)
}
