//! Unit tests of what needs no store.
