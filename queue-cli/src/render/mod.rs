//! How things look: tables for people, JSON for programs, ages and texts for both.

pub(crate) mod facts;
pub(crate) mod json;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod time;

#[cfg(test)]
mod tests;
