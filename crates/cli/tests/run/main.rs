//! `standin run` as its users meet it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what is missing fails a test")]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod cuts;
mod kills;
mod programs;
mod serve;
mod signals;
mod terminal;
