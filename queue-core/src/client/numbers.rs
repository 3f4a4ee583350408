//! The numbers of a client's calls: see [`SendNumber`].

use std::sync::{Arc, Mutex, PoisonError};

use crate::store::SendNumber;

/// A client's lanes. There are as many as there were calls at once.
#[derive(Debug)]
pub(super) struct Numbers {
    producer: Arc<str>,
    free: Mutex<Vec<SendNumber>>,
    made: Mutex<u32>,
}

/// A lane that one call has for itself. When the call is over, however it ended, the lane's next number is another call's.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    numbers: &'a Numbers,
    number: SendNumber,
}

impl Default for Numbers {
    fn default() -> Self {
        let producer = uuid::Uuid::new_v4().simple().to_string().into();
        Self { producer, free: Mutex::default(), made: Mutex::new(0) }
    }
}

impl Numbers {
    /// A number for a call.
    pub(super) fn take(&self) -> Taken<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let number = free.unwrap_or_else(|| {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            *made = made.saturating_add(1);
            SendNumber { producer: self.producer.clone(), lane: *made, number: 1 }
        });
        Taken { numbers: self, number }
    }
}

impl Taken<'_> {
    /// The number.
    pub(super) fn get(&self) -> &SendNumber {
        &self.number
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let next = SendNumber { number: self.number.number + 1, ..self.number.clone() };
        self.numbers.free.lock().unwrap_or_else(PoisonError::into_inner).push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_one_calls_at_a_time_and_its_numbers_grow() {
        let numbers = Numbers::default();
        let (first, second) = (numbers.take(), numbers.take());
        assert_eq!((first.get().lane, first.get().number), (1, 1));
        assert_eq!((second.get().lane, second.get().number), (2, 1));
        drop(first);
        let third = numbers.take();
        assert_eq!((third.get().lane, third.get().number), (1, 2));
        assert_eq!(third.get().producer, second.get().producer);
        assert_ne!(Numbers::default().producer, numbers.producer);
    }
}
