//! Peers, hooks, processes and systems that do what no manual foresees: errors
//! say so, waits end, and nothing is left behind.
//!
//! Each test runs in a process of its own; see `support::alone`.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what cannot be in a test fails it, and says why"
)]

mod aborts;
mod answered;
mod descriptors;
mod hooks;
mod odd_peers;
mod peers;
mod processes;
mod responders;
mod runpaths;
mod signals;
mod support;
