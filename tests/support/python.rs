//! A real Celery: a client in Python, workers, the command `celery`, Flower. They run the module `tasks` of
//! `tests/interop/python` in a virtual environment that `scripts/test` makes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use serde_json::{Value, json};

use crate::{PATIENCE, Program};

/// Which Celery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CeleryVersion {
    /// The latest of `tests/interop/requirements-latest.txt`, with Flower.
    Latest,
    /// The oldest that is promised to work, of `tests/interop/requirements-5.3.txt`.
    V5_3,
}

impl CeleryVersion {
    /// Its virtual environment.
    ///
    /// # Panics
    ///
    /// With what to do, when there is none.
    fn venv(self) -> PathBuf {
        let (variable, name, requirements) = match self {
            Self::Latest => ("QUEUE_TEST_VENV_LATEST", "celery-latest", "requirements-latest.txt"),
            Self::V5_3 => ("QUEUE_TEST_VENV_53", "celery-5.3", "requirements-5.3.txt"),
        };
        let made_before = || {
            let exe = std::env::current_exe().unwrap();
            let target = exe.ancestors().nth(3).unwrap();
            target.join("venvs").join(name)
        };
        let venv = std::env::var_os(variable).map_or_else(made_before, PathBuf::from);
        assert!(
            venv.join("bin/celery").is_file(),
            "there is no Celery in {}; run the tests with scripts/test, or first: \
             export {variable}=$(scripts/venv {name} tests/interop/{requirements})",
            venv.display()
        );
        venv
    }
}

/// A Celery installation and the Redis it uses for messages and results.
#[derive(Debug, Clone)]
pub struct Celery {
    version: CeleryVersion,
    url: String,
}

impl Celery {
    /// Celery of this version on the Redis at `url`.
    pub fn new(version: CeleryVersion, url: impl Into<String>) -> Self {
        Self { version, url: url.into() }
    }

    /// Which version it is.
    pub fn version(&self) -> CeleryVersion {
        self.version
    }

    /// A program of the virtual environment, not yet started.
    pub fn program(&self, name: &str) -> Command {
        let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/python");
        let mut command = Command::new(self.version.venv().join("bin").join(name));
        command.current_dir(sources).env("PYTHONPATH", sources).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("BROKER_URL", &self.url).env("RESULT_URL", &self.url).env("PYTHONUNBUFFERED", "1");
        command
    }

    /// A client: it runs Python text that calls tasks and waits for results.
    pub fn client(&self) -> PythonClient {
        PythonClient::start(self.program("python"))
    }

    /// A worker of this queue, which is also where its tasks send to; `extra` are more arguments.
    ///
    /// It runs one task at a time, because Celery's workers race themselves: with more, a retry's RETRY may be stored after
    /// the SUCCESS of the next attempt.
    pub fn worker(&self, queue: &str, extra: &[&str]) -> PythonWorker {
        let name = format!("python-{queue}@test");
        let mut command = self.program("celery");
        command.env("DEFAULT_QUEUE", queue).args(["-A", "tasks", "worker", "-Q", queue, "-n", &name]);
        command.args(["--pool", "solo", "--loglevel", "INFO"]).args(extra);
        PythonWorker { name, program: Program::start(command) }
    }

    /// Runs `celery -A tasks …` to its end.
    pub fn command(&self, args: &[&str]) -> Finished {
        let output = self.program("celery").args(["-A", "tasks"]).args(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Finished { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Flower on a free port, listening.
    pub fn flower(&self) -> Flower {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = self.program("celery");
        // Its API asks for a password otherwise.
        command.env("FLOWER_UNAUTHENTICATED_API", "true").args(["-A", "tasks", "flower", "--address=127.0.0.1"]);
        command.arg(format!("--port={port}"));
        let program = Program::start(command);
        program.wait_for_line("Connected to redis");
        Flower { port, _program: program }
    }
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it said besides.
    pub stderr: String,
}

/// A Celery worker, killed when dropped.
#[derive(Debug)]
pub struct PythonWorker {
    name: String,
    program: Program,
}

impl PythonWorker {
    /// Its node name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until it consumes.
    pub fn ready(&self) {
        self.program.wait_for_line(" ready.");
    }

    /// Waits until it has logged a line with this text.
    pub fn wait_for_line(&self, text: &str) {
        self.program.wait_for_line(text);
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.program.log()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Whether it is still there.
    pub fn is_alive(&mut self) -> bool {
        self.program.is_alive()
    }
}

/// A Flower, killed when dropped.
#[derive(Debug)]
pub struct Flower {
    port: u16,
    _program: Program,
}

impl Flower {
    /// The status and the text of a page, e.g. `/api/workers`.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {answer}"));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.unwrap_or_else(|| panic!("no status: {head}")), body.to_owned())
    }
}

/// What Python raised.
#[derive(Debug, Clone, PartialEq)]
pub struct PythonError {
    /// The class's name.
    pub exc_type: String,
    /// The class's module.
    pub exc_module: String,
    /// The arguments it was made with.
    pub args: Vec<Value>,
    /// The traceback.
    pub traceback: String,
}

/// A Celery client in Python. See `tests/interop/python/client.py`.
#[derive(Debug)]
pub struct PythonClient {
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl PythonClient {
    fn start(mut command: Command) -> Self {
        let command = command.arg("client.py").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, answers) = channel();
        let output = child.stdout.take().expect("it is piped");
        std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.map(|line| sender.send(line)).take_while(Result::is_ok).for_each(drop);
        });
        let input = child.stdin.take();
        Self { child, input, answers }
    }

    /// Runs Python text; the value of its last line.
    ///
    /// # Panics
    ///
    /// With the traceback, when it raises.
    pub fn run(&mut self, text: &str) -> Value {
        self.try_run(text).unwrap_or_else(|error| panic!("{text}\n{}", error.traceback))
    }

    /// Runs Python text; the value of its last line, or what it raised.
    pub fn try_run(&mut self, text: &str) -> Result<Value, PythonError> {
        let answer = self.ask(text);
        let mut answer: serde_json::Map<String, Value> =
            serde_json::from_str(&answer).unwrap_or_else(|why| panic!("{text}: {why}: {answer}"));
        let Some(raised) = answer.remove("exception") else {
            return Ok(answer.remove("value").unwrap());
        };
        let text = |key: &str| raised[key].as_str().unwrap_or_default().to_owned();
        Err(PythonError {
            exc_type: text("type"),
            exc_module: text("module"),
            args: raised["args"].as_array().cloned().unwrap_or_default(),
            traceback: text("traceback"),
        })
    }

    fn ask(&mut self, text: &str) -> String {
        let input = self.input.as_mut().expect("open until dropped");
        writeln!(input, "{}", json!({ "run": text })).unwrap();
        match self.answers.recv_timeout(2 * PATIENCE) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => panic!("the Python client has not answered: {text}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the Python client has ended: {text}"),
        }
    }
}

impl Drop for PythonClient {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
