//! What the tests of all folders share.
