//! testplan, the Python framework that the drivers follow, where it is installed.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// The variable that names the Python that has testplan, if that is not `python3`.
pub(crate) const PYTHON: &str = "STANDIN_BENCH_PYTHON";

/// What a script prints; `None` if it cannot be run.
pub(crate) fn output(script: &str, arguments: &[String]) -> Option<String> {
    let python = std::env::var_os(PYTHON).unwrap_or_else(|| "python3".into());
    let mut child = Command::new(python)
        .arg("-")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // A Python without testplan ends before it has read everything, and prints nothing.
    let _ = child.stdin.take()?.write_all(script.as_bytes());
    let output = child.wait_with_output().ok()?;
    String::from_utf8(output.stdout).ok()
}
