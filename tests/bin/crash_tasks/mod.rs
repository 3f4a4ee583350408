//! More of the tasks of the crash tests' worker: those of the soak, and those that end their worker.

mod doom;
mod soak;
