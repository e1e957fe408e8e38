use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use miette::Diagnostic;
use standin_error::text::Span;
use thiserror::Error;

use standin_child::{Exit, SpawnError, WriteError};
use standin_entity::Status;
use standin_socket::BindError;

/// The errors of a process.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum ProcessError {
    /// The program is not there.
    #[error(
        "process \"{driver}\": program `{binary}` was not found{}",
        Searched(searched)
    )]
    #[diagnostic(
        code(standin::process::binary_not_found),
        help(
            "install it, or set `binary` to its path; a relative path starts at {}",
            current_dir()
        )
    )]
    BinaryNotFound {
        /// The driver.
        driver: String,
        /// The program as configured.
        binary: String,
        /// The folders that were searched; none for a path.
        searched: Vec<PathBuf>,
    },
    /// The program exists but cannot be run.
    #[error("process \"{driver}\": `{}` cannot be run: {reason}", path.display())]
    #[diagnostic(code(standin::process::not_executable), help("{}", reason.help()))]
    NotExecutable {
        /// The driver.
        driver: String,
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: NotExecutable,
    },
    /// The program exists, but its interpreter does not.
    #[error(
        "process \"{driver}\": `{}` cannot be run: {interpreter}, which it needs, does not exist",
        path.display()
    )]
    #[diagnostic(
        code(standin::process::interpreter),
        help("{}", interpreter_help(interpreter))
    )]
    Interpreter {
        /// The driver.
        driver: String,
        /// The file.
        path: PathBuf,
        /// The interpreter that its first line names, quoted, or its loader.
        interpreter: String,
    },
    /// The directory to start in is not there.
    #[error("process \"{driver}\": the working directory `{}` does not exist", path.display())]
    #[diagnostic(
        code(standin::process::working_dir),
        help(
            "create it before the start, for example in the `pre_start` hook, or leave out `working_dir` to use the runpath"
        )
    )]
    WorkingDir {
        /// The driver.
        driver: String,
        /// The directory.
        path: PathBuf,
    },
    /// A file for the standard streams cannot be opened.
    #[error("process \"{driver}\": cannot open `{}`", path.display())]
    #[diagnostic(
        code(standin::process::stream),
        help("check that the file exists and that this user may open it")
    )]
    Stream {
        /// The driver.
        driver: String,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A driver that the process should trust has no authority.
    #[error(
        "process \"{driver}\": option \"trust\" names \"{trusted}\", which has no certificate to trust"
    )]
    #[diagnostic(code(standin::process::no_authority), help("{}", way_to_trust(trusted, *status)))]
    NoAuthority {
        /// The driver.
        driver: String,
        /// The driver that it should trust.
        trusted: String,
        /// Its status, if it is one.
        status: Option<Status>,
    },
    /// A port that the process should listen on cannot be bound.
    #[error("process \"{driver}\": cannot listen on {host}:{port} for it, as \"{name}\"")]
    #[diagnostic(
        code(standin::process::listen),
        help("leave out `port` to let the system choose a free one")
    )]
    Listen {
        /// The driver.
        driver: String,
        /// The name of the port.
        name: String,
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// Which address could not be bound, and why.
        #[source]
        #[diagnostic_source]
        source: BindError,
    },
    /// A port is neither a number nor the name of a service.
    #[error("process \"{driver}\" cannot use its port \"{name}\"")]
    #[diagnostic(code(standin::process::port))]
    Port {
        /// The driver.
        driver: String,
        /// The name of the port.
        name: String,
        /// The reason.
        #[source]
        #[diagnostic_source]
        source: standin_config::PortError,
    },
    /// The system did not start the program.
    #[error("process \"{driver}\": cannot start `{command}`")]
    #[diagnostic(code(standin::process::spawn), help("try the command in a shell"))]
    Spawn {
        /// The driver.
        driver: String,
        /// The whole command.
        command: String,
        /// The reason.
        #[source]
        #[diagnostic_source]
        source: SpawnError,
    },
    /// The process ended before it was ready.
    #[error("process \"{driver}\" ended {} after its start and before it was ready, with {exit}", Ago(*after))]
    #[diagnostic(
        code(standin::process::ended_early),
        help("the command was `{command}`")
    )]
    EndedEarly {
        /// The driver.
        driver: String,
        /// How it ended.
        exit: Exit,
        /// How long it ran.
        after: Duration,
        /// The whole command.
        command: String,
    },
    /// The process ended with another exit code than it should.
    #[error("process \"{driver}\" should have ended with {expected}, but ended with {found}")]
    #[diagnostic(
        code(standin::process::unexpected_retcode),
        help("see its output, or change `expected_retcode`; {}", retcode_help(*killed))
    )]
    UnexpectedRetcode {
        /// The driver.
        driver: String,
        /// The configured exit code.
        expected: Exit,
        /// The actual exit code.
        found: Exit,
        /// Whether it had to be killed, because it ignored the stop signal.
        killed: bool,
    },
    /// A stop had to kill, and `must_stop_cleanly` is set.
    #[error("process \"{driver}\" did not stop cleanly: {} had to be killed", killed.join(", "))]
    #[diagnostic(
        code(standin::process::killed),
        help(
            "it may need a longer `stop_timeout`, or another `stop_signal`; leave out `must_stop_cleanly` to accept it"
        )
    )]
    Killed {
        /// The driver.
        driver: String,
        /// The killed processes.
        killed: Vec<String>,
    },
    /// There is no process to do that with.
    #[error("process \"{driver}\" is not running{}", Ended(exit))]
    #[diagnostic(
        code(standin::process::not_running),
        help("start \"{driver}\" first, or find out why it ended")
    )]
    NotRunning {
        /// The driver.
        driver: String,
        /// How it ended, if it ran.
        exit: Option<Exit>,
    },
    /// Its standard input cannot be written.
    #[error("process \"{driver}\": cannot write to its standard input")]
    #[diagnostic(
        code(standin::process::stdin),
        help(
            "the process must read it, with `stdin` configured as \"pipe\", before `close_stdin`"
        )
    )]
    Stdin {
        /// The driver.
        driver: String,
        /// How much was written, and why not everything.
        #[source]
        #[diagnostic_source]
        source: WriteError,
    },
    /// It has not ended yet.
    #[error("process \"{driver}\" (pid {pid}) has not ended within {}", Span(*limit))]
    #[diagnostic(
        code(standin::process::still_running),
        help("wait longer, or stop the driver")
    )]
    StillRunning {
        /// The driver.
        driver: String,
        /// Its process.
        pid: u32,
        /// How long the wait took.
        limit: Duration,
    },
    /// The driver was aborted, or the test has failed elsewhere, so that all waits end.
    #[error("stopped waiting for process \"{driver}\" (pid {pid})\n{reason}")]
    #[diagnostic(
        code(standin::process::interrupted),
        help("fix what failed the test first")
    )]
    Interrupted {
        /// The driver.
        driver: String,
        /// Its process.
        pid: u32,
        /// What is known about that, on separate lines.
        reason: String,
    },
    /// It did not take the signal.
    #[error("process \"{driver}\" (pid {pid}) cannot be sent {signal}")]
    #[diagnostic(
        code(standin::process::signal),
        help("it may have changed its user, or be stuck in the system")
    )]
    Signal {
        /// The driver.
        driver: String,
        /// Its process.
        pid: u32,
        /// The signal.
        signal: crate::Signal,
        /// The system's error.
        source: io::Error,
    },
    /// This platform has nothing to hold a process by.
    #[error("process \"{driver}\": processes are not supported on this platform")]
    #[diagnostic(
        code(standin::process::not_supported),
        help("run this test on Unix, or skip it elsewhere")
    )]
    NotSupported {
        /// The driver.
        driver: String,
    },
}

