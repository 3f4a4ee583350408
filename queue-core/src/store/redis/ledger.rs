//! What this process knows it holds, to be compared with what the store says it holds.
//!
//! A lease whose reply was lost, or whose future was dropped, leaves a message with a worker that never heard of it and
//! whose heartbeat would keep it for ever. Whatever the store lists and the ledger does not is such a message: it is adopted.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use foldhash::quality::RandomState;

/// Where a held message lies: which lane, and whether as a suspect.
pub(super) type Slot = (usize, bool);

/// How long a reply may be under way before what it brings counts as lost.
pub(super) const UNDER_WAY: Duration = Duration::from_millis(20);
/// On a host that is busy it comes later all the same: longer than any call waits for its reply.
const LATEST: Duration = Duration::from_secs(60);

/// What a lane's two lists hold: its ordinary messages, and its suspects.
pub(super) type Listed = [Vec<Bytes>; 2];

/// How often each message is known. Its bytes are hashed whole, three times per job: with a hash that is quick and seeded, since
/// whoever sends messages chooses them.
type Counts = HashMap<Bytes, usize, RandomState>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    known: HashMap<Slot, Counts, RandomState>,
    /// Unknown, and since when: adopted if still unknown a little later, since a reply may be under way.
    ghosts: HashMap<(Slot, Bytes), Instant>,
    /// Known but not listed, and since when: forgotten if still not listed at a later comparison.
    vanished: HashMap<(Slot, Bytes), Instant>,
    /// Adopted, how often and when: should the reply come after all, it brings nothing new.
    adopted: HashMap<(Slot, Bytes), (usize, Instant)>,
    /// See [`Ledger::has_forgotten`].
    forgotten: HashSet<Slot>,
    total: usize,
}

impl Ledger {
    /// Notes a delivery that is being handed out. True when an equal one is known already: of two nobody can tell which goes when
    /// one is taken out of the list.
    pub(super) fn add(&self, slot: Slot, payload: &Bytes) -> bool {
        let mut books = self.lock();
        books.total += 1;
        let count = books.known.entry(slot).or_default().entry(payload.clone()).or_default();
        *count += 1;
        *count > 1
    }

    /// Notes a delivery that a reply brought. `None` when it was adopted before: then it is here already, or has come and gone, and
    /// the next comparison tells whether there is one more. Else whether an equal one is known already.
    pub(super) fn arrive(&self, slot: Slot, payload: &Bytes) -> Option<bool> {
        let news = {
            let mut books = self.lock();
            // Whatever an earlier comparison thought of it: here it is.
            if !books.ghosts.is_empty() {
                books.ghosts.remove(&(slot, payload.clone()));
            }
            books.is_news(slot, payload)
        };
        news.then(|| self.add(slot, payload))
    }

    /// Whether comparisons have forgotten something of this slot since this was asked last: it lay no more where it was known to.
    pub(super) fn has_forgotten(&self, slot: Slot) -> bool {
        self.lock().forgotten.remove(&slot)
    }

    /// Notes that a delivery is no longer held. True when it was known.
    pub(super) fn remove(&self, slot: Slot, payload: &Bytes) -> bool {
        let mut books = self.lock();
        let Some(lane) = books.known.get_mut(&slot) else { return false };
        // Nearly all are known once.
        match lane.remove(payload) {
            None => return false,
            Some(1) => {}
            Some(count) => {
                lane.insert(payload.clone(), count - 1);
            }
        }
        books.total -= 1;
        true
    }

    /// How many deliveries are known.
    pub(super) fn len(&self) -> usize {
        self.lock().total
    }

    /// Forgets a lane: its incarnation was reclaimed.
    pub(super) fn forget_lane(&self, lane: usize) {
        let mut books = self.lock();
        for suspect in [false, true] {
            let gone = books.known.remove(&(lane, suspect)).map_or(0, |known| known.values().sum());
            books.total -= gone;
            books.adopted.retain(|(slot, _), _| *slot != (lane, suspect));
        }
    }

