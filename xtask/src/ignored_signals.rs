//! `cargo xtask ignored-signals`: the test programs with signals ignored, as programs
//! that start them may do it: a shell for what a script runs in the background (`SIGINT`,
//! `SIGQUIT`), `nohup` (`SIGHUP`), some supervisors (`SIGCHLD`).
//!
//! Those of `xtask` and `conformance` are left out: they start other programs and wait
//! for them, which nobody can who ignores `SIGCHLD`.

use std::process::Command;

use crate::programs::{self, ProgramsError};
use crate::workspace::root;

const IGNORING: &str = "trap '' INT QUIT HUP CHLD; exec \"$0\" \"$@\"";

pub(crate) fn run() -> Result<(), ProgramsError> {
    let mut programs = programs::build()?;
    let tools = ["conformance", "xtask"].map(|folder| root().join(folder));
    programs.retain(|program| !tools.contains(&program.folder));
    let logs = programs::logs("ignored-signals")?;
    let mut failed = Vec::new();
    for program in &programs {
        let log = logs.join(format!("{}.log", program.name));
        let mut command = Command::new("sh");
        command.args(["-c", IGNORING]).arg(&program.path);
        let passed = match program.spawn(command, &log)?.wait() {
            Ok(status) => status.success(),
            Err(_) => false,
        };
        let outcome = if passed { "passed" } else { "failed" };
        say!("{:<40} {outcome}", program.name);
        if !passed {
            programs::show_failure(&log);
            failed.push(log.display().to_string());
        }
    }
    if failed.is_empty() {
        say!(
            "{} test programs passed with signals ignored",
            programs.len()
        );
        return Ok(());
    }
    Err(ProgramsError::Failed { failed })
}
