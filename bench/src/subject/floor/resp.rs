//! The barest client: a socket, commands written into a buffer, replies read in their order.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Outcome;

#[derive(Debug)]
pub(super) enum Reply {
    Number(i64),
    Bytes(Option<Vec<u8>>),
    Array(Vec<Reply>),
}

impl Reply {
    /// All texts in it, however deep.
    pub(super) fn texts(self, into: &mut Vec<Vec<u8>>) {
        match self {
            Self::Bytes(Some(bytes)) => into.push(bytes),
            Self::Array(items) => items.into_iter().for_each(|item| item.texts(into)),
            _ => {}
        }
    }
}

pub(super) struct Bare {
    stream: BufReader<TcpStream>,
    out: Vec<u8>,
    waiting: usize,
}

impl Bare {
    pub(super) fn connect(port: u16) -> Outcome<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { stream: BufReader::with_capacity(1 << 16, stream), out: Vec::new(), waiting: 0 })
    }

    /// Adds a command to what is sent next.
    pub(super) fn add(&mut self, words: &[&[u8]]) {
        self.begin(words.len());
        words.iter().for_each(|word| self.word(word));
    }

    /// Begins a command of so many words.
    pub(super) fn begin(&mut self, words: usize) {
        self.out.extend_from_slice(format!("*{words}\r\n").as_bytes());
        self.waiting += 1;
    }

    pub(super) fn word(&mut self, word: &[u8]) {
        self.out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        self.out.extend_from_slice(word);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Sends what was added.
    pub(super) fn send(&mut self) -> Outcome<()> {
        self.stream.get_mut().write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Sends, and reads all replies.
    pub(super) fn exchange(&mut self) -> Outcome<Vec<Reply>> {
        self.send()?;
        let waiting = std::mem::take(&mut self.waiting);
        (0..waiting).map(|_| self.reply()).collect()
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        if line.is_empty() {
            return Err("the server closed the connection".into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn reply(&mut self) -> Outcome<Reply> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).ok_or("an empty reply")?;
        Ok(match kind {
            "-" => return Err(format!("redis: {rest}").into()),
            ":" => Reply::Number(rest.parse()?),
            "+" => Reply::Bytes(Some(rest.as_bytes().to_vec())),
            "$" => {
                let length: i64 = rest.parse()?;
                match usize::try_from(length) {
                    Err(_) => Reply::Bytes(None),
                    Ok(length) => {
                        let mut bytes = vec![0; length + 2];
                        self.stream.read_exact(&mut bytes)?;
                        bytes.truncate(length);
                        Reply::Bytes(Some(bytes))
                    }
                }
            }
            "*" => {
                let count: i64 = rest.parse()?;
                Reply::Array((0..count).map(|_| self.reply()).collect::<Outcome<_>>()?)
            }
            _ => return Err(format!("not a reply: {line}").into()),
        })
    }
}
