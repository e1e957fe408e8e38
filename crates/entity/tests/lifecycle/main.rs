//! The life of a resource as its users meet it: failures, threads, aborts.

#![expect(
    clippy::unwrap_used,
    reason = "a test program: what goes wrong in it fails the test"
)]

mod abort;
mod pause;
mod report;
mod script;
mod start;
mod stop;
mod threads;
mod wait;
