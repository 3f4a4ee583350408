//! Why bytes are not a message, and why a JSON text is not the value asked for.

/// Why bytes are not a message or a result. Says what was wrong, where, what was expected and what was found; never
/// quotes more than about 200 bytes of the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// JSON is UTF-8.
    #[error("{part} is not UTF-8 (byte {at})")]
    NotUtf8 {
        /// `message`, `body` or `result`.
        part: &'static str,
        /// The offset of the first byte that is not.
        at: usize,
    },
    /// Not JSON, even with Python's `NaN` and `Infinity`.
    #[error("{part} is not JSON: expected {expected} at byte {at}, found {found}")]
    Json {
        /// `message`, `body` or `result`.
        part: &'static str,
        /// The offset in that part.
        at: usize,
        /// What may stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// Arrays and objects are nested too deeply.
    #[error("{part} is nested more than {limit} levels deep (byte {at})")]
    TooDeep {
        /// `message`, `body` or `result`.
        part: &'static str,
        /// The offset in that part.
        at: usize,
        /// How deep it may be.
        limit: usize,
    },
    /// A field that must be there is not.
    #[error("`{field}` is missing")]
    Missing {
        /// Its path, e.g. `headers.task`.
        field: String,
    },
    /// A field has another type or value than it may have.
    #[error("`{field}` should be {expected}, found {found}")]
    Invalid {
        /// Its path, e.g. `headers.eta`.
        field: String,
        /// What it should be.
        expected: &'static str,
        /// The beginning of what it is.
        found: String,
    },
    /// `body_encoding` says base64, but it is not.
    #[error("`{field}` is not base64: {why}")]
    Base64 {
        /// Its path.
        field: &'static str,
        /// What the decoder said.
        why: String,
    },
    /// A content type that is not JSON: signed bodies, pickle, YAML, MessagePack, …
    #[error("content type `{content_type}` is not accepted, only `application/json`{hint}")]
    ContentType {
        /// What the message says it is.
        content_type: String,
        /// What to do about it, beginning with a separator; may be empty.
        hint: &'static str,
    },
    /// A compression this program does not know.
    #[error("compression `{0}` is not supported; supported are gzip, bzip2, brotli and zstd")]
    UnsupportedCompression(String),
    /// The compressed bytes are damaged.
    #[error("{part} does not decompress as `{method}`: {why}")]
    Decompress {
        /// `body` or `result`.
        part: &'static str,
        /// The compression.
        method: &'static str,
        /// What the decoder said.
        why: String,
    },
    /// Larger than [`DecodeLimits`](super::DecodeLimits) allows.
    #[error("{part} has more than {limit} bytes")]
    TooLarge {
        /// `message`, `body` or `result`.
        part: &'static str,
        /// How many it may have.
        limit: usize,
    },
}

/// Why a JSON text is not the value asked for, or a value has no JSON text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The text is no JSON array (or object), which was asked for.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What was asked for.
        expected: &'static str,
        /// The beginning of the text.
        found: String,
    },
    /// The text does not fit the type asked for; in words that name expected and found.
    #[error("{0}")]
    Mismatch(String),
    /// Deeper than typed values go: 128 levels where one is read, 500 where one is written.
    #[error("nested more than {0} levels deep")]
    TooDeep(usize),
    /// The value cannot be written as JSON.
    #[error("{0}")]
    Unwritable(String),
}
