//! Any bytes are a result or an error; a result is written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use queue_core::result::{ResultMeta, is_ready_meta};

fuzz_target!(|bytes: &[u8]| {
    let ready = is_ready_meta(bytes);
    match ResultMeta::decode(bytes) {
        Ok(meta) => {
            // A state that is said twice is read twice: the quick look takes the first, which no writer makes differ.
            if bytes.windows(8).filter(|word| word == b"\"status\"").count() < 2 {
                assert_eq!(ready, meta.state.is_ready());
            }
            assert_eq!(ResultMeta::decode(&meta.encode()).as_ref(), Ok(&meta));
            let _ = meta.exception();
        }
        Err(error) => assert!(error.to_string().len() < 1000),
    }
});
