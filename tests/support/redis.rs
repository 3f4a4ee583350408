//! A Redis server that lives as long as the test that needs it.
//!
//! `QUEUE_TEST_REDIS_URL` names a server for all tests of a run; without it each test process starts its own. A case
//! that turns a server's settings always starts one for itself.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A server on a free loopback port, with its files in a temporary directory; gone when dropped.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    shell: Child,
}

impl RedisServer {
    /// Starts one with these extra arguments, e.g. `["--maxmemory", "3mb"]`.
    pub fn start(extra: &[&str]) -> Self {
        for _ in 0..5 {
            if let Some(server) = Self::try_start(extra) {
                return server;
            }
        }
        panic!("redis-server does not start; is it installed? (`apt-get install redis-server`)");
    }

    /// Its URL, database 0.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sends one command on a connection of its own and gives the answer as it came (RESP).
    pub fn command(&self, words: &[&str]) -> String {
        ask(self.port, words).unwrap_or_else(|why| panic!("{words:?}: {why}"))
    }

    /// The same in another database than 0.
    pub fn command_in(&self, database: u8, words: &[&str]) -> String {
        let select = format!("SELECT {database}\r\n");
        let answer = ask_after(self.port, &select, words).unwrap_or_else(|why| panic!("{words:?}: {why}"));
        answer.strip_prefix("+OK\r\n").expect("there is such a database").to_owned()
    }

    fn try_start(extra: &[&str]) -> Option<Self> {
        // Not a `TempDir`: the shell below removes it, since statics are never dropped.
        let dir = tempfile::tempdir().unwrap().keep().display().to_string();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The server is killed when our end of the shell's pipe closes: also when this process is killed itself.
        let script = r#"trap "" INT TERM; redis-server "$@" </dev/null >/dev/null 2>&1 & server=$!; exec 2>/dev/null
            cat >/dev/null; kill -9 $server; wait $server; rm -rf "$0""#;
        let shell = Command::new("sh")
            .args(["-c", script, &dir, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &port.to_string(), "--dir", &dir])
            .args(extra)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let server = Self { port, shell };
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(10) {
            // Another test's server may have been faster to take the port.
            match ask(port, &["CONFIG", "GET", "dir"]) {
                Ok(answer) if answer.contains(&dir) || answer.contains("NOAUTH") => return Some(server),
                Ok(answer) if !answer.starts_with("-LOADING") => return None,
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        None
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Another server of this process's, started when first asked for.
pub(crate) fn other_redis() -> &'static RedisServer {
    static SERVER: OnceLock<RedisServer> = OnceLock::new();
    SERVER.get_or_init(|| RedisServer::start(&[]))
}

/// This process's server, started when first asked for.
pub fn shared_redis() -> &'static RedisServer {
    static SERVER: OnceLock<RedisServer> = OnceLock::new();
    SERVER.get_or_init(|| RedisServer::start(&[]))
}

/// The URL of the server for tests that share one.
pub fn redis_url() -> String {
    std::env::var("QUEUE_TEST_REDIS_URL").unwrap_or_else(|_| shared_redis().url())
}

fn ask(port: u16, words: &[&str]) -> std::io::Result<String> {
    ask_after(port, "", words)
}

/// As `ask`, after what stands `before` on the same connection.
fn ask_after(port: u16, before: &str, words: &[&str]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut request = format!("{before}*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    // The server closes after QUIT, so that the end of the answer is the end of the stream.
    request.push_str("QUIT\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.strip_suffix("+OK\r\n").unwrap_or(&answer).to_owned())
}
