//! Drivers that speak TLS, as their users have them.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod capture;
mod clients;
mod defective_clients;
mod drivers;
mod files;
mod matrix;
mod pem;
#[path = "../real_peers/program.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::print_stderr,
    reason = "another test uses the rest"
)]
mod program;
mod servers;
mod starttls;
