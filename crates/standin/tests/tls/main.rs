//! Drivers that speak TLS, as their users have them.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod drivers;
mod files;
