//! The tasks of the example shop.
