//! The command `standin` as users get it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::measure::in_turn;
use super::{Figure, Outcome};
use crate::workspace::{Cargo, target_folder};

/// The variable that names the command, if it is not to be built.
const COMMAND: &str = "STANDIN_BENCH_COMMAND";

/// Runs of each.
const ROUNDS: usize = 100;

const ENVIRONMENT: &str = r#"
name = "bench"

[[driver]]
type = "tcp-server"
name = "server"
host = "127.0.0.1"
"#;

/// `true` in an environment with one server, next to `true` alone.
pub(super) fn run_overhead() -> Outcome<Figure> {
    let program = built()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("environment.toml");
    fs::write(&file, ENVIRONMENT)?;
    let ours = || {
        let mut command = Command::new(&program);
        command.args(["run", "--quiet"]).arg(&file);
        command.args(["--", "true"]).current_dir(folder.path());
        // What others have left there would be looked at.
        command.env("TMPDIR", folder.path());
        millis(&mut command)
    };
    let plain = || millis(&mut Command::new("true"));
    let [ours, plain] = in_turn(ROUNDS, [&mut { ours }, &mut { plain }])?;
    let figure = Figure::compared("run_overhead", ours, plain, "ms");
    Ok(figure.with_other("more", ours - plain))
}

/// The size of the program.
pub(super) fn binary_size() -> Outcome<Figure> {
    let size = fs::metadata(built()?)?.len();
    Ok(Figure::alone(
        "binary_size",
        size as f64 / f64::from(1 << 20),
        "MiB",
    ))
}

/// The program as it is given away, built unless it is named.
pub(crate) fn built() -> Outcome<PathBuf> {
    if let Some(program) = std::env::var_os(COMMAND) {
        return Ok(program.into());
    }
    Cargo::new("build --quiet --config .cargo/dist.toml --profile dist --package standin-cli")
        .run()?;
    Ok(target_folder().join("dist/standin"))
}

/// How long a command takes, in milliseconds. It has to succeed.
pub(crate) fn millis(command: &mut Command) -> Outcome<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let output = command.output()?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    if output.status.success() {
        return Ok(took);
    }
    let program = Path::new(command.get_program()).display();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{program} ended with {}: {said}", output.status).into())
}
