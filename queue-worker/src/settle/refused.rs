//! What becomes of a delivery whose end the store refuses, however often it is asked: a result too large, a key of another type
//! where something is to be sent to.
//!
//! It fails instead, and all that follows is told, or whoever waits there would wait for ever. What the store refused may be
//! among that: so less and less of it is tried, down to the dead letter alone. What had failed already, or was revoked, keeps its own
//! words where they can be stored.

use queue_core::store::{ChordStep, DeadLetter, DeadReason, Ending, Settled, Settlement, StoreError};

use super::batch::Origin;
use super::{Settler, in_one};
use crate::emitter::Telling;
use crate::health::Health;
use crate::health::tally::Outcome;
use crate::jobs::Held;
use crate::logging::causes;

/// Makes, for a job and the words of the store that refused its end, the failure to end it with, and what is to be told of it.
pub(crate) type Failing = dyn Fn(&Held, &str) -> (Settlement, Telling) + Send + Sync;

impl Settler {
    /// Ends a delivery as a failure whose own end the store refuses.
    pub(super) async fn set_aside(
        &self,
        settlement: Settlement,
        origin: Origin,
        refusal: &StoreError,
        failing: &Failing,
    ) {
        let error = causes(refusal).to_string();
        let (queue, task, id) = (&origin.queue, origin.task(), origin.id());
        tracing::error!(%queue, task, id, error, "the store refused the end of this task");
        // It may be its errback that cannot be sent, or its chord that cannot count it.
        let own = if origin.has_failed(&settlement) { fewer(&settlement) } else { Vec::new() };
        for end in own {
            if let Ok(answers) = self.send(std::slice::from_ref(&end), &mut None).await {
                return origin.log(in_one(&answers), &self.health);
            }
        }
        let letter = origin.letter(in_words(&error), &settlement.ending);
        let (failure, telling) = origin.held.as_deref().map(|held| failing(held, &error)).unzip();
        let mut last = error;
        for end in lesser(settlement, failure, letter) {
            match self.send(std::slice::from_ref(&end), &mut None).await {
                Ok(answers) => return origin.failed(in_one(&answers), telling.unwrap_or_default(), &self.health),
                Err(error) => last = causes(&error).to_string(),
            }
        }
        tracing::error!(
            %queue, task, id, error = last,
            "the store refused to keep it aside too: it runs again after this worker has ended"
        );
    }
}

impl Origin {
    /// Whether `refused`, its end, is a failure or a revocation, which keeps its words with less that goes elsewhere.
    fn has_failed(&self, refused: &Settlement) -> bool {
        let revoked = matches!(self.counted, Some((_, Outcome::Revoked)));
        let chord = refused.chord_end.as_ref().is_some_and(|end| end.failed);
        matches!(refused.ending, Ending::Dead(_)) || revoked || chord
    }

    /// As [`Origin::log`], of one that ended as a failure instead. Who waits for what it asked hears that this is not so.
    fn failed(self, answer: Settled, telling: Telling, health: &Health) {
        let counted = self.counted.map(|(tally, _)| (tally, Outcome::Dead(DeadReason::Failed)));
        Self { counted, telling, answer: None, ..self }.log(answer, health);
    }
}

/// What the store said, for people.
pub(crate) fn in_words(refusal: &str) -> String {
    format!("the store refused the end of this task: {refusal}")
}

/// What may be settled instead of what was refused, from all that should be told to the least.
fn lesser(refused: Settlement, failure: Option<Settlement>, letter: DeadLetter) -> Vec<Settlement> {
    let mut all = Vec::new();
    let bare = Settlement {
        ending: Ending::Dead(Box::new(letter)),
        results: Vec::new(),
        follow: Vec::new(),
        chords: Vec::new(),
        chord_end: None,
        early: refused.early.or_else(|| failure.as_ref()?.early.clone()),
        ..refused
    };
    if let Some(failure) = failure {
        // The same delivery, and the same name of its end: of the two only one can happen.
        let failure = Settlement { tag: bare.tag.clone(), once: bare.once.clone(), ..failure };
        let fewer = fewer(&failure);
        all.push(failure);
        all.extend(fewer);
    }
    all.push(bare);
    all
}

/// The same end with less that goes elsewhere: without what it sends, without what it tells its chord, without both.
fn fewer(end: &Settlement) -> Vec<Settlement> {
    let apart = || Settlement { chords: Vec::new(), ..end.clone() };
    let (sends, counts) = (!end.follow.is_empty(), !end.chords.is_empty());
    let all = [sends.then(|| silent(end.clone())), counts.then(apart), (sends && counts).then(|| silent(apart()))];
    all.into_iter().flatten().collect()
}

/// Without what it sends, and the chords of that.
fn silent(mut settlement: Settlement) -> Settlement {
    settlement.follow.clear();
    settlement.chords.retain(|step| matches!(step, ChordStep::Part(_)));
    settlement
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use queue_core::store::{ChordPart, Outgoing, StoredResult};
    use queue_core::{Priority, QueueName, TaskId};

    use super::*;

    fn outgoing() -> Outgoing {
        let (queue, id) = (QueueName::celery(), TaskId::random());
        Outgoing { queue, priority: Priority::new(0), due: None, id, task: "t".into(), payload: Bytes::new() }
    }

    fn part() -> ChordStep {
        let (group, token, id) = ("g".to_owned(), "t".to_owned(), TaskId::random());
        let dispatch = outgoing();
        ChordStep::Part(ChordPart { group, id, index: None, member: Bytes::new(), ttl: None, token, dispatch })
    }

    fn dead(error: &str) -> Ending {
        let (error, worker) = (error.to_owned(), String::new());
        let letter = DeadLetter { id: None, task: None, reason: DeadReason::Failed, error, retries: 0, worker };
        Ending::Dead(Box::new(letter))
    }

    fn letter() -> DeadLetter {
        let Ending::Dead(letter) = dead("bare") else { unreachable!() };
        *letter
    }

    /// With whose words, and how many results, messages and parts.
    fn shapes(all: &[Settlement]) -> Vec<(String, usize, usize, usize)> {
        let shape = |one: &Settlement| {
            let Ending::Dead(letter) = &one.ending else { panic!("it is kept aside") };
            (letter.error.clone(), one.results.len(), one.follow.len(), one.chords.len())
        };
        all.iter().map(shape).collect()
    }

    fn told(words: &str) -> Settlement {
        let results = vec![StoredResult { id: TaskId::random(), meta: Bytes::new(), ttl: None }];
        Settlement {
            ending: dead(words),
            results,
            follow: vec![outgoing()],
            chords: vec![part()],
            ..Settlement::early()
        }
    }

    #[test]
    fn less_and_less_is_told() {
        let refused = Settlement { ending: Ending::Done, ..told("") };
        let once = refused.once.clone();
        let all = lesser(refused, Some(told("failed")), letter());
        let failed = |follow, chords| ("failed".to_owned(), 1, follow, chords);
        let expected = [failed(1, 1), failed(0, 1), failed(1, 0), failed(0, 0), ("bare".to_owned(), 0, 0, 0)];
        assert_eq!(shapes(&all), expected);
        assert!(all.iter().all(|one| one.once == once), "only one of them can happen");
    }

    #[test]
    fn what_was_no_message_is_only_kept_aside() {
        let refused = Settlement { follow: Vec::new(), ..told("own") };
        assert_eq!(shapes(&lesser(refused, None, letter())), [("bare".to_owned(), 0, 0, 0)]);
    }
}
