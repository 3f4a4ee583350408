//! A Redis server that lives as long as the test that needs it.
//!
//! `QUEUE_TEST_REDIS_URL` names a server for all tests of a run; without it each test process starts its own. A case
//! that turns a server's settings always starts one for itself.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// A server on a free loopback port, with its files in a temporary directory; gone when dropped.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    dir: PathBuf,
    /// `None` while it is killed.
    shell: Mutex<Option<Child>>,
}

/// A server is not run while this lives; see [`RedisServer::nap`].
#[derive(Debug)]
#[must_use = "it wakes up when this is dropped"]
pub struct Nap(u32);

impl Drop for Nap {
    fn drop(&mut self) {
        crate::signal(self.0, "CONT");
    }
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

    /// Starts one that takes `DEBUG` commands.
    pub fn start_with_debug() -> Self {
        let version = Command::new("redis-server").arg("--version").output().unwrap();
        // Before version 7 it took them anyway, and did not know the setting.
        let before_7 = String::from_utf8_lossy(&version.stdout).contains("v=6.");
        Self::start(if before_7 { &[] } else { &["--enable-debug-command", "local"] })
    }

    /// `kill -9`. Its files stay for a [`RedisServer::restart`].
    pub fn kill(&self) {
        std::fs::write(self.dir.join("keep"), "").unwrap();
        let shell = self.shell.lock().unwrap().take().expect("it runs");
        end(shell);
        std::fs::remove_file(self.dir.join("keep")).unwrap();
    }

