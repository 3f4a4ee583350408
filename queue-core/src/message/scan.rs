//! Walks JSON texts: checks them and cuts them into parts, without building anything.
//!
//! The grammar is RFC 8259 plus what Python's `json` writes and reads besides: `NaN`, `Infinity`, `-Infinity`. The walk
//! is iterative (nesting costs a bit, not a stack frame) and linear, and stops at a given depth.

use std::borrow::Cow;

use super::error::DecodeError;
use super::json::JsonRef;
use super::text;

/// Where and why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) kind: FaultKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    Expected(&'static str),
    TooDeep(usize),
}

impl Fault {
    /// The same for people: `part` names the text.
    #[cold]
    pub(crate) fn of(self, part: &'static str, text: &str) -> DecodeError {
        match self.kind {
            FaultKind::TooDeep(limit) => DecodeError::TooDeep { part, at: self.at, limit },
            FaultKind::Expected(expected) => {
                let found = match text.get(self.at..) {
                    Some("") | None => "the end".to_owned(),
                    Some(rest) => format!("`{}`", text::shorten(rest, 24)),
                };
                DecodeError::Json { part, at: self.at, expected, found }
            }
        }
    }
}

/// Which brackets are open, one bit each: set for an object.
#[derive(Default)]
struct Nesting {
    depth: usize,
    bits: u64,
    spilled: Vec<u64>,
}

impl Nesting {
    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.spilled.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth > 0
            && self.depth.is_multiple_of(64)
            && let Some(bits) = self.spilled.pop()
        {
            self.bits = bits;
        }
    }

    fn in_object(&self) -> bool {
        self.bits & 1 == 1
    }
}

