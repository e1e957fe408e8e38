use std::io;
use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

/// Why a program could not be started.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum SpawnError {
    /// There is no such program in `PATH`.
    #[error("program `{program}` was not found in PATH")]
    #[diagnostic(
        code(standin::child::not_found),
        help("install it, or use a path with a `/` in it")
    )]
    NotFound {
        /// The name of the program.
        program: String,
    },
    /// The system did not run the program.
    #[error("cannot run `{program}`")]
    #[diagnostic(
        code(standin::child::program),
        help("it must exist, be executable, and have an interpreter that exists")
    )]
    Program {
        /// The path of the program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// The program cannot start in its directory.
    #[error("cannot start in the directory `{}`", directory.display())]
    #[diagnostic(
        code(standin::child::directory),
        help("it must be a directory that this user may enter")
    )]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The name of an environment variable is empty or contains `=`, or its name or
    /// value contains a NUL.
    #[error("\"{}\" cannot be an environment variable", name.escape_debug())]
    #[diagnostic(
        code(standin::child::variable),
        help(
            "a name must not be empty or contain `=`; neither it nor its value may contain a NUL"
        )
    )]
    Variable {
        /// The name of the variable.
        name: String,
    },
    /// A text contains a NUL, which no program can be given.
    #[error("{what} contains a NUL")]
    #[diagnostic(code(standin::child::nul), help("remove it"))]
    Nul {
        /// Which text.
        what: &'static str,
    },
    /// The system has no room for another process, or for its descriptors.
    #[error("cannot start a process for `{program}`")]
    #[diagnostic(
        code(standin::child::system),
        help("check the limits on processes, memory and open files")
    )]
    System {
        /// The path of the program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// This platform has nothing to hold a process by.
    #[error("processes are not supported on this platform")]
    #[diagnostic(code(standin::child::not_supported), help("run this on Unix"))]
    NotSupported,
}

standin_error::reportable!(SpawnError);

impl SpawnError {
    /// Returns the system's error, if there is one.
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            SpawnError::Program { source, .. }
            | SpawnError::Directory { source, .. }
            | SpawnError::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