    /// Starts it again after a [`RedisServer::kill`], on its old port and files. It may still be loading them.
    pub fn restart(&self, extra: &[&str]) {
        *self.shell.lock().unwrap() = Some(shell(&self.dir, &flags(self.port, &self.dir, extra)));
        let started = Instant::now();
        while ask(self.port, &["PING"]).is_err() {
            assert!(started.elapsed() < crate::PATIENCE, "the server does not come back");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// It is not run, as on a host that has no time for it, for as long as the nap lives: it answers nobody, and its clock goes on.
    pub fn nap(&self) -> Nap {
        let info = self.command(&["INFO", "server"]);
        let pid = info.lines().find_map(|line| line.strip_prefix("process_id:")?.trim().parse().ok());
        let nap = Nap(pid.expect("a server tells its process id"));
        crate::signal(nap.0, "STOP");
        nap
    }

    /// Its snapshots fail from now on, so that it takes no writes (MISCONF). The one it may have is gone.
    pub fn fail_to_save(&self) {
        if self.snapshot().is_file() {
            std::fs::remove_file(self.snapshot()).unwrap();
        }
        // A file cannot take the place of a directory, whoever runs the server.
        std::fs::create_dir(self.snapshot()).unwrap();
        self.command(&["CONFIG", "SET", "save", "3600 1"]);
        self.command(&["BGSAVE"]);
        let started = Instant::now();
        while !self.command(&["INFO", "persistence"]).contains("rdb_last_bgsave_status:err") {
            assert!(started.elapsed() < crate::PATIENCE, "the snapshot does not fail");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its snapshots succeed again.
    pub fn save_again(&self) {
        std::fs::remove_dir(self.snapshot()).unwrap();
        assert!(self.command(&["SAVE"]).starts_with("+OK"));
    }

    /// `kill -9` once what it has, and more that takes time to load, is in its snapshot.
    pub fn save_and_kill(&self) {
        let ballast = "x".repeat(2000);
        for n in 0..300 {
            self.command(&["SET", &format!("ballast{n}"), &ballast, "EX", "3600"]);
        }
        assert!(self.command(&["SAVE"]).starts_with("+OK"));
        self.kill();
    }

    /// Starts it again after [`RedisServer::save_and_kill`]: it answers with LOADING until it is told to [make
    /// haste](RedisServer::load_fast).
    pub fn restart_loading(&self) {
        // So long for each key, and it looks up after each.
        self.restart(&["--key-load-delay", "100000", "--loading-process-events-interval-bytes", "1024"]);
        self.assert_loading();
    }

    /// It has not loaded all that it had.
    pub fn assert_loading(&self) {
        assert!(self.command(&["PING"]).starts_with("-LOADING"), "it should be loading");
    }

    /// Loads the rest at once.
    pub fn load_fast(&self) {
        assert!(self.command(&["CONFIG", "SET", "key-load-delay", "0"]).starts_with("+OK"));
    }

    /// Waits until all that it has answered so far is written to its append-only file; how long that is then, at least.
    pub fn append_only_file_written(&self) -> u64 {
        let started = Instant::now();
        loop {
            let info = self.command(&["INFO", "persistence"]);
            if info.contains("aof_buffer_length:0\r") && info.contains("aof_pending_bio_fsync:0\r") {
                return std::fs::metadata(self.append_only_file()).unwrap().len();
            }
            assert!(started.elapsed() < crate::PATIENCE, "the append-only file is not written");
        }
    }

    /// After a [`RedisServer::kill`]: its append-only file ends after so many bytes, as if the host had lost its power too.
    pub fn lose_append_only_file_after(&self, bytes: u64) {
        let file = std::fs::OpenOptions::new().write(true).open(self.append_only_file()).unwrap();
        assert!(file.metadata().unwrap().len() > bytes, "nothing was written since");
        file.set_len(bytes).unwrap();
    }

    /// Before version 7 it is one file, from then on what was appended since the last rewrite is one.
    fn append_only_file(&self) -> PathBuf {
        let parts = std::fs::read_dir(self.dir.join("appendonlydir")).into_iter().flatten();
        let mut parts = parts.map(|part| part.unwrap().path());
        let last = parts.find(|part| part.to_string_lossy().ends_with(".incr.aof"));
        last.unwrap_or_else(|| self.dir.join("appendonly.aof"))
    }

    fn snapshot(&self) -> PathBuf {
        self.dir.join("dump.rdb")
    }

    /// Its URL, database 0.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
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

    /// How far its replication has come: a replica with the offset of its master has all that the master had.
    pub fn offset(&self) -> u64 {
        let info = self.command(&["INFO", "replication"]);
        let line = info.lines().find_map(|line| line.strip_prefix("master_repl_offset:"));
        line.and_then(|number| number.trim().parse().ok()).expect("a server tells its offset")
    }

    fn try_start(extra: &[&str]) -> Option<Self> {
        // Not a `TempDir`: the shell below removes it, since statics are never dropped.
        let dir = tempfile::tempdir().unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let shell = shell(&dir, &flags(port, &dir, extra));
        let server = Self { port, dir, shell: Mutex::new(Some(shell)) };
        let dir = server.dir.display().to_string();
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
        match self.shell.lock().unwrap().take() {
            Some(shell) => end(shell),
            None => _ = std::fs::remove_dir_all(&self.dir),
        }
    }
}

fn flags(port: u16, dir: &Path, extra: &[&str]) -> Vec<String> {
    let (port, dir) = (port.to_string(), dir.display().to_string());
    let usual = [
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--rdbcompression",
        "no",
        "--appendonly",
        "no",
        "--port",
        &port,
        "--dir",
        &dir,
    ];
    usual.iter().chain(extra).map(|&flag| flag.to_owned()).collect()
}

/// A `redis-server` that is killed when our end of the shell's pipe closes: also when this process is killed itself. Its
/// directory goes then, unless it holds a file `keep`.
pub(crate) fn shell(dir: &Path, flags: &[String]) -> Child {
    let script = r#"trap "" INT TERM; redis-server "$@" </dev/null >/dev/null 2>&1 & server=$!; exec 2>/dev/null
        cat >/dev/null; kill -9 $server; wait $server; [ -e "$0/keep" ] || rm -rf "$0""#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(dir).args(flags).stdin(Stdio::piped()).spawn().unwrap()
}

/// Lets a shell kill its server.
pub(crate) fn end(mut shell: Child) {
    drop(shell.stdin.take());
    let _ = shell.wait();
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

/// The hash by which servers know the driver's script of this name, and by which it is called.
pub fn script_hash(name: &str) -> String {
    // One is in parts.
    let source = match name {
        "settle" => include!("../../queue-core/src/store/redis/lua/settle/script.rs").to_owned(),
        name => {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../queue-core/src/store/redis/lua");
            std::fs::read_to_string(format!("{folder}/{name}.lua")).unwrap()
        }
    };
    ::redis::Script::new(&source).get_hash().to_owned()
}

fn ask(port: u16, words: &[&str]) -> std::io::Result<String> {
    ask_after(port, "", words)
}

/// As `ask`, after what stands `before` on the same connection.
pub(crate) fn ask_after(port: u16, before: &str, words: &[&str]) -> std::io::Result<String> {
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
