//! Any words are a command line or refused with a reason.

#![no_main]

use libfuzzer_sys::fuzz_target;
use queue_fuzz::parts::parts;

fuzz_target!(|data: &[u8]| {
    let words: Vec<&str> = parts(data).filter_map(|word| std::str::from_utf8(word).ok()).collect();
    queue_fuzz::command::line(&words);
});