    /// Compares with what the store listed of a lane when it was `asked`, ordinary messages and suspects apart; it is `now`. Returns
    /// what to adopt of either (unknown for a while; from now on it is known), and whether there is something to look at again later.
    ///
    /// A list may be old when it is looked at: what it says of a message counts only if it was asked for after the message was
    /// first missed.
    pub(super) fn compare(&self, lane: usize, listed: Listed, asked: Instant, now: Instant) -> (Listed, bool) {
        let slots = [(lane, false), (lane, true)];
        let mut books = self.lock();
        let mut known = slots.map(|slot| books.known.get(&slot).cloned().unwrap_or_default());
        let mut strange = listed;
        for (of, counts) in strange.iter_mut().zip(&mut known) {
            of.retain(|payload| !take_one(counts, payload));
        }
        // Absolved, and the reply is under way or lost: known as the suspect it was, and its body runs.
        strange[0].retain(|payload| !take_one(&mut known[1], payload));
        let (mut adopted, mut again) = (Listed::default(), false);
        for ((slot, of), (strange, unlisted)) in slots.into_iter().zip(&mut adopted).zip(strange.into_iter().zip(known))
        {
            books.forget_vanished(slot, unlisted, asked, now);
            *of = books.adopt(slot, strange, asked, now);
            again |= books.ghosts.keys().any(|(other, _)| *other == slot);
        }
        (adopted, again)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes one of these messages away; false where there is none.
fn take_one(counts: &mut Counts, payload: &Bytes) -> bool {
    match counts.get_mut(payload) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    }
}

impl Books {
    /// Whether a reply brings what nobody has adopted.
    fn is_news(&mut self, slot: Slot, payload: &Bytes) -> bool {
        // Nearly always: then nobody need look at the clock.
        if self.adopted.is_empty() {
            return true;
        }
        let now = Instant::now();
        self.adopted.retain(|_, (_, since)| now.duration_since(*since) < LATEST);
        let key = (slot, payload.clone());
        let Some((count, _)) = self.adopted.get_mut(&key) else { return true };
        *count -= 1;
        if *count == 0 {
            self.adopted.remove(&key);
        }
        false
    }

    /// Of what is listed under `slot` and not known, takes in what stays so, and remembers the rest.
    fn adopt(&mut self, slot: Slot, strange: Vec<Bytes>, asked: Instant, now: Instant) -> Vec<Bytes> {
        let (mut adopted, mut ghosts) = (Vec::new(), HashMap::new());
        for payload in strange {
            match self.ghosts.get(&(slot, payload.clone())).copied() {
                Some(since) if asked.duration_since(since) >= UNDER_WAY => adopted.push(payload),
                since => {
                    ghosts.insert((slot, payload), since.unwrap_or(now));
                }
            }
        }
        self.ghosts.retain(|(other, _), _| *other != slot);
        self.ghosts.extend(ghosts);
        for payload in &adopted {
            *self.known.entry(slot).or_default().entry(payload.clone()).or_default() += 1;
            self.total += 1;
            let mark = self.adopted.entry((slot, payload.clone())).or_insert((0, now));
            *mark = (mark.0 + 1, now);
        }
        adopted
    }

