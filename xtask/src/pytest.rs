//! `cargo xtask pytest`: the tests of the pytest plugin, with a real pytest, on its wheel as users
//! install it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use miette::Diagnostic;

use crate::workspace::{root, target_folder};

/// What the tests need besides Python: pytest itself, what checks types, and what builds wheels.
const PACKAGES: &[&str] = &["pytest", "mypy", "maturin"];

/// Without the packages the tests cannot run. Set, that is a failure.
const REQUIRED: &str = "STANDIN_REQUIRE_PEERS";

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum PytestError {
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
    #[error("the wheels in {} cannot be read or removed", folder.display())]
    #[diagnostic(code(xtask::pytest::wheels), help("see the cause"))]
    Wheels {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
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
            say!("SKIPPED: the tests of the pytest plugin: pytest cannot be installed");
            return Ok(());
        }
    }
    let plugin = root().join("python");
    let mut types = Command::new(&python);
    types.args(["-m", "mypy", "src"]).current_dir(&plugin);
    // Its cache belongs to what is built.
    types.env("MYPY_CACHE_DIR", folder.join("mypy"));
    check(&mut types, "mypy")?;
    let wheel = wheel(&python, &folder.join("wheels"))?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]);
    check(install.arg("--force-reinstall").arg(wheel), "pip")?;
    let mut tests = Command::new(&python);
    tests
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .current_dir(&plugin)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    check(&mut tests, "pytest")
}

/// Builds the wheel, with the command as cargo builds it for tests.
fn wheel(python: &Path, folder: &Path) -> Result<PathBuf, PytestError> {
    let failed = |source| PytestError::Wheels {
        folder: folder.to_owned(),
        source,
    };
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut maturin = Command::new(python);
    maturin
        .args([
            "-m",
            "maturin",
            "build",
            "--quiet",
            "--profile",
            "dev",
            "--out",
        ])
        .arg(folder)
        .current_dir(root().join("python"));
    check(&mut maturin, "maturin")?;
    let mut files = fs::read_dir(folder).map_err(failed)?;
    let missing = || failed(io::ErrorKind::NotFound.into());
    Ok(files.next().ok_or_else(missing)?.map_err(failed)?.path())
}

fn is_installed(python: &Path) -> Result<bool, PytestError> {
    if !python.exists() {
        return Ok(false);
    }
    let imports = format!("import {}", PACKAGES.join(", "));
    let mut command = Command::new(python);
    status(
        command.args(["-c", &imports]).stderr(Stdio::null()),
        "python",
    )
}

/// Makes a virtual environment with the packages. What fails has said why.
fn install(folder: &Path, python: &Path) -> Result<(), PytestError> {
    let mut venv = Command::new("python3");
    if status(venv.args(["-m", "venv"]).arg(folder), "python3 -m venv")? {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--quiet"]);
        status(pip.args(PACKAGES), "pip")?;
    }
    Ok(())
}

fn check(command: &mut Command, what: &'static str) -> Result<(), PytestError> {
    match status(command, what)? {
        true => Ok(()),
        false => Err(PytestError::Failed { what }),
    }
}

fn status(command: &mut Command, what: &str) -> Result<bool, PytestError> {
    let status = command.stdin(Stdio::null()).status();
    let status = status.map_err(|source| PytestError::NotRun {
        what: what.to_owned(),
        source,
    })?;
    Ok(status.success())
}