standin_error::reportable!(ProcessError);

/// Why a file cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotExecutable {
    /// It is a directory.
    #[error("it is a directory")]
    Directory,
    /// It is a socket, a device or the like.
    #[error("it is not a file")]
    NoFile,
    /// It is not executable.
    #[error("it is not executable")]
    Permission,
}

impl NotExecutable {
    fn help(self) -> &'static str {
        match self {
            NotExecutable::Directory => "name the program in it as `binary`",
            NotExecutable::NoFile => "name a program as `binary`",
            NotExecutable::Permission => "`chmod +x` it, or name another file as `binary`",
        }
    }
}

fn interpreter_help(interpreter: &str) -> &'static str {
    if interpreter.ends_with("\\r\"") {
        "its first line ends with a carriage return: save the file with Unix line ends"
    } else if interpreter.starts_with('"') {
        "install it, or correct the first line of the file"
    } else {
        "it was built for another system: build it for this one, or install its C library"
    }
}

/// A driver has its certificate from its start on.
fn way_to_trust(trusted: &str, status: Option<Status>) -> String {
    match status.filter(|status| *status != Status::Started) {
        Some(status) => format!("{}: start \"{trusted}\" first", status.in_words()),
        None => format!(
            "give \"{trusted}\" `tls = {{}}`, or name another driver: a TCP server with `tls`, or \
             a `tls-certificate`"
        ),
    }
}

fn retcode_help(killed: bool) -> &'static str {
    match killed {
        true => "it ignored `stop_signal` and was killed: it may need a longer `stop_timeout`",
        false => "leave that out to accept any exit code",
    }
}

fn current_dir() -> String {
    std::env::current_dir()
        .map(|path| path.display().to_string())
        .unwrap_or_else(|_| "the current directory".to_owned())
}

struct Searched<'a>(&'a [PathBuf]);

impl fmt::Display for Searched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let folders: Vec<String> = self
            .0
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        write!(f, " in PATH ({})", folders.join(":"))
    }
}

struct Ended<'a>(&'a Option<Exit>);

impl fmt::Display for Ended<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(exit) => write!(f, ": it ended with {exit}"),
            None => Ok(()),
        }
    }
}

struct Ago(Duration);

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1?}", self.0)
    }
}
