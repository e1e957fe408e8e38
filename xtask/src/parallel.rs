//! `cargo xtask parallel`: all test programs, eight times at once: what shares a
//! port, a file or a moment in time with another run fails.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use miette::Diagnostic;

use crate::workspace::{root, target_folder};

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum ParallelError {
    #[error("the tests do not build")]
    #[diagnostic(
        code(xtask::parallel::build),
        help("see above; try it alone with: cargo test --workspace --no-run")
    )]
    Build,
    #[error("cannot run {what}")]
    #[diagnostic(code(xtask::parallel::run), help("see the cause"))]
    Run {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error("{} runs failed:\n  {}", failed.len(), failed.join("\n  "))]
    #[diagnostic(
        code(xtask::parallel::failed),
        help("the files named have their output")
    )]
    Failed { failed: Vec<String> },
}

/// One test program.
struct Program {
    name: String,
    path: PathBuf,
    /// Where cargo would run it.
    folder: PathBuf,
}

pub(crate) fn run(times: usize) -> Result<(), ParallelError> {
    let programs = build()?;
    let logs = target_folder().join("parallel");
    std::fs::create_dir_all(&logs).map_err(|source| ParallelError::Run {
        what: logs.display().to_string(),
        source,
    })?;
    let mut failed = Vec::new();
    for program in &programs {
        let mut runs = Vec::new();
        for number in 1..=times {
            let log = logs.join(format!("{}-{number}.log", program.name));
            let failure = |source| ParallelError::Run {
                what: program.path.display().to_string(),
                source,
            };
            let output = File::create(&log).map_err(failure)?;
            let child = Command::new(&program.path)
                .current_dir(&program.folder)
                // What cargo tells a test where it is.
                .env("CARGO_MANIFEST_DIR", &program.folder)
                .stdin(Stdio::null())
                .stderr(output.try_clone().map_err(failure)?)
                .stdout(output)
                .spawn()
                .map_err(failure)?;
            runs.push((child, log));
        }
        let mut passed = 0;
        for (mut child, log) in runs {
            match child.wait() {
                Ok(status) if status.success() => passed += 1,
                _ => failed.push(log.display().to_string()),
            }
        }
        println!("{:<40} {passed} of {times} passed", program.name);
    }
    if failed.is_empty() {
        println!(
            "{} test programs passed, {times} times at once",
            programs.len()
        );
        return Ok(());
    }
    Err(ParallelError::Failed { failed })
}

fn build() -> Result<Vec<Program>, ParallelError> {
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
        .map_err(|source| ParallelError::Run {
            what: "cargo".to_owned(),
            source,
        })?;
    if !output.status.success() {
        return Err(ParallelError::Build);
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
