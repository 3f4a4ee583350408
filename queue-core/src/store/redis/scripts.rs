//! The Lua scripts: one atomic step per file (the longest in three), loaded once per server and called by hash.

use redis::Cmd;

/// A script and its SHA-1.
#[derive(Debug)]
pub(super) struct Script {
    source: &'static str,
    hash: String,
}

impl Script {
    fn new(source: &'static str) -> Self {
        Self { source, hash: sha1_smol::Sha1::from(source).digest().to_string() }
    }

    /// `EVALSHA hash keys…`; arguments are added by the caller.
    pub(super) fn call(&self, keys: &[&str]) -> Cmd {
        self.call_with(keys, 16, 512)
    }

    /// As [`Script::call`], with room for so many more arguments of so many bytes in all: a command that grows while it is put
    /// together is copied each time.
    pub(super) fn call_with(&self, keys: &[&str], arguments: usize, bytes: usize) -> Cmd {
        let names: usize = keys.iter().map(|key| key.len()).sum();
        let mut cmd = Cmd::with_capacity(3 + keys.len() + arguments, 64 + names + bytes);
        cmd.arg("EVALSHA");
        cmd.arg(&self.hash).arg(keys.len());
        for key in keys {
            cmd.arg(*key);
        }
        cmd
    }

    /// `SCRIPT LOAD`, for a server that does not know it yet.
    pub(super) fn load(&self) -> Cmd {
        let mut cmd = redis::cmd("SCRIPT");
        cmd.arg("LOAD").arg(self.source);
        cmd
    }
}

/// All scripts.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) absolve: Script,
    pub(super) beat: Script,
    pub(super) begin: Script,
    pub(super) close: Script,
    pub(super) dead_delete: Script,
    pub(super) dead_retry: Script,
    pub(super) enqueue: Script,
    pub(super) give_back: Script,
    pub(super) lease: Script,
    pub(super) progress: Script,
    pub(super) promote: Script,
    pub(super) purge: Script,
    pub(super) put_results: Script,
    pub(super) revoke: Script,
    pub(super) settle: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            absolve: Script::new(include_str!("lua/absolve.lua")),
            beat: Script::new(include_str!("lua/beat.lua")),
            begin: Script::new(include_str!("lua/begin.lua")),
            close: Script::new(include_str!("lua/close.lua")),
            dead_delete: Script::new(include_str!("lua/dead_delete.lua")),
            dead_retry: Script::new(include_str!("lua/dead_retry.lua")),
            enqueue: Script::new(include_str!("lua/enqueue.lua")),
            give_back: Script::new(include_str!("lua/give_back.lua")),
            lease: Script::new(include_str!("lua/lease.lua")),
            progress: Script::new(include_str!("lua/progress.lua")),
            promote: Script::new(include_str!("lua/promote.lua")),
            purge: Script::new(include_str!("lua/purge.lua")),
            put_results: Script::new(include_str!("lua/put_results.lua")),
            revoke: Script::new(include_str!("lua/revoke.lua")),
            settle: Script::new(include!("lua/settle/script.rs")),
        }
    }

    /// All of them, for loading.
    pub(super) fn all(&self) -> [&Script; 15] {
        [
            &self.absolve,
            &self.beat,
            &self.begin,
            &self.close,
            &self.dead_delete,
            &self.dead_retry,
            &self.enqueue,
            &self.give_back,
            &self.lease,
            &self.progress,
            &self.promote,
            &self.purge,
            &self.put_results,
            &self.revoke,
            &self.settle,
        ]
    }
}
