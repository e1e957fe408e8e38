//! `cargo xtask pytest`: the tests of the pytest plugin, with a real pytest.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use miette::Diagnostic;

use crate::workspace::{Cargo, CargoError, root, target_folder};

/// What the tests need besides Python: pytest itself, and what checks the types.
const PACKAGES: &[&str] = &["pytest", "mypy"];

/// Without the packages the tests cannot run. Set, that is a failure.
const REQUIRED: &str = "STANDIN_REQUIRE_PEERS";

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum PytestError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cargo(#[from] CargoError),
    #[error("cannot run {what}")]
    #[diagnostic(
        code(xtask::pytest::not_run),
        help("Python 3.9 or later is needed, with its module `venv`")
    )]
    NotRun {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error("pytest cannot be installed below target/python, and {REQUIRED} is set")]
    #[diagnostic(
        code(xtask::pytest::not_installed),
        help("see above: is `python3 -m venv` there, and the registry of pip?")
    )]
    NotInstalled,
    #[error("{what} failed")]
    #[diagnostic(
        code(xtask::pytest::failed),
        help("its output is above; repeat it with: cargo xtask pytest")
    )]
    Failed { what: &'static str },
}

/// Runs the tests, and checks the types of the plugin.
pub(crate) fn run() -> Result<(), PytestError> {
    let folder = target_folder().join("python");
    let python = folder.join("bin/python");
    if !is_installed(&python)? {
        install(&folder, &python)?;
        if !is_installed(&python)? {
            if std::env::var_os(REQUIRED).is_some() {
                return Err(PytestError::NotInstalled);
            }
            println!("SKIPPED: the tests of the pytest plugin: pytest cannot be installed");
            return Ok(());
        }
    }
    Cargo::new("build --package standin-cli").run()?;
    let plugin = root().join("python");
    let mut types = Command::new(&python);
    types.args(["-m", "mypy", "src"]).current_dir(&plugin);
    // Its cache belongs to what is built.
    types.env("MYPY_CACHE_DIR", folder.join("mypy"));
    check(types, "mypy")?;
    let mut tests = Command::new(&python);
    tests
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .current_dir(&plugin)
        .env("PYTHONPATH", plugin.join("src"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTEST_PLUGINS", "standin.plugin")
        .env("STANDIN_COMMAND", target_folder().join("debug/standin"));
    check(tests, "pytest")
}

fn is_installed(python: &Path) -> Result<bool, PytestError> {
    if !python.exists() {
        return Ok(false);
    }
    let imports = format!("import {}", PACKAGES.join(", "));
    let mut command = Command::new(python);
    command.args(["-c", &imports]).stderr(Stdio::null());
    status(command, "python")
}

/// Makes a virtual environment with the packages. What fails has said why.
fn install(folder: &Path, python: &Path) -> Result<(), PytestError> {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(folder);
    if status(venv, "python3 -m venv")? {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--quiet"]).args(PACKAGES);
        status(pip, "pip")?;
    }
    Ok(())
}

fn check(command: Command, what: &'static str) -> Result<(), PytestError> {
    match status(command, what)? {
        true => Ok(()),
        false => Err(PytestError::Failed { what }),
    }
}

fn status(mut command: Command, what: &str) -> Result<bool, PytestError> {
    let status = command.stdin(Stdio::null()).status();
    let status = status.map_err(|source| PytestError::NotRun {
        what: what.to_owned(),
        source,
    })?;
    Ok(status.success())
}