    /// `unlisted` is what was known under `slot` and not listed. Settled a moment ago and the answer under way, or
    /// moved here since the list was read: then it is gone from here, or listed, by the next comparison.
    fn forget_vanished(&mut self, slot: Slot, unlisted: Counts, asked: Instant, now: Instant) {
        let mut still = HashMap::new();
        for (payload, count) in unlisted.into_iter().filter(|(_, count)| *count > 0) {
            let since = self.vanished.get(&(slot, payload.clone())).copied().unwrap_or(now);
            if asked.duration_since(since) < UNDER_WAY {
                still.insert((slot, payload), since);
                continue;
            }
            if let Some(lane) = self.known.get_mut(&slot)
                && let Some(known) = lane.get_mut(&payload)
            {
                *known -= count;
                self.total -= count;
                self.forgotten.insert(slot);
                if *known == 0 {
                    lane.remove(&payload);
                }
            }
        }
        self.vanished.retain(|(lane, _), _| *lane != slot);
        self.vanished.extend(still);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A comparison whose list is fresh.
    fn compare(ledger: &Ledger, slot: Slot, listed: Vec<Bytes>, now: Instant) -> (Vec<Bytes>, bool) {
        compare_old(ledger, slot, listed, now, now)
    }

    /// A comparison with a lane whose other list is empty.
    fn compare_old(
        ledger: &Ledger,
        (lane, suspect): Slot,
        listed: Vec<Bytes>,
        asked: Instant,
        now: Instant,
    ) -> (Vec<Bytes>, bool) {
        let mut lists = Listed::default();
        lists[usize::from(suspect)] = listed;
        let (mut adopted, again) = ledger.compare(lane, lists, asked, now);
        (std::mem::take(&mut adopted[usize::from(suspect)]), again)
    }

    #[test]
    fn what_stays_unknown_is_adopted_once() {
        let (ledger, start) = (Ledger::default(), Instant::now());
        let (known, lost) = (Bytes::from("known"), Bytes::from("lost"));
        ledger.add((0, false), &known);
        let listed = || vec![known.clone(), lost.clone()];
        assert_eq!(compare(&ledger, (0, false), listed(), start), (vec![], true));
        assert_eq!(compare(&ledger, (0, false), listed(), start + UNDER_WAY / 2), (vec![], true));
        assert_eq!(compare(&ledger, (0, false), listed(), start + UNDER_WAY), (vec![lost.clone()], false));
        assert_eq!(compare(&ledger, (0, false), listed(), start + UNDER_WAY * 2), (vec![], false));
        assert_eq!(ledger.len(), 2);
    }

    #[test]
    fn a_reply_that_arrives_late_is_not_adopted() {
        let (ledger, start) = (Ledger::default(), Instant::now());
        let late = Bytes::from("late");
        assert_eq!(compare(&ledger, (0, false), vec![late.clone()], start), (vec![], true));
        ledger.add((0, false), &late);
        assert_eq!(compare(&ledger, (0, false), vec![late], start + UNDER_WAY), (vec![], false));
    }

    /// A reply may be later than anybody expects: what it brings was adopted, and must not be handed out twice.
    #[test]
    fn a_reply_that_comes_after_the_adoption_brings_nothing() {
        let (ledger, start) = (Ledger::default(), Instant::now());
        let late = Bytes::from("late");
        let listed = || vec![late.clone()];
        let _ = compare(&ledger, (0, false), listed(), start);
        assert_eq!(compare(&ledger, (0, false), listed(), start + UNDER_WAY), (listed(), false));
        assert_eq!(ledger.arrive((0, false), &late), None);
        assert_eq!((ledger.len(), compare(&ledger, (0, false), listed(), start + UNDER_WAY * 2)), (1, (vec![], false)));
        // The same bytes once more are news.
        assert_eq!(ledger.arrive((0, false), &late), Some(true));
        assert_eq!(ledger.len(), 2);
    }

    /// Taken for the late one, a message that has the same bytes is found by the next comparisons.
    #[test]
    fn one_that_is_taken_for_a_late_reply_is_found_again() {
        let (ledger, start) = (Ledger::default(), Instant::now());
        let twin = Bytes::from("twin");
        let listed = || vec![twin.clone()];
        let _ = compare(&ledger, (0, false), listed(), start);
        let _ = compare(&ledger, (0, false), listed(), start + UNDER_WAY);
        assert!(ledger.remove((0, false), &twin));
        assert_eq!(ledger.arrive((0, false), &twin), None);
        assert_eq!(compare(&ledger, (0, false), listed(), start + UNDER_WAY * 2), (vec![], true));
        assert_eq!(compare(&ledger, (0, false), listed(), start + UNDER_WAY * 3), (listed(), false));
    }

    /// A list that was asked for before the message ended, and comes after its end: no reason to run it again.
    #[test]
    fn an_old_list_brings_nothing_back() {
        let (ledger, start) = (Ledger::default(), Instant::now());
        let ended = Bytes::from("ended");
        let listed = || vec![ended.clone()];
        let at = |n: u32| start + UNDER_WAY * n;
        // Leased, and the reply is under way.
        let _ = compare(&ledger, (0, true), listed(), at(0));
        assert!(ledger.arrive((0, true), &ended) == Some(false) && ledger.remove((0, true), &ended));
        assert_eq!(compare_old(&ledger, (0, true), listed(), at(1), at(5)), (vec![], true));
        assert_eq!(compare_old(&ledger, (0, true), listed(), at(2), at(9)), (vec![], true));
        assert_eq!(compare_old(&ledger, (0, true), vec![], at(9), at(9)), (vec![], false));
    }

    /// Nor is one that was asked for before the message came a reason to forget it.
    #[test]
    fn an_old_list_forgets_nothing() {
        let (ledger, start) = (Ledger::default(), Instant::now());
        ledger.add((0, false), &Bytes::from("fresh"));
        let at = |n: u32| start + UNDER_WAY * n;
        let _ = compare_old(&ledger, (0, false), vec![], at(0), at(5));
        let _ = compare_old(&ledger, (0, false), vec![], at(1), at(9));
        assert_eq!(ledger.len(), 1);
        let _ = compare_old(&ledger, (0, false), vec![], at(9), at(9));
        assert_eq!(ledger.len(), 0);
    }

    /// A suspect that was absolved, and whose reply was lost, lies among the others: it runs, and is neither lost nor found.
    #[test]
    fn what_is_absolved_is_known_where_it_lies_now() {
        let (ledger, start) = (Ledger::default(), Instant::now());
        let suspect = Bytes::from("suspect");
        assert!(!ledger.add((0, true), &suspect));
        for n in 0..3 {
            let at = start + UNDER_WAY * n;
            let listed = [vec![suspect.clone()], vec![]];
            assert_eq!(ledger.compare(0, listed, at, at), (Listed::default(), false));
        }
        assert_eq!(ledger.len(), 1);
        // One more with the same bytes is another.
        let twins = || [vec![suspect.clone(), suspect.clone()], vec![]];
        let at = |n: u32| start + UNDER_WAY * n;
        assert_eq!(ledger.compare(0, twins(), at(3), at(3)), (Listed::default(), true));
        assert_eq!(ledger.compare(0, twins(), at(4), at(4)), ([vec![suspect.clone()], vec![]], false));
        // And so is one beside a suspect that lies where it is known.
        let (other, listed) = (Ledger::default(), || [vec![suspect.clone()], vec![suspect.clone()]]);
        other.add((0, true), &suspect);
        assert_eq!(other.compare(0, listed(), at(0), at(0)), (Listed::default(), true));
        assert_eq!(other.compare(0, listed(), at(1), at(1)), ([vec![suspect.clone()], vec![]], false));
    }

    #[test]
    fn equal_bytes_are_counted() {
        let (ledger, start) = (Ledger::default(), Instant::now());
        let twin = Bytes::from("twin");
        ledger.add((1, false), &twin);
        let _ = compare(&ledger, (1, false), vec![twin.clone(), twin.clone()], start);
        let (adopted, _) = compare(&ledger, (1, false), vec![twin.clone(), twin.clone()], start + UNDER_WAY);
        assert_eq!(adopted, vec![twin.clone()]);
        assert!(
            ledger.remove((1, false), &twin) && ledger.remove((1, false), &twin) && !ledger.remove((1, false), &twin)
        );
    }

    #[test]
    fn an_equal_one_is_told() {
        let ledger = Ledger::default();
        let twin = Bytes::from("twin");
        assert_eq!([0, 1, 1].map(|lane| ledger.arrive((lane, false), &twin)), [Some(false), Some(false), Some(true)]);
    }

    #[test]
    fn what_vanished_for_good_is_forgotten() {
        let (ledger, start) = (Ledger::default(), Instant::now());
        let gone = Bytes::from("gone");
        ledger.add((0, false), &gone);
        let _ = compare(&ledger, (0, false), vec![], start);
        assert!(ledger.len() == 1 && !ledger.has_forgotten((0, false)));
        let _ = compare(&ledger, (0, false), vec![], start + UNDER_WAY);
        assert!(ledger.len() == 0 && ledger.has_forgotten((0, false)) && !ledger.has_forgotten((0, false)));
    }
}
