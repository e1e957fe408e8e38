use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use standin_config::{Config, Setting, Text};
use standin_driver::DriverConfig;

use crate::{Listen, Process, Signal, Stdin};

/// A program that runs as a process of its own, usually the one under test.
///
/// These are the options of a [`Process`].
#[derive(Clone, Debug, Config)]
#[config(type_name = "process", builds = Process)]
pub struct ProcessConfig {
    /// The options that every driver has.
    #[config(include)]
    pub driver: DriverConfig,

    /// The program to run: a name that is looked up in `PATH`, or a path with a
    /// separator in it, which starts at the current directory of the test. May
    /// be a template over the driver's own context, such as
    /// `{{ runpath }}/bin/app`.
    #[config(non_empty, template)]
    pub binary: Setting<String>,

    /// Words before the program on the command line, such as `["nice", "-n5"]`. Each may be a
    /// template as in `args`.
    #[config(default, template, constraint = crate::rules::no_nul())]
    pub pre_args: Vec<Text>,

    /// Arguments of the program. Each may be a template over the driver's own
    /// context (`{{ runpath }}/app.conf`) and over that of the drivers before
    /// it (`{{ context.server.port }}`). One that is not a template, such as
    /// `--format={{.Names}}`, is `{ verbatim = "..." }`.
    #[config(default, template, constraint = crate::rules::no_nul(), append = arg)]
    pub args: Vec<Text>,

    /// Whether `/bin/sh` reads the command line: `pre_args`, `binary` and `args`, joined by spaces.
    /// Default: no, each is passed as one word.
    #[config(default = false)]
    pub shell: bool,

    /// Environment variables of the process, on top of those of the test.
    /// Values may be templates, as in `args`.
    #[config(
        default,
        template,
        constraint = crate::rules::variable_names(),
        constraint = crate::rules::no_nul(),
        accepts(impl std::iter::IntoIterator<Item = (impl Into<String>, impl Into<Text>)>),
        with = crate::variables,
        append = env_var
    )]
    pub env: IndexMap<String, Text>,

    /// Names of drivers that use TLS or issue certificates: the program trusts the authority that
    /// has issued these, and no other. Sets the variables that most programs read, unless `env`
    /// does: `SSL_CERT_FILE`, `CURL_CA_BUNDLE`, `REQUESTS_CA_BUNDLE`, `NODE_EXTRA_CA_CERTS`,
    /// `GIT_SSL_CAINFO`, `AWS_CA_BUNDLE`, `DENO_CERT` and `PIP_CERT`. For other programs, `{{
    /// context.<driver>.ca_file }}` is the file.
    #[config(default)]
    pub trust: Vec<String>,

    /// Whether the process also has the environment variables of the test.
    /// Switch it off for a process that shall see those of `env` only.
    #[config(default = true)]
    pub inherit_env: bool,

    /// Ports that the process listens on, chosen before it starts: sockets that
    /// it inherits, or ports that are reserved for it. They are published as
    /// `ports.<name>`, the first one as `host` and `port`.
    #[config(default, constraint = standin_config::Constraint::unique("name"))]
    pub listen: Vec<Listen>,

    /// Directory that the process starts in. Default: the runpath.
    #[config(template)]
    pub working_dir: Option<Setting<PathBuf>>,

    /// Where the process reads its standard input from: `"pipe"` (the test
    /// writes it), `"null"`, `{ text = "..." }`, `{ text = { verbatim = "..." } }`
    /// or `{ file = "..." }`.
    #[config(default)]
    pub stdin: Stdin,

    /// Log file that the process writes, below the runpath; `log_regexps` are
    /// looked for in it. Default: its standard output.
    pub logname: Option<String>,

    /// Exit code that the process must have when it has ended; the negative
    /// number of the signal for one that a signal ended, such as -15. Default:
    /// any will do.
    #[config(range = -64..=255)]
    pub expected_retcode: Option<i32>,

    /// Signal that asks the process to end.
    #[config(default = Signal::Terminate)]
    pub stop_signal: Signal,

    /// How long the process, and what it has started, may take to end after
    /// the signal, before they are killed.
    #[config(default = Duration::from_secs(5))]
    pub stop_timeout: Duration,

    /// Whether a stop fails when the process, or something that it has started, had to
    /// be killed. Default: no; the report has a note of it either way.
    #[config(default = false)]
    pub must_stop_cleanly: bool,
}

/// Converts variables to the value of the option.
#[doc(hidden)]
pub fn variables(
    variables: impl IntoIterator<Item = (impl Into<String>, impl Into<Text>)>,
) -> IndexMap<String, Text> {
    variables
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}
