//! The arguments of the command, and their help.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use standin::config::duration;
use standin::proxy::{Cut, FaultKind};
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
    EveryCut(EveryCut),
    Up(Up),
    Down(Down),
    Status(Status),
    Check(Check),
    Graph(Graph),
    Options(Options),
    Serve(Serve),
    /// Explain an error code
    Explain {
        /// The code, or its last part
        code: String,
    },
    Report(Report),
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
/// Starts the environment, runs the command with its variables (DRIVER_<NAME>_ATTR_<ATTRIBUTE> and
/// those of [export] in the file), ends everything that the command has started, and stops the
/// environment in any case.
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

/// Start an environment, and keep it up until it is stopped
///
/// It is taken down by Ctrl-C, by `standin down`, or by the end of its parent, however that ends.
/// With --detach the command returns when the environment is up, and prints its id; if the command
/// ends before that, the start is aborted. A setup script of nextest writes the variables for its
/// tests, and needs no teardown:
///
///   standin up environment.toml --detach --with-parent $PPID --env-file "$NEXTEST_ENV"
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) environment: Environment,
    /// Return when the environment is up
    #[arg(long)]
    pub(crate) detach: bool,
    /// Be the process that keeps a detached environment
    #[arg(long, hide = true)]
    pub(crate) keeper: bool,
    /// Take the environment down when this process ends
    #[arg(long, value_name = "PID")]
    pub(crate) with_parent: Option<u32>,
    /// Add the variables to this file, as lines NAME=value
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Take environments down that `standin up` has brought up
///
/// Returns when they are gone. One that is still starting is aborted.
///
/// Exit code 125 if one of them did not stop cleanly, or something expected did not happen.
#[derive(Debug, Args)]
pub(crate) struct Down {
    /// The id of an environment, its name, or its file; the only one that there is, if none is
    /// named
    #[arg(value_name = "ENVIRONMENT")]
    pub(crate) environments: Vec<OsString>,
    /// Take all of them down
    #[arg(long, conflicts_with = "environments")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// List the environments that are starting, up or stopping
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The id of an environment, its name, or its file; all when none is named
    #[arg(value_name = "ENVIRONMENT")]
    pub(crate) environment: Option<OsString>,
    /// Format of standard output: a table, or one JSON object per line, with variables
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Format,
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
/// Reads requests and writes answers and events, one JSON object per line. Ends when standard input
/// ends, or the program that started it is gone, and stops the environment. The pytest plugin is a
/// client of it.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Speak over standard input and standard output, the only way there is
    #[arg(long, required = true)]
    pub(crate) stdio: bool,
}

/// Run a command with its connections cut at every place
///
/// Runs the command in the environment, once without a cut to learn what goes through its
/// tcp-proxy, and then once for each frame of that and each fault: when that frame comes, the fault
/// happens instead. Each run has an environment of its own. Without `framing` in the file, the
/// connections are cut at bytes.
///
/// The command has to pass in all of them: exit code 0, in time. The report goes to standard
/// output, the smallest cut that breaks it first.
#[derive(Debug, Args)]
#[command(after_help = EVERY_CUT_EXIT_CODES)]
pub(crate) struct EveryCut {
    #[command(flatten)]
    pub(crate) environment: Environment,
    /// The faults: reset, close, half-close, silence, drop, corrupt, delay=100ms
    #[arg(
        long,
        value_name = "FAULT",
        value_delimiter = ',',
        value_parser = fault_of,
        default_value = "reset,close,half-close,silence,delay=100ms"
    )]
    pub(crate) faults: Vec<FaultKind>,
    /// Also cut each frame in its middle
    #[arg(long)]
    pub(crate) inside: bool,
    /// How many bytes there are from one cut to the next, where there are no frames
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub(crate) bytes: u64,
    /// How long each run of the command may take before it counts as hung
    #[arg(long, value_name = "DURATION", value_parser = duration_of, default_value = "10s")]
    pub(crate) limit: Duration,
    /// How long all of it may take
    #[arg(long, value_name = "DURATION", value_parser = duration_of, default_value = "10m")]
    pub(crate) time: Duration,
    /// How many runs there may be; of more places some are left out evenly
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    pub(crate) max_runs: usize,
    /// After how many failures no more runs begin
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_failures: Option<usize>,
    /// How many runs there are at once. Default: two for each core, and 4 at least
    #[arg(long, value_name = "COUNT")]
    pub(crate) workers: Option<usize>,
    /// Where the proxies' numbers come from that look random
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Try this cut alone, as the report shows it, and show what the command writes
    #[arg(long, value_name = "CUT", value_parser = cut_of)]
    pub(crate) cut: Option<Cut>,
    #[command(flatten)]
    pub(crate) output: Output,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
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

/// Print the dependencies in an environment
///
/// As the file declares it, or, with --running, the current state of an environment of `standin
/// up`: the status and address of each driver, what it waits for, and who is connected to whom.
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// The environment file; with --running the id, the name or the file of an environment that is
    /// up, or nothing for the only one
    #[arg(required_unless_present = "running", value_name = "FILE")]
    pub(crate) file: Option<OsString>,
    /// Set an option of a driver, or of the environment: bank.port=8080, timeout=5s
    #[arg(long, value_name = "DRIVER.OPTION=VALUE", value_parser = setting_of, conflicts_with = "running")]
    pub(crate) set: Vec<Setting>,
    /// Show an environment that is up
    #[arg(long)]
    pub(crate) running: bool,
    /// How the graph is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: GraphFormat,
}

/// How a graph is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// A line for each driver
    Text,
    /// A flowchart for Markdown
    Mermaid,
    /// For Graphviz
    Dot,
    /// A picture
    Svg,
    /// Data
    Json,
}

/// Print what is left of a failed run
///
/// Its text, and where its page for a browser and its capture for Wireshark are.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The directory that the failure names
    pub(crate) directory: PathBuf,
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
    /// Format of standard error: text for people, or one JSON object per line
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Format,
    /// Report only errors
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
  124    the command took longer than --timeout
  125    the environment failed: it did not start or stop, or something expected did not happen
  126    the command cannot be executed
  127    the command was not found
  128+N  signal N ended the command, or the run before there was one

SIGINT, SIGTERM and SIGHUP go to the command first; a second one ends everything at once.";

const EVERY_CUT_EXIT_CODES: &str = "\
Exit codes:
  0      no cut breaks the command
  1      some cuts do
  125    it fails without a cut, nothing goes through a proxy, the cut of --cut does not happen, or
         the file is invalid
  128+N  signal N ended it";

fn fault_of(text: &str) -> Result<FaultKind, String> {
    // A fault is written as in a cut.
    let cut: Result<Cut, _> = format!("proxy:0:up:frame0:{text}").parse();
    cut.map(|cut| cut.kind()).map_err(|_| {
        "use one of reset, close, half-close, silence, drop, corrupt and delay=100ms".to_owned()
    })
}

fn cut_of(text: &str) -> Result<Cut, String> {
    text.parse()
        .map_err(|error: standin::proxy::ParseCutError| error.to_string())
}

fn duration_of(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|error| error.to_string())
}

fn setting_of(text: &str) -> Result<Setting, String> {
    text.parse()
        .map_err(|error: standin_session::SessionError| error.to_string())
}
