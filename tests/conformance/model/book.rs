//! The model: what went in, what was tried to end it, what was seen of it.
//!
//! Each try to settle a message carries a mark of its own (a follow-up message, or the error of a dead letter), so that
//! the world shows which tries happened, whatever the store answered.

use std::collections::{BTreeMap, BTreeSet};

/// What the store said of one try to settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    /// Refused, or failed for certain.
    Not,
    /// An error, or a dropped future: it may have happened.
    Unknown,
}

/// One try to settle `message`.
#[derive(Debug)]
pub(crate) struct Try {
    message: String,
    mark: String,
    answer: Answer,
}

/// At least, and at most.
#[derive(Debug, Default, Clone, Copy)]
struct Count(usize, usize);

/// All that is known. Messages are known by their labels.
#[derive(Debug, Default)]
pub(crate) struct Book {
    put_in: BTreeMap<String, Count>,
    taken_out: BTreeMap<String, Count>,
    tries: Vec<Try>,
    seen: BTreeSet<String>,
    results: BTreeMap<String, String>,
    labels: usize,
}

impl Book {
    /// A label that was never used.
    pub(crate) fn label(&mut self, kind: char) -> String {
        self.labels += 1;
        format!("{kind}{}", self.labels)
    }

    /// A message went in; `None`: perhaps.
    pub(crate) fn put(&mut self, label: &str, answer: Answer) {
        add(self.put_in.entry(label.to_owned()).or_default(), answer);
    }

    /// A message was deleted, or finished without a mark.
    pub(crate) fn take(&mut self, label: &str, answer: Answer) {
        add(self.taken_out.entry(label.to_owned()).or_default(), answer);
    }

    /// A settlement is about to be tried. It gets its number.
    pub(crate) fn attempt(&mut self, message: &str, mark: &str) -> usize {
        self.tries.push(Try { message: message.to_owned(), mark: mark.to_owned(), answer: Answer::Not });
        self.tries.len() - 1
    }

    /// What was said of a try; what once was unknown stays so, unless it is said to have happened now.
    pub(crate) fn answer(&mut self, number: usize, answer: Answer) {
        let told = &mut self.tries[number].answer;
        *told = match (*told, answer) {
            (Answer::Done, Answer::Done) => panic!("settled twice: {:?}", self.tries[number]),
            (Answer::Done, _) | (_, Answer::Done) => Answer::Done,
            (Answer::Unknown, _) | (_, Answer::Unknown) => Answer::Unknown,
            (Answer::Not, Answer::Not) => Answer::Not,
        };
    }

    /// A message, or the mark of a dead letter, was seen in the world.
    pub(crate) fn see(&mut self, label: &str) {
        self.seen.insert(label.to_owned());
    }

    /// What is stored as a message's result in the end.
    pub(crate) fn result(&mut self, label: &str, mark: String) {
        self.results.insert(label.to_owned(), mark);
    }

    /// All messages that may have a result.
    pub(crate) fn messages(&self) -> BTreeSet<String> {
        self.tries.iter().map(|attempt| attempt.message.clone()).collect()
    }

    /// The model. To be asked when nothing is left in the store.
    pub(crate) fn check(&self) {
        let mut ends: BTreeMap<&str, Count> = BTreeMap::new();
        let mut starts: BTreeMap<&str, Count> =
            self.put_in.iter().map(|(label, count)| (label.as_str(), *count)).collect();
        self.taken_out.iter().for_each(|(label, count)| _ = ends.insert(label, *count));
        for attempt in &self.tries {
            let happened = self.seen.contains(&attempt.mark);
            assert!(happened || attempt.answer != Answer::Done, "accepted, and left no trace: {attempt:?}\n{self:#?}");
            assert!(!happened || attempt.answer != Answer::Not, "refused, and happened: {attempt:?}\n{self:#?}");
            if happened {
                add(ends.entry(&attempt.message).or_default(), Answer::Done);
                // A follow-up is a message of its own; the mark of a dead letter is none.
                if attempt.mark.starts_with('f') {
                    add(starts.entry(&attempt.mark).or_default(), Answer::Done);
                }
            }
        }
        for (label, Count(least, most)) in &starts {
            let Count(few, many) = ends.remove(label).unwrap_or_default();
            assert!(many >= *least, "`{label}` is lost: went in {least} times, ended {many}\n{self:#?}");
            assert!(few <= *most, "`{label}` was doubled: went in {most} times, ended {few}\n{self:#?}");
        }
        assert!(ends.is_empty(), "came from nowhere: {ends:?}\n{self:#?}");
        self.check_results();
    }

    fn check_results(&self) {
        for attempt in self.tries.iter().filter(|attempt| self.seen.contains(&attempt.mark)) {
            let stored = self.results.get(&attempt.message);
            assert!(stored.is_some(), "the result of {attempt:?} is missing");
        }
        for (label, mark) in &self.results {
            assert!(self.seen.contains(mark), "the result of `{label}` is of {mark}, which never happened\n{self:#?}");
        }
    }
}

fn add(count: &mut Count, answer: Answer) {
    match answer {
        Answer::Done => *count = Count(count.0 + 1, count.1 + 1),
        Answer::Unknown => count.1 += 1,
        Answer::Not => {}
    }
}
