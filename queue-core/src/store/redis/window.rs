//! In which order this worker's messages lie in the store, so that a batch of ends is told by where it stands and not message by
//! message: each of them would be sent, hashed by Lua, listed and hashed again, which was more than half of a settle.
//!
//! A held list is its worker's own: only leases add to it, at one end, and what is noted here lies in it in this order. A batch that
//! is the other end of it, but for some that stay, is the *window* from the list's last message to the batch's last. The script
//! cuts the window off if the batch's last is as many messages from the end as here, and those that stay where they are here. Then
//! nothing else can be in it: the messages of the window all lie between, in this order, and fill it. Whatever else
//! was put into the list, and whatever is not in it any more, moves the last one, and the batch is told message by message.
//!
//! That holds for messages that came by leases of one connection, one call after another, since they lie in the list as they came, and
//! of which there is no second with the same bytes, since of two it is not known which goes. All others (a wait's, a chord's, those of an
//! earlier connection) are *unsure*: they may only stay, which is looked at. A message leaves this book before the request that takes
//! it out of the list goes, so that nothing here is missing there. And a server that lost its last second, or another that takes its
//! place, knows none of our connections: with a new one nothing of before is sure.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::store::DeliveryTag;

/// Fewer are told one by one: two texts are needed for a window.
pub(super) const FEW: usize = 4;
/// So many batches are told message by message after one that stood elsewhere.
const DOUBTS: u32 = 16;

/// See the module. By lane.
#[derive(Debug, Default)]
pub(super) struct HeldOrder(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    lanes: Vec<Line>,
    /// Leases under way.
    leasing: usize,
    /// Two of them were at once since there was none: which was first nobody knows.
    crowded: bool,
}

/// The messages of one held list, those first that came first.
#[derive(Debug, Default)]
struct Line {
    /// The connection they came by.
    age: Option<u64>,
    /// Under which name they are held.
    incarnation: Option<Arc<str>>,
    entries: VecDeque<Entry>,
    doubts: u32,
}

#[derive(Debug)]
struct Entry {
    row: i64,
    payload: Bytes,
    sure: bool,
}

/// Where a batch stands: the last so many of the held list, but for some.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) length: usize,
    /// What stays of them: how far from the end, from 1, and the message.
    pub(super) staying: Vec<(usize, Bytes)>,
}

/// A lease under way.
pub(super) struct Leasing<'a>(&'a HeldOrder);

impl Drop for Leasing<'_> {
    fn drop(&mut self) {
        let mut books = self.0.lock();
        books.leasing -= 1;
        books.crowded &= books.leasing > 0;
    }
}

impl HeldOrder {
    /// A lease is about to go.
    pub(super) fn leasing(&self) -> Leasing<'_> {
        let mut books = self.lock();
        books.leasing += 1;
        books.crowded |= books.leasing > 1;
        Leasing(self)
    }

    /// Notes what came into a lane's list under its present name: by a lease over the connection of this `age`, or in another way.
    /// Beside an equal one (`twin`) neither of them is sure.
    pub(super) fn note(&self, lane: usize, tag: &DeliveryTag, age: Option<u64>, twin: bool) {
        let mut books = self.lock();
        let sure = age.is_some() && !twin && !books.crowded;
        let line = books.line(lane);
        if !line.is_of(tag) {
            *line = Line { incarnation: Some(Arc::clone(&tag.incarnation)), ..Line::default() };
        }
        if age.is_some() && line.age != age {
            line.entries.iter_mut().for_each(|entry| entry.sure = false);
            line.age = age;
        }
        if twin {
            line.entries.iter_mut().filter(|entry| entry.payload == tag.payload).for_each(|entry| entry.sure = false);
        }
        line.entries.push_back(Entry { row: tag.row, payload: tag.payload.clone(), sure });
    }

    /// Where these stand, which are in the order of their deliveries and held under one name; `None` to tell them one by one. They
    /// are about to be taken out of the list, by the connection of this `age`, and are forgotten.
    pub(super) fn window(&self, lane: usize, age: u64, tags: &[&DeliveryTag]) -> Option<Window> {
        let mut books = self.lock();
        let line = books.line(lane);
        let window = if line.is_believed(age) { line.window(tags) } else { None };
        line.forget(&tags.iter().map(|tag| tag.row).collect::<Vec<_>>());
        window
    }

    /// These are about to be taken out of the list.
    pub(super) fn forget(&self, lane: usize, tags: &[&DeliveryTag]) {
        let mut rows: Vec<i64> = tags.iter().map(|tag| tag.row).collect();
        rows.sort_unstable();
        self.lock().line(lane).forget(&rows);
    }

    /// A batch did not stand where it should.
    pub(super) fn doubt(&self, lane: usize) {
        self.lock().line(lane).doubts = DOUBTS;
    }

    /// Nothing is known any more of what the lane holds.
    pub(super) fn clear(&self, lane: usize) {
        *self.lock().line(lane) = Line::default();
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn line(&mut self, lane: usize) -> &mut Line {
        if self.lanes.len() <= lane {
            self.lanes.resize_with(lane + 1, Line::default);
        }
        &mut self.lanes[lane]
    }
}

impl Line {
    fn is_of(&self, tag: &DeliveryTag) -> bool {
        self.incarnation.as_ref() == Some(&tag.incarnation)
    }

    fn is_believed(&mut self, age: u64) -> bool {
        let doubted = self.doubts > 0;
        self.doubts = self.doubts.saturating_sub(1);
        self.age == Some(age) && !doubted
    }

    fn window(&self, tags: &[&DeliveryTag]) -> Option<Window> {
        if tags.len() < FEW || !self.is_of(tags[0]) {
            return None;
        }
        let (mut left, mut staying) = (tags.iter().peekable(), Vec::new());
        for (at, entry) in self.entries.iter().enumerate() {
            if left.next_if(|tag| tag.row == entry.row).is_none() {
                staying.push((at + 1, entry.payload.clone()));
                if staying.len() * 4 > tags.len() {
                    return None;
                }
            } else if !entry.sure {
                return None;
            } else if left.peek().is_none() {
                return Some(Window { length: at + 1, staying });
            }
        }
        None
    }

    /// Takes out these rows, which are sorted.
    fn forget(&mut self, rows: &[i64]) {
        let mut left = rows.len();
        // Most that end are among the first.
        let mut kept = Vec::new();
        while left > 0
            && let Some(entry) = self.entries.pop_front()
        {
            match rows.binary_search(&entry.row) {
                Ok(_) => left -= 1,
                Err(_) => kept.push(entry),
            }
        }
        kept.into_iter().rev().for_each(|entry| self.entries.push_front(entry));
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
