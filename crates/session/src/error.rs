use std::io;
use std::path::PathBuf;

use miette::Diagnostic;
use standin::config::ConfigErrors;
use standin::environment::LoadError;
use standin::error::text::Names;
use thiserror::Error;

use crate::Setting;

/// A session cannot be created from a file and settings.
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
        /// The given setting.
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
    #[error("no command to run")]
    #[diagnostic(
        code(standin::session::no_command),
        help("write it after `--`: `standin run environment.toml -- pytest`")
    )]
    NoCommand,
    /// Signals cannot be listened to.
    #[error("cannot listen to the signals that end a run")]
    #[diagnostic(
        code(standin::session::signals),
        help("check the limits on open files and threads")
    )]
    Signals {
        /// The system's error.
        source: io::Error,
    },
    /// The file for variables cannot be written.
    #[error("cannot write the variables to `{}`", path.display())]
    #[diagnostic(
        code(standin::session::env_file),
        help("it must be a file that this user may write to, on a disk that is not full")
    )]
    EnvFile {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file for the output of the command cannot be written.
    #[error("cannot write the output of the command to `{}`", path.display())]
    #[diagnostic(
        code(standin::session::output),
        help("it must be a file that this user may write to, on a disk that is not full")
    )]
    Output {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Processes of the command do not end.
    #[error("the command (pid {pid}) was killed, but something that it started does not end")]
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

/// Environments that are kept up cannot be found, or not be taken down.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum StateError {
    /// The directory or a file in it cannot be used.
    #[error("cannot use `{}`, which records which environments are up", path.display())]
    #[diagnostic(
        code(standin::session::state),
        help("it is below XDG_RUNTIME_DIR, or else TMPDIR: it must be writable, and not full")
    )]
    Directory {
        /// The directory, or the file in it.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another user could change the directory.
    #[error("`{}` is not a directory that only this user may write to", path.display())]
    #[diagnostic(
        code(standin::session::state_not_private),
        help("remove it, or set XDG_RUNTIME_DIR to a directory of your own")
    )]
    NotPrivate {
        /// The directory.
        path: PathBuf,
    },
    /// No environment is up.
    #[error("no environment is up")]
    #[diagnostic(
        code(standin::session::nothing_up),
        help("`standin up FILE` brings one up")
    )]
    NothingUp,
    /// Several environments are up, and none was named.
    #[error("{} environments are up", known.len())]
    #[diagnostic(
        code(standin::session::several_up),
        help("name one of them: {}; or all, with `--all`", Names(known))
    )]
    SeveralUp {
        /// Their ids.
        known: Vec<String>,
    },
    /// No environment of that name is up.
    #[error("no environment \"{}\" is up", wanted.escape_debug())]
    #[diagnostic(
        code(standin::session::not_up),
        help("{}", up(nearest.as_deref(), known))
    )]
    NotUp {
        /// The requested environment.
        wanted: String,
        /// The id that was probably meant.
        nearest: Option<String>,
        /// The ids of those that are up.
        known: Vec<String>,
    },
    /// An environment has ended meanwhile.
    #[error("environment \"{id}\" is no longer up")]
    #[diagnostic(
        code(standin::session::gone),
        help("`standin status` lists those that are up")
    )]
    Gone {
        /// The environment.
        id: String,
    },
    /// The keeper of an environment does not answer.
    #[error("the keeper of environment \"{id}\", process {pid}, does not answer")]
    #[diagnostic(
        code(standin::session::no_answer),
        help("was it suspended? `kill -CONT {pid}` resumes it")
    )]
    NoAnswer {
        /// The environment.
        id: String,
        /// The number of the keeper.
        pid: u32,
        /// The answer.
        source: std::io::Error,
    },
    /// The keeper of an environment is of another version.
    #[error(
        "environment \"{id}\" is kept by standin {version}, but this is standin {}",
        env!("CARGO_PKG_VERSION")
    )]
    #[diagnostic(
        code(standin::session::other_version),
        help("use the version of the command that brought it up")
    )]
    OtherVersion {
        /// The environment.
        id: String,
        /// The version of its keeper.
        version: String,
    },
    /// The keeper of an environment cannot be asked to end.
    #[error("cannot take environment \"{id}\" down")]
    #[diagnostic(
        code(standin::session::down),
        help("it belongs to the user who brought it up")
    )]
    Down {
        /// Its id.
        id: String,
        /// The system's error.
        source: io::Error,
    },
    /// The keeper of an environment is in another container, and so has another number here.
    #[error("environment \"{id}\" is kept in another container, by process {pid} there")]
    #[diagnostic(
        code(standin::session::elsewhere),
        help("take it down there; containers can have an XDG_RUNTIME_DIR each")
    )]
    Elsewhere {
        /// Its id.
        id: String,
        /// The number of the keeper in its container.
        pid: u32,
    },
    /// The process with which the environment is to end cannot be watched.
    #[error("cannot wait for the end of process {pid}")]
    #[diagnostic(
        code(standin::session::parent),
        help("`--with-parent` takes the number of a process that runs, such as $PPID in a script")
    )]
    Parent {
        /// Its number.
        pid: u32,
        /// The system's error.
        source: io::Error,
    },
}

standin::reportable!(StateError);

/// There is no page for the code.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum ReferenceError {
    /// There is no such type of drivers.
    #[error("unknown driver type \"{name}\"")]
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
    /// No failed run has left files in a directory.
    #[error("there is no report of a failed run in `{}`", directory.display())]
    #[diagnostic(
        code(standin::session::no_report),
        help("name the directory that the failure names")
    )]
    NoReport {
        /// The directory.
        directory: PathBuf,
    },
    /// The text of a failed run cannot be read.
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(
        code(standin::session::unreadable_report),
        help("name the directory that the failure names, which this user may read")
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There is no such error code.
    #[error("unknown error code \"{code}\"")]
    #[diagnostic(
        code(standin::session::unknown_code),
        help("{}", match nearest {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "the last line of an error is its code".to_owned(),
        })
    )]
    UnknownCode {
        /// The requested name.
        code: String,
        /// The code that was probably meant.
        nearest: Option<String>,
    },
}

standin::reportable!(ReferenceError);

fn meant(nearest: Option<&str>, list: &str, known: &[String]) -> String {
    match nearest {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None => format!("{list}: {}", Names(known)),
    }
}

fn up(nearest: Option<&str>, known: &[String]) -> String {
    match known {
        [] => "no environment is up".to_owned(),
        known => meant(nearest, "these are up", known),
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
