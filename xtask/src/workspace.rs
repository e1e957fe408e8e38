//! Where the workspace is, and how its commands are run.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use miette::Diagnostic;

/// A call of cargo, printed so that a person can repeat it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cargo {
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: &'static [(&'static str, &'static str)],
}

/// Why a call of cargo did not succeed.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum CargoError {
    #[error("cannot run `{command}`")]
    #[diagnostic(
        code(xtask::cargo::not_run),
        help("is cargo installed and on the PATH?")
    )]
    NotRun {
        command: Cargo,
        #[source]
        source: std::io::Error,
    },
    #[error("`{command}` failed: {status}")]
    #[diagnostic(
        code(xtask::cargo::failed),
        help("its output is above; repeat it with: {command}")
    )]
    Failed { command: Cargo, status: ExitStatus },
}

/// The root folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Every Rust file below a folder, in order.
///
/// # Errors
///
/// Returns the folder that cannot be read, and why.
pub(crate) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |source| (folder.clone(), source);
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Where cargo builds what this program builds with flags of its own: below the
/// folder of everything else.
pub(crate) fn target_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        // Cargo takes a relative one from where it runs, which is the root.
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

impl Cargo {
    /// `cargo` with these arguments, which hold no spaces.
    pub(crate) fn new(arguments: &str) -> Self {
        Self {
            arguments: arguments.split_whitespace().map(str::to_owned).collect(),
            environment: &[],
        }
    }

    pub(crate) fn with_environment(
        mut self,
        environment: &'static [(&'static str, &'static str)],
    ) -> Self {
        self.environment = environment;
        self
    }

    /// Runs in the workspace's root, with this program's own output.
    pub(crate) fn run(&self) -> Result<(), CargoError> {
        self.run_in(&root())
    }

    /// Runs in this folder.
    pub(crate) fn run_in(&self, folder: &Path) -> Result<(), CargoError> {
        // Cargo names itself there, so that a toolchain chosen with
        // `cargo +name xtask` stays the same all the way down.
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(program)
            .args(&self.arguments)
            .envs(self.environment.iter().copied())
            .current_dir(folder)
            .status()
            .map_err(|source| CargoError::NotRun {
                command: self.clone(),
                source,
            })?;
        if status.success() {
            Ok(())
        } else {
            Err(CargoError::Failed {
                command: self.clone(),
                status,
            })
        }
    }
}

impl fmt::Display for Cargo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.environment {
            write!(f, "{name}=\"{value}\" ")?;
        }
        write!(f, "cargo {}", self.arguments.join(" "))
    }
}
