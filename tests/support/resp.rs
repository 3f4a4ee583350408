//! RESP 2, as far as a proxy reads it: where a value ends, and to which command an answer belongs.

use std::collections::VecDeque;
use std::sync::Mutex;

/// The length of the first value in `bytes`, once all of it is there.
pub(crate) fn value(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let number = || std::str::from_utf8(&bytes[1..line - 2]).unwrap().parse::<i64>().unwrap();
    match bytes[0] {
        b'$' => {
            let length = usize::try_from(number()).map_or(line, |text| line + text + 2);
            (bytes.len() >= length).then_some(length)
        }
        b'*' => (0..number()).try_fold(line, |at, _| Some(at + value(&bytes[at..])?)),
        _ => Some(line),
    }
}

/// The commands of one connection that wait for answers, in order, and what hangs on the first answer to each.
#[derive(Debug, Default)]
pub(crate) struct Asked<T>(Mutex<VecDeque<(usize, T)>>);

impl<T: Default> Asked<T> {
    /// A command goes to the server.
    pub(crate) fn ask(&self, command: &[u8], hangs: T) {
        self.0.lock().unwrap().push_back((answers(command), hangs));
    }

    /// A value has come from the server: what hangs on it. Nothing where it is a message that was published, for which
    /// nobody asked.
    pub(crate) fn answered(&self, value: &[u8]) -> T {
        let mut asked = self.0.lock().unwrap();
        let Some((left, hangs)) = asked.front_mut().filter(|_| !is_published(value)) else { return T::default() };
        let hangs = std::mem::take(hangs);
        *left -= 1;
        // What is refused has no other answers.
        if *left == 0 || value.starts_with(b"-") {
            asked.pop_front();
        }
        hangs
    }

    /// What hangs on answers that have not come.
    pub(crate) fn unanswered(self) -> impl Iterator<Item = T> {
        self.0.into_inner().unwrap().into_iter().map(|(_, hangs)| hangs)
    }
}

/// How many answers a command has: one for each channel that it names, if it is about such, else one.
fn answers(command: &[u8]) -> usize {
    let mut lines = command.split(|byte| *byte == b'\n');
    let (words, name) = (lines.next().unwrap_or_default(), lines.nth(1).unwrap_or_default());
    if !name.to_ascii_uppercase().ends_with(b"SUBSCRIBE\r") {
        return 1;
    }
    let words: usize = std::str::from_utf8(&words[1..]).unwrap().trim_end().parse().unwrap();
    (words - 1).max(1)
}

fn is_published(value: &[u8]) -> bool {
    value.starts_with(b"*3\r\n$7\r\nmessage\r\n") || value.starts_with(b"*4\r\n$8\r\npmessage\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_complete_or_not_there() {
        let all = b"*3\r\n$4\r\nLP\r\n\r\n$-1\r\n*1\r\n:7\r\n+OK\r\n";
        assert_eq!(value(all), Some(all.len() - 5));
        assert!((0..all.len() - 5).all(|cut| value(&all[..cut]).is_none()));
        assert_eq!(value(b"*-1\r\n*0\r\n"), Some(5));
        assert_eq!(value(b"-ERR no\r\n"), Some(9));
    }

    #[test]
    fn what_hangs_on_an_answer_comes_with_it() {
        let asked = Asked::default();
        asked.ask(b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n$1\r\nb\r\n", 1);
        asked.ask(b"*2\r\n$10\r\nPSUBSCRIBE\r\n$1\r\n*\r\n", 2);
        asked.ask(b"*1\r\n$4\r\nPING\r\n", 3);
        asked.ask(b"*1\r\n$4\r\nPING\r\n", 4);
        let subscribed = b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n";
        let message = b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n";
        let answers = [&subscribed[..], message, subscribed, b"-NOPERM no\r\n", message, b"*2\r\n"];
        assert_eq!(answers.map(|answer| asked.answered(answer)), [1, 0, 0, 2, 0, 3]);
        assert_eq!(asked.unanswered().collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn a_refusal_is_the_answer_for_all_channels() {
        let asked = Asked::default();
        asked.ask(b"*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n", 1);
        asked.ask(b"PING\r\n", 2);
        assert_eq!(
            [&b"-NOPERM no\r\n"[..], b"+PONG\r\n", b"+PONG\r\n"].map(|answer| asked.answered(answer)),
            [1, 2, 0]
        );
    }
}
