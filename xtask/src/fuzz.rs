//! `cargo xtask fuzz`: feeds each fuzz target with whatever input comes to
//! libFuzzer's mind, for some seconds each.
//!
//! It needs neither a nightly toolchain nor cargo-fuzz: what instruments the
//! code is a pass of LLVM that stable compilers have, too. Sanitizers, which
//! they lack, would find nothing in code that forbids `unsafe`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{fs, io};

use miette::Diagnostic;

use crate::workspace::{Cargo, CargoError, root, target_folder};

/// The targets: `fuzz/fuzz_targets/<name>.rs`, with seeds in `fuzz/corpus/<name>`.
const TARGETS: &[&str] = &[
    "conversation",
    "environment_file",
    "framing",
    "proxy",
    "status",
    "template",
    "transcript",
];

/// Counts which edges of the code an input takes, for libFuzzer to prefer those
/// that take new ones. `cargo fuzz build -s none` does the same.
const INSTRUMENTED: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
    --cfg fuzzing";

/// How long one input may take, in seconds. Templates have fuel for a few.
const SLOWEST: u32 = 60;

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum FuzzError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cargo(#[from] CargoError),
    #[error("unknown fuzz target `{name}`")]
    #[diagnostic(code(xtask::fuzz::unknown), help("there are: {}", TARGETS.join(", ")))]
    Unknown { name: String },
    #[error("an input can be tried with one target only")]
    #[diagnostic(
        code(xtask::fuzz::input),
        help("name it: cargo xtask fuzz --input FILE TARGET")
    )]
    InputForMany,
    #[error("the compiler does not report its platform")]
    #[diagnostic(
        code(xtask::fuzz::host),
        help("does `rustc -vV` print a line `host: ...`?")
    )]
    Host,
    #[error("cannot use {}", path.display())]
    #[diagnostic(code(xtask::fuzz::file), help("see the cause"))]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{target}` failed")]
    #[diagnostic(
        code(xtask::fuzz::broke),
        help(
            "its output is above, and names the input; try it again with: cargo xtask fuzz --input FILE {target}"
        )
    )]
    Broke { target: &'static str },
}

pub(crate) fn run(names: &[String], seconds: u32, input: Option<&Path>) -> Result<(), FuzzError> {
    let targets = chosen(names)?;
    if input.is_some() && targets.len() != 1 {
        return Err(FuzzError::InputForMany);
    }
    let host = host()?;
    let folder = target_folder().join("fuzz");
    build(&host, &folder)?;
    for target in targets {
        let program = folder.join(&host).join("release").join(target);
        match input {
            Some(input) => try_input(&program, target, input)?,
            None => explore(&program, target, seconds, &folder)?,
        }
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static str>, FuzzError> {
    if names.is_empty() {
        return Ok(TARGETS.to_vec());
    }
    let known = |name: &String| {
        let found = TARGETS.iter().find(|target| *target == name);
        found
            .copied()
            .ok_or_else(|| FuzzError::Unknown { name: name.clone() })
    };
    names.iter().map(known).collect()
}

fn build(host: &str, folder: &Path) -> Result<(), CargoError> {
    // With a platform named, the flags are for the targets only, not for what
    // runs inside the compiler.
    let mut command = Cargo::new(&format!(
        "build --quiet --release --manifest-path fuzz/Cargo.toml --target {host} --target-dir"
    ))
    .with_environment(&[("RUSTFLAGS", INSTRUMENTED)]);
    command
        .arguments
        .push(folder.to_string_lossy().into_owned());
    command.run()
}

fn host() -> Result<String, FuzzError> {
    let output = Command::new("rustc").arg("-vV").output();
    let output = output.map_err(|_| FuzzError::Host)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or(FuzzError::Host)
}

/// Starts from the kept inputs and from what earlier runs found; adds to the latter.
fn explore(
    program: &Path,
    target: &'static str,
    seconds: u32,
    folder: &Path,
) -> Result<(), FuzzError> {
    let found = made(folder.join("corpus").join(target))?;
    let artifacts = made(root().join("fuzz/artifacts").join(target))?;
    let output = output(
        Command::new(program)
            .arg(&found)
            .arg(root().join("fuzz/corpus").join(target))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-timeout={SLOWEST}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .args(["-print_final_stats=1", "-verbosity=0"]),
    )?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        complain!("{text}");
        return Err(FuzzError::Broke { target });
    }
    let runs = text
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .map_or("?", str::trim);
    say!("{target:<18} {runs:>9} inputs in {seconds} s, none broke it");
    Ok(())
}

fn try_input(program: &Path, target: &'static str, input: &Path) -> Result<(), FuzzError> {
    let output = output(Command::new(program).arg(input))?;
    complain!("{}", String::from_utf8_lossy(&output.stderr));
    match output.status.success() {
        true => Ok(()),
        false => Err(FuzzError::Broke { target }),
    }
}

fn output(command: &mut Command) -> Result<Output, FuzzError> {
    let path = PathBuf::from(command.get_program());
    command
        .output()
        .map_err(|source| FuzzError::File { path, source })
}

fn made(path: PathBuf) -> Result<PathBuf, FuzzError> {
    match fs::create_dir_all(&path) {
        Ok(()) => Ok(path),
        Err(source) => Err(FuzzError::File { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::{TARGETS, chosen};
    use crate::workspace::root;

    #[test]
    fn every_target_is_listed_and_has_seeds() {
        let mut names: Vec<_> = std::fs::read_dir(root().join("fuzz/fuzz_targets"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, TARGETS);
        for name in names {
            let corpus = root().join("fuzz/corpus").join(&name);
            let seeds = std::fs::read_dir(&corpus).unwrap().count();
            assert!(seeds >= 5, "{} has {seeds} seeds", corpus.display());
        }
    }

    #[test]
    fn an_unknown_target_is_refused() {
        let error = chosen(&["farming".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "unknown fuzz target `farming`");
    }
}
