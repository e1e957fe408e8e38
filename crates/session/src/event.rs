//! [`Event`]: something that has happened to an environment or to the command beside it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use standin::Error;

/// Something that has happened.
///
/// As JSON it is one object: `event` is what has happened, `at` is when, and the other keys are the
/// fields of the variant of [`Happened`], in `snake_case`; durations end in `_ms` and are
/// milliseconds.
///
/// ```
/// use standin_session::{Event, Happened};
///
/// let event = Event::now(Happened::DriverStarting { driver: "bank".to_owned() });
/// let json = event.to_json();
/// assert_eq!((&json["event"], &json["driver"]), (&"driver_starting".into(), &"bank".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it happened.
    pub at: SystemTime,
    /// What has happened.
    pub what: Happened,
}

/// The possible events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happened {
    /// `environment_starting`: the environment begins to start.
    EnvironmentStarting {
        /// Its name.
        environment: String,
        /// Its drivers, in the order of the file.
        drivers: Vec<String>,
    },
    /// `driver_starting`: a driver begins to start.
    DriverStarting {
        /// Its name.
        driver: String,
    },
    /// `driver_started`: a driver is up.
    DriverStarted {
        /// Its name.
        driver: String,
        /// How long its start took.
        after: Duration,
    },
    /// `driver_failed`: a driver did not start, or not stop cleanly.
    DriverFailed {
        /// Its name.
        driver: String,
        /// The operation: `start`, `stop`.
        during: String,
        /// Why, as a text of several lines.
        message: String,
    },
    /// `environment_started`: all drivers are up.
    EnvironmentStarted {
        /// Its name.
        environment: String,
        /// How long the start took.
        after: Duration,
        /// The variables for programs that use the environment.
        variables: IndexMap<String, String>,
    },
    /// `command_started`: the command runs.
    CommandStarted {
        /// Its first word.
        program: String,
        /// The number of its process.
        pid: u32,
    },
    /// `command_signalled`: the command was sent a signal, because this program got it, or because
    /// the time was over.
    CommandSignalled {
        /// The number of the signal.
        signal: i32,
    },
    /// `end_requested`: the environment is stopping, and there was a signal that asks for the end:
    /// another one ends everything at once.
    EndRequested {
        /// The number of the signal.
        signal: i32,
    },
    /// `command_ended`: the command has ended. Exactly one of `exit_code` and `signal` is set.
    CommandEnded {
        /// Its exit code.
        exit_code: Option<i32>,
        /// The number of the signal that ended it.
        signal: Option<i32>,
        /// How long it ran.
        after: Duration,
    },
    /// `command_left`: what the command had started and left running was ended.
    CommandLeft {
        /// The programs, each with the number of its process.
        programs: Vec<String>,
    },
    /// `environment_stopping`: the environment begins to stop.
    EnvironmentStopping {
        /// Its name.
        environment: String,
    },
    /// `driver_stopping`: a driver begins to stop.
    DriverStopping {
        /// Its name.
        driver: String,
    },
    /// `driver_stopped`: a driver is down.
    DriverStopped {
        /// Its name.
        driver: String,
        /// How long its stop took.
        after: Duration,
    },
    /// `files_kept`: the command has failed, and what explains that is still there.
    FilesKept {
        /// The directory of their files.
        path: Option<PathBuf>,
        /// The recording: a page, a capture, a text.
        recorded: Vec<PathBuf>,
        /// Why other files of the recording could not be written, as sentences.
        problems: Vec<String>,
    },
    /// `failed`: an error; the program ends with the corresponding exit code.
    Failed {
        /// The code of the error, which `standin explain` has a page on.
        code: Option<String>,
        /// The error, in short.
        message: String,
        /// How to fix it.
        help: Option<String>,
        /// All that is known of it, as a text of several lines.
        report: String,
    },
    /// `exited`: the program ends. The last event.
    Exited {
        /// Its exit code.
        exit_code: u8,
    },
    /// `environment_stopped`: all drivers are down.
    EnvironmentStopped {
        /// Its name.
        environment: String,
        /// How long the stop took.
        after: Duration,
    },
}

impl Event {
    /// Something that has happened now.
    pub fn now(what: Happened) -> Self {
        Self {
            at: SystemTime::now(),
            what,
        }
    }

    /// Creates the event of an error.
    pub fn failed(error: &Error) -> Self {
        let diagnostic = error.diagnostic();
        Self::now(Happened::Failed {
            code: diagnostic.code().map(|code| code.to_string()),
            message: error.to_string(),
            help: diagnostic.help().map(|help| help.to_string()),
            report: format!("{error:?}"),
        })
    }

    /// Returns the event as one JSON object.
    pub fn to_json(&self) -> Value {
        let (name, fields) = self.what.parts();
        let mut object = Map::new();
        object.insert("event".to_owned(), json!(name));
        let at = humantime::format_rfc3339_micros(self.at);
        object.insert("at".to_owned(), json!(at.to_string()));
        if let Value::Object(fields) = fields {
            object.extend(fields);
        }
        Value::Object(object)
    }
}

impl Happened {
    fn parts(&self) -> (&'static str, Value) {
        match self {
            Happened::EnvironmentStarting {
                environment,
                drivers,
            } => (
                "environment_starting",
                json!({ "environment": environment, "drivers": drivers }),
            ),
            Happened::DriverStarting { driver } => ("driver_starting", json!({ "driver": driver })),
            Happened::DriverStarted { driver, after } => (
                "driver_started",
                json!({ "driver": driver, "after_ms": milliseconds(*after) }),
            ),
            Happened::DriverFailed {
                driver,
                during,
                message,
            } => (
                "driver_failed",
                json!({ "driver": driver, "during": during, "message": message }),
            ),
            Happened::EnvironmentStarted {
                environment,
                after,
                variables,
            } => (
                "environment_started",
                json!({
                    "environment": environment,
                    "after_ms": milliseconds(*after),
                    "variables": variables,
                }),
            ),
            Happened::CommandStarted { program, pid } => {
                ("command_started", json!({ "program": program, "pid": pid }))
            }
            Happened::CommandSignalled { signal } => {
                ("command_signalled", json!({ "signal": signal }))
            }
            Happened::EndRequested { signal } => ("end_requested", json!({ "signal": signal })),
            Happened::CommandEnded {
                exit_code,
                signal,
                after,
            } => (
                "command_ended",
                json!({
                    "exit_code": exit_code,
                    "signal": signal,
                    "after_ms": milliseconds(*after),
                }),
            ),
            Happened::CommandLeft { programs } => ("command_left", json!({ "programs": programs })),
            Happened::EnvironmentStopping { environment } => (
                "environment_stopping",
                json!({ "environment": environment }),
            ),
            Happened::DriverStopping { driver } => ("driver_stopping", json!({ "driver": driver })),
            Happened::DriverStopped { driver, after } => (
                "driver_stopped",
                json!({ "driver": driver, "after_ms": milliseconds(*after) }),
            ),
            Happened::Failed {
                code,
                message,
                help,
                report,
            } => (
                "failed",
                json!({ "code": code, "message": message, "help": help, "report": report }),
            ),
            Happened::FilesKept {
                path,
                recorded,
                problems,
            } => (
                "files_kept",
                json!({ "path": path, "recorded": recorded, "problems": problems }),
            ),
            Happened::Exited { exit_code } => ("exited", json!({ "exit_code": exit_code })),
            Happened::EnvironmentStopped { environment, after } => (
                "environment_stopped",
                json!({ "environment": environment, "after_ms": milliseconds(*after) }),
            ),
        }
    }
}

/// With microseconds behind the point, and nothing finer.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
