//! What only a server can do to us: lose a reply, forget its scripts, cut the line, be full, be a replica, be Python's too.

mod bus;
mod errors;
mod lines;
mod neighbours;
mod replies;
