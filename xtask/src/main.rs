//! The workspace's own commands: `cargo xtask <command>`.
//!
//! One file per command. `cargo xtask ci` runs everything that CI checks.

#[macro_use]
mod output;

mod bench;
mod captures;
mod ci;
mod circles;
mod compare;
mod dependencies;
mod errors;
mod facade;
mod fuzz;
mod ignored_signals;
mod layers;
mod lints;
mod loom;
mod package;
mod pages;
mod parallel;
mod programs;
mod pytest;
mod python;
mod schema;
mod soak;
mod style;
mod workspace;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use miette::{IntoDiagnostic, MietteHandlerOpts};

use crate::workspace::{Cargo, root};

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
    /// Check the licences of all dependencies, and which Rust they need
    Dependencies,
    /// Check that crates use only crates below them and build alone, that files do not
    /// import each other in a circle, that all packages have the same lints, that `unsafe` is
    /// forbidden in all files but one, and that the facade holds nothing but docs and
    /// re-exports
    Layers,
    /// Feed the fuzz targets with inputs of all kinds
    Fuzz {
        /// The targets; all when none is named
        targets: Vec<String>,
        /// How long to look for inputs, for each target
        #[arg(long, default_value_t = 10)]
        seconds: u32,
        /// Try this one input only
        #[arg(long, value_name = "FILE")]
        input: Option<PathBuf>,
    },
    /// Run the test programs, except for those of `xtask` and `conformance`, with SIGINT,
    /// SIGQUIT, SIGHUP and SIGCHLD ignored
    IgnoredSignals,
    /// Check all interleavings of threads that use one resource
    Loom,
    /// Check that each crate can be published, and package it
    Package,
    /// Run all test programs several times at once
    Parallel {
        /// How many times
        #[arg(long, default_value_t = 8)]
        times: usize,
    },
    /// Do a random mix of everything, with a check for leaks after each piece
    Soak {
        /// For how long
        #[arg(long, default_value_t = 5.0)]
        minutes: f64,
        /// What the mix is drawn from, to have the same one again
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Hold a directory for `soak`, until standard input ends
    #[command(hide = true)]
    HoldRunpath { runpath: PathBuf },
    /// Check how comments and pages are written, and that what pages name exists
    Style,
    /// Have tshark look at the capture of ten thousand random conversations
    Captures,
    /// Run the tests of the pytest plugin with a real pytest, and check its types
    Pytest,
    /// Have one conversation through the drivers and through testplan
    Compare,
    /// Write the JSON Schemas and the reference page of the options
    Schema {
        /// Write nothing; fail if a file is not what would be written
        #[arg(long)]
        check: bool,
    },
    /// Measure what the crates cost, next to the plainest way to do the same
    Bench {
        /// The figures to take; all when none is named
        names: Vec<String>,
        /// Also write the figures to this file
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Run recorded vectors of the reference's behaviour, and compare
    #[command(disable_help_flag = true)]
    Conformance {
        /// What `conformance/` takes: see `cargo xtask conformance --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> miette::Result<()> {
    // Whole lines, so that the commands in them can be copied.
    miette::set_hook(Box::new(|_| {
        Box::new(MietteHandlerOpts::new().wrap_lines(false).build())
    }))?;
    match Arguments::parse().command {
        Command::Ci => ci::run()?,
        Command::Dependencies => dependencies::run()?,
        Command::Layers => layers::run()?,
        Command::Fuzz {
            targets,
            seconds,
            input,
        } => fuzz::run(&targets, seconds, input.as_deref())?,
        Command::Loom => loom::run()?,
        Command::Package => package::run()?,
        Command::IgnoredSignals => ignored_signals::run()?,
        Command::Parallel { times } => parallel::run(times)?,
        Command::Soak { minutes, seed } => soak::run(minutes, seed)?,
        Command::HoldRunpath { runpath } => soak::runpaths::hold(&runpath)?,
        Command::Captures => captures::run()?,
        Command::Pytest => pytest::run()?,
        Command::Style => style::run()?,
        Command::Compare if cfg!(debug_assertions) => {
            Cargo::new("run --quiet --release --package xtask -- compare").run()?;
        }
        Command::Compare => compare::run()?,
        Command::Schema { check } => schema::run(check)?,
        Command::Bench { names, json } if cfg!(debug_assertions) => {
            optimised_bench(names, json.as_deref())?;
        }
        Command::Bench { names, json } => bench::run(&names, json.as_deref())?,
        Command::Conformance { arguments } => conformance(arguments)?,
    }
    Ok(())
}

/// The runner is a program of its own, so that the other commands need not build it.
fn conformance(arguments: Vec<String>) -> miette::Result<()> {
    let mut command = Cargo::new("run --quiet --package standin-conformance --manifest-path");
    let manifest = root().join("Cargo.toml");
    command
        .arguments
        .push(manifest.to_string_lossy().into_owned());
    command.arguments.push("--".to_owned());
    command.arguments.extend(arguments);
    // Where the user is, whose paths it gets.
    Ok(command.run_in(Path::new("."))?)
}

/// Commands run without optimisation, which is quick to build; figures are
/// taken of what users get.
fn optimised_bench(names: Vec<String>, json: Option<&Path>) -> miette::Result<()> {
    let mut command = Cargo::new("run --quiet --release --package xtask -- bench");
    command.arguments.extend(names);
    if let Some(json) = json {
        // Cargo runs it in another folder.
        let json = std::path::absolute(json).into_diagnostic()?;
        command.arguments.push("--json".to_owned());
        command.arguments.push(json.to_string_lossy().into_owned());
    }
    Ok(command.run()?)
}
