//! The arguments of the command, and their help.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use standin::config::duration;
use standin_session::Setting;

/// Tests of any language in an environment of stand-ins and programs, with a teardown that cannot
/// be forgotten.
#[derive(Debug, Parser)]
#[command(name = "standin", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Subcommands,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Subcommands {
    Run(Run),
    Check(Check),
    Options(Options),
    Serve(Serve),
    /// Print the JSON Schema of environment files, for editors
    Schema,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
    #[command(hide = true, name = "__sweep")]
    Sweep {
        root: PathBuf,
        files: Vec<PathBuf>,
    },
}

/// Run a command in an environment
///
/// Brings the environment up, runs the command with its variables (DRIVER_<NAME>_ATTR_<ATTRIBUTE>
/// and those of [export] in the file), ends everything that the command has started, and brings
/// the environment down again, whatever happens.
///
/// Standard output is the command's; progress and errors go to standard error.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) environment: Environment,
    /// How long the command may take, such as 90s or "1m 30s"; after that it gets SIGTERM, and
    /// what is left of it five seconds later is killed
    #[arg(long, value_name = "DURATION", value_parser = duration_of)]
    pub(crate) timeout: Option<Duration>,
    /// Also add the variables to this file, as lines NAME=value
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Which environment, and how it differs from its file.
#[derive(Debug, Args)]
pub(crate) struct Environment {
    /// The environment file
    pub(crate) file: PathBuf,
    /// Set an option of a driver, or of the environment: bank.port=8080, timeout=5s
    #[arg(long, value_name = "DRIVER.OPTION=VALUE", value_parser = setting_of)]
    pub(crate) set: Vec<Setting>,
}

/// Bring environments to tests of another program, which speaks with this one
///
/// Reads requests and writes answers and events, one JSON object a line. Ends when standard input
/// ends, or the program that started it is gone; whatever is up is taken down then. The pytest
/// plugin is a client of it.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Speak over standard input and standard output, the only way there is
    #[arg(long, required = true)]
    pub(crate) stdio: bool,
}

/// Check an environment file
///
/// Reports every mistake in it, each with its place. Exit code 1 if there are any.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) environment: Environment,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Print the options of environments and drivers
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A type of drivers, such as tcp-server, or "environment"; all when none is named
    pub(crate) of: Option<String>,
}

/// How the command talks.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// What is written to standard error: text for people, or one JSON object a line
    #[arg(long, value_name = "FORMAT", default_value = "human", global = true)]
    pub(crate) format: Format,
    /// Report nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Report each step
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Human,
    Json,
}

const EXIT_CODES: &str = "\
Exit codes:
  that of the command
  124    the time of the command was over
  125    the environment failed: it did not start or stop, or something expected did not happen
  126    the command cannot be executed
  127    there is no such command
  128+N  signal N ended the command, or the run before there was one

SIGINT, SIGTERM and SIGHUP go to the command first; a second one ends everything at once.";

fn duration_of(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|error| error.to_string())
}

fn setting_of(text: &str) -> Result<Setting, String> {
    text.parse()
        .map_err(|error: standin_session::SessionError| error.to_string())
}
