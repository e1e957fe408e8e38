//! `cargo xtask parallel`: all test programs, eight times at once: what shares a
//! port, a file or a moment in time with another run fails.

use std::process::Command;

use crate::programs::{self, ProgramsError};

pub(crate) fn run(times: usize) -> Result<(), ProgramsError> {
    let programs = programs::build()?;
    let logs = programs::logs("parallel")?;
    let mut failed = Vec::new();
    for program in &programs {
        let mut runs = Vec::new();
        for number in 1..=times {
            let log = logs.join(format!("{}-{number}.log", program.name));
            runs.push((program.spawn(Command::new(&program.path), &log)?, log));
        }
        let mut broken = Vec::new();
        for (mut child, log) in runs {
            match child.wait() {
                Ok(status) if status.success() => {}
                _ => broken.push(log),
            }
        }
        let passed = times - broken.len();
        say!("{:<40} {passed} of {times} passed", program.name);
        for log in broken {
            programs::show_failure(&log);
            failed.push(log.display().to_string());
        }
    }
    if failed.is_empty() {
        say!(
            "{} test programs passed, {times} times at once",
            programs.len()
        );
        return Ok(());
    }
    Err(ProgramsError::Failed { failed })
}