/// A place in a JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    max_depth: usize,
    /// Whether the last string had escapes.
    escaped: bool,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, max_depth: usize) -> Self {
        Self { text, at: 0, max_depth, escaped: false }
    }

    /// Walks a text that was checked before.
    pub(crate) fn trusted(text: JsonRef<'a>) -> Self {
        Self::new(text.as_str(), usize::MAX)
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The text from `start` up to here.
    pub(crate) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    /// From here to the end.
    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The text between two offsets that this scanner said.
    pub(crate) fn between(&self, start: usize, end: usize) -> &'a str {
        &self.text[start..end]
    }

    /// Goes past `run`, exactly as it is, if it comes next.
    pub(crate) fn run(&mut self, run: &'static str) -> Option<()> {
        let here = self.text.as_bytes().get(self.at..)?;
        here.starts_with(run.as_bytes()).then(|| self.at += run.len())
    }

    /// The next byte that is no white space, which is skipped.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        if self.peek().is_some() { self.expected("the end") } else { Ok(()) }
    }

    /// Goes past `byte` if it is next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    /// Goes past the opening `{`.
    pub(crate) fn open_object(&mut self) -> Result<(), Fault> {
        if self.eat(b'{') { Ok(()) } else { self.expected("an object") }
    }

    /// Goes past the opening `[`.
    pub(crate) fn open_array(&mut self) -> Result<(), Fault> {
        if self.eat(b'[') { Ok(()) } else { self.expected("an array") }
    }

    /// The next key of the object that was opened; the scanner is then before its value. `None` past the closing `}`.
    /// `first` is true before the first key.
    pub(crate) fn plain_key(&mut self, first: &mut bool) -> Result<Option<Cow<'a, str>>, Fault> {
        let Some(key) = self.key(first)? else { return Ok(None) };
        Ok(Some(if self.escaped { text::unescape_lossy(key) } else { Cow::Borrowed(key) }))
    }

    /// As [`Scanner::plain_key`], but as it stands between its quotes.
    pub(crate) fn key(&mut self, first: &mut bool) -> Result<Option<&'a str>, Fault> {
        match self.peek() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b',') if !*first => self.at += 1,
            _ if !*first => return self.expected("`,` or `}`"),
            _ => {}
        }
        *first = false;
        self.key_and_colon().map(Some)
    }

    /// Whether another element of the array that was opened comes next.
    pub(crate) fn element(&mut self, first: &mut bool) -> Result<bool, Fault> {
        if self.eat(b']') {
            return Ok(false);
        }
        if !std::mem::take(first) && !self.eat(b',') {
            return self.expected("`,` or `]`");
        }
        Ok(true)
    }

    /// The next value, whatever it is, as it stands.
    pub(crate) fn value(&mut self) -> Result<&'a str, Fault> {
        let next = self.peek();
        let start = self.at;
        // Most values are texts or numbers, for which nothing has to be remembered.
        match next {
            Some(b'"') => {
                self.string()?;
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            // Nor for what is empty; `skip` looks at the limit first.
            Some(b'{') if self.max_depth > 0 && self.run("{}").is_some() => {}
            Some(b'[') if self.max_depth > 0 && self.run("[]").is_some() => {}
            _ => self.skip()?,
        }
        Ok(self.since(start))
    }

    fn skip(&mut self) -> Result<(), Fault> {
        let mut open = Nesting::default();
        loop {
            match self.peek() {
                Some(b'{') => {
                    self.open(&mut open, true)?;
                    if !self.eat(b'}') {
                        self.key_and_colon()?;
                        continue;
                    }
                    open.pop();
                }
                Some(b'[') => {
                    self.open(&mut open, false)?;
                    if !self.eat(b']') {
                        continue;
                    }
                    open.pop();
                }
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                _ => self.word()?,
            }
            if self.close(&mut open)? {
                return Ok(());
            }
        }
    }

    fn open(&mut self, open: &mut Nesting, object: bool) -> Result<(), Fault> {
        if open.depth >= self.max_depth {
            return Err(Fault { at: self.at, kind: FaultKind::TooDeep(self.max_depth) });
        }
        self.at += 1;
        open.push(object);
        Ok(())
    }

    /// After a value: closes what ends here. True when nothing is open any more; false when a value follows.
    fn close(&mut self, open: &mut Nesting) -> Result<bool, Fault> {
        while open.depth > 0 {
            let object = open.in_object();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    if object {
                        self.key_and_colon()?;
                    }
                    return Ok(false);
                }
                Some(b'}') if object => self.at += 1,
                Some(b']') if !object => self.at += 1,
                _ => return self.expected(if object { "`,` or `}`" } else { "`,` or `]`" }),
            }
            open.pop();
        }
        Ok(true)
    }

    fn key_and_colon(&mut self) -> Result<&'a str, Fault> {
        if self.peek() != Some(b'"') {
            return self.expected("a key in quotes");
        }
        let key = self.string()?;
        if self.eat(b':') { Ok(key) } else { self.expected("`:`") }
    }

    /// Goes past a string; what stands between its quotes.
    fn string(&mut self) -> Result<&'a str, Fault> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        self.at = start;
        self.escaped = false;
        loop {
            self.at = text::next_special(bytes, self.at);
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at - 1]);
                }
                Some(b'\\') => {
                    self.escaped = true;
                    self.escape()?;
                }
                Some(_) => return self.expected("no control character in a string"),
                None => return self.expected("the closing `\"` of a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let bytes = self.text.as_bytes();
        match bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = bytes.get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return self.expected("four hexadecimal digits after `\\u`");
                }
                self.at += 6;
            }
            _ => return self.expected("an escape such as `\\n` or `\\u00e9`"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        let bytes = self.text.as_bytes();
        if bytes[self.at] == b'-' {
            self.at += 1;
            if bytes.get(self.at) == Some(&b'I') {
                return self.word();
            }
        }
        if bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        match rest.iter().take_while(|byte| byte.is_ascii_digit()).count() {
            0 => self.expected("a digit"),
            count => {
                self.at += count;
                Ok(())
            }
        }
    }

    fn word(&mut self) -> Result<(), Fault> {
        const WORDS: [&str; 5] = ["null", "true", "false", "NaN", "Infinity"];
        let rest = &self.text.as_bytes()[self.at..];
        match WORDS.iter().find(|word| rest.starts_with(word.as_bytes())) {
            Some(word) => {
                self.at += word.len();
                Ok(())
            }
            None => self.expected("a value"),
        }
    }

    #[cold]
    fn expected<T>(&self, what: &'static str) -> Result<T, Fault> {
        Err(Fault { at: self.at, kind: FaultKind::Expected(what) })
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
