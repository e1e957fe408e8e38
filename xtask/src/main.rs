//! The workspace's own commands: `cargo xtask <command>`.
//!
//! One file per command. `cargo xtask ci` runs everything that CI checks.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program talks through them"
)]

mod ci;
mod facade;
mod layers;
mod workspace;

use clap::{Parser, Subcommand};
use miette::MietteHandlerOpts;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The workspace's own commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything that CI checks, in order, up to the first failure
    Ci,
    /// Check that crates use only crates below them and build alone, and that
    /// the facade holds nothing but docs and re-exports
    Layers,
}

fn main() -> miette::Result<()> {
    // Whole lines, so that the commands in them can be copied.
    miette::set_hook(Box::new(|_| {
        Box::new(MietteHandlerOpts::new().wrap_lines(false).build())
    }))?;
    match Arguments::parse().command {
        Command::Ci => ci::run()?,
        Command::Layers => layers::run()?,
    }
    Ok(())
}
