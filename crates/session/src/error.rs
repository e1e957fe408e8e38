use std::io;
use std::path::PathBuf;

use miette::Diagnostic;
use standin::config::ConfigErrors;
use standin::environment::LoadError;
use standin::error::text::Names;
use thiserror::Error;

use crate::Setting;

/// A session cannot be made of a file and settings.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum SessionError {
    /// The file cannot be read, or has mistakes: all of them.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Load(#[from] LoadError),
    /// A setting has no `=`, or nothing before it.
    #[error("\"{}\" is not a setting", text.escape_debug())]
    #[diagnostic(
        code(standin::session::not_a_setting),
        help(
            "write `driver.option=value`, such as `bank.port=8080`, or `option=value` for an \
             option of the environment"
        )
    )]
    NotASetting {
        /// What was given.
        text: String,
    },
    /// A setting names a driver that the environment does not have.
    #[error("setting `{setting}`: there is no driver \"{driver}\"")]
    #[diagnostic(
        code(standin::session::unknown_driver),
        help("{}", known_drivers(nearest.as_deref(), known))
    )]
    UnknownDriver {
        /// The setting.
        setting: Setting,
        /// The name that no driver has.
        driver: String,
        /// The driver that was probably meant.
        nearest: Option<String>,
        /// The drivers that there are.
        known: Vec<String>,
    },
    /// A setting names an option that does not exist.
    #[error("setting `{setting}`: {owner} has no option \"{option}\"")]
    #[diagnostic(
        code(standin::session::unknown_option),
        help("{}", known_options(nearest.as_deref()))
    )]
    UnknownOption {
        /// The setting.
        setting: Setting,
        /// Whose option it would be.
        owner: String,
        /// The name that no option has.
        option: String,
        /// The option that was probably meant.
        nearest: Option<String>,
    },
    /// The option cannot have that value.
    #[error("setting `{setting}` is refused")]
    #[diagnostic(code(standin::session::refused_setting))]
    Refused {
        /// The setting.
        setting: Setting,
        /// What is wrong with the value.
        #[source]
        #[diagnostic_source]
        errors: ConfigErrors,
    },
}

standin::reportable!(SessionError { Load });

/// Something around an environment and its command failed.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum RunError {
    /// There is nothing to run.
    #[error("there is no command to run")]
    #[diagnostic(
        code(standin::session::no_command),
        help("write it after `--`: `standin run environment.toml -- pytest`")
    )]
    NoCommand,
    /// Signals cannot be listened to.
    #[error("cannot listen to the signals that end a run")]
    #[diagnostic(
        code(standin::session::signals),
        help("see the limits on open files and threads")
    )]
    Signals {
        /// What the system said.
        source: io::Error,
    },
    /// The file for variables cannot be written.
    #[error("cannot write the variables to {}", path.display())]
    #[diagnostic(
        code(standin::session::env_file),
        help("it has to be a file that this user may write to, on a disk that is not full")
    )]
    EnvFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file for the output of the command cannot be written.
    #[error("cannot write the output of the command to {}", path.display())]
    #[diagnostic(
        code(standin::session::output),
        help("it has to be a file that this user may write to, on a disk that is not full")
    )]
    Output {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What belongs to the command does not end.
    #[error("the command (pid {pid}) was killed, and something that it has started does not end")]
    #[diagnostic(
        code(standin::session::not_ended),
        help("a process that changed its user, or that waits for a device, cannot be killed")
    )]
    NotEnded {
        /// The number of its process.
        pid: u32,
    },
}

standin::reportable!(RunError);

/// There is no page on what was asked for.
#[derive(Clone, Error, Diagnostic, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReferenceError {
    /// There is no such type of drivers.
    #[error("there is no driver type \"{name}\"")]
    #[diagnostic(
        code(standin::session::unknown_type),
        help("{}", meant(nearest.as_deref(), "the types are", known))
    )]
    UnknownType {
        /// The name.
        name: String,
        /// The type that was probably meant.
        nearest: Option<String>,
        /// The types that there are.
        known: Vec<String>,
    },
}

standin::reportable!(ReferenceError);

fn meant(nearest: Option<&str>, list: &str, known: &[String]) -> String {
    match nearest {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None => format!("{list}: {}", Names(known)),
    }
}

fn known_drivers(nearest: Option<&str>, known: &[String]) -> String {
    match known {
        [] => "the environment has no drivers".to_owned(),
        known => meant(nearest, "the drivers are", known),
    }
}

fn known_options(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None => "`standin options` lists the options of each type".to_owned(),
    }
}
