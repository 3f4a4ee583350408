//! A Redis server that goes away, sleeps, forgets, fills up, shuts its door or hands over to another, while real workers
//! consume from it under load.
//!
//! In each case, at the end: every accepted job ran, its end is stored, nothing is left in any list, and the workers said once
//! that the store was away and once that it is back.

mod connections;
mod producer;
mod refusals;
mod replies;
mod restarts;
mod sentinel;
mod site;
mod sleep;
