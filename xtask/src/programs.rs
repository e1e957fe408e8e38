//! The test programs of the workspace, to be run in other ways than cargo's.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use miette::Diagnostic;

use crate::workspace::{root, target_folder};

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum ProgramsError {
    #[error("the tests do not build")]
    #[diagnostic(
        code(xtask::programs::build),
        help("see above; try it alone with: cargo test --workspace --no-run")
    )]
    Build,
    #[error("cannot run {what}")]
    #[diagnostic(code(xtask::programs::run), help("see the cause"))]
    Run {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error("{} runs failed:\n  {}", failed.len(), failed.join("\n  "))]
    #[diagnostic(
        code(xtask::programs::failed),
        help("the files named have their output")
    )]
    Failed { failed: Vec<String> },
}

/// One test program.
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Where cargo would run it.
    pub(crate) folder: PathBuf,
}

impl Program {
    /// Runs `command` as cargo runs the program, with its output in `log`.
    pub(crate) fn spawn(
        &self,
        mut command: Command,
        log: &Path,
    ) -> Result<std::process::Child, ProgramsError> {
        let failure = |source| ProgramsError::Run {
            what: self.path.display().to_string(),
            source,
        };
        let output = File::create(log).map_err(failure)?;
        command
            .current_dir(&self.folder)
            // Where cargo says that a test is.
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .stdin(Stdio::null())
            .stderr(output.try_clone().map_err(failure)?)
            .stdout(output)
            .spawn()
            .map_err(failure)
    }
}

/// Builds all test programs.
pub(crate) fn build() -> Result<Vec<Program>, ProgramsError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "test",
            "--workspace",
            "--no-run",
            "--message-format=json-render-diagnostics",
        ])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| ProgramsError::Run {
            what: "cargo".to_owned(),
            source,
        })?;
    if !output.status.success() {
        return Err(ProgramsError::Build);
    }
    let messages = cargo_metadata::Message::parse_stream(&*output.stdout);
    let mut programs: Vec<Program> = messages
        .filter_map(|message| match message {
            Ok(cargo_metadata::Message::CompilerArtifact(artifact)) if artifact.profile.test => {
                let path = artifact.executable?.into_std_path_buf();
                Some(Program {
                    name: path.file_stem()?.to_string_lossy().into_owned(),
                    path,
                    folder: artifact.manifest_path.parent()?.as_std_path().to_owned(),
                })
            }
            _ => None,
        })
        .collect();
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}

/// Prints what a run that failed has to say: where nobody gets at the files, as in CI, it
/// is all that is left.
pub(crate) fn show_failure(log: &Path) {
    say!("--- {} ---", log.display());
    match std::fs::read(log) {
        Ok(output) => say!("{}", failure(&String::from_utf8_lossy(&output))),
        Err(error) => say!("it cannot be read: {error}"),
    }
    say!("---");
}

/// The part of a test program's output that is about failures, or the end of one that did
/// not get so far.
fn failure(output: &str) -> String {
    const LINES: usize = 300;
    let failures = output.find("\nfailures:\n").map_or(0, |at| at + 1);
    let lines: Vec<&str> = output[failures..].lines().collect();
    let cut = lines.len().saturating_sub(LINES);
    let mut text = String::new();
    if cut > 0 {
        text = format!("({cut} lines before these)\n");
    }
    text + &lines[cut..].join("\n")
}

/// A folder for the output of runs.
pub(crate) fn logs(name: &str) -> Result<PathBuf, ProgramsError> {
    let folder = target_folder().join(name);
    std::fs::create_dir_all(&folder).map_err(|source| ProgramsError::Run {
        what: folder.display().to_string(),
        source,
    })?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::failure;

    #[test]
    fn shows_why_a_program_failed() {
        let output = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n\
                      ---- b stdout ----\nno\n\n\nfailures:\n    b\n\ntest result: FAILED.";
        assert!(failure(output).starts_with("failures:\n\n---- b stdout ----\nno\n"));
        assert_eq!(failure("running 1 test\nkilled"), "running 1 test\nkilled");
        let long = failure(&"line\n".repeat(1000));
        assert!(long.starts_with("(700 lines before these)\nline\n"));
    }
}
