//! What only a server can do to us: lose a reply, forget its scripts, cut the line, be full, be a replica, be Python's too,
//! name things otherwise.

mod boundaries;
mod bus;
mod chords;
mod errors;
mod forgotten;
mod knobs;
mod lines;
mod many;
mod neighbours;
mod plain;
mod producer;
mod replies;
mod runtimes;
mod sentinels;
mod windows;
