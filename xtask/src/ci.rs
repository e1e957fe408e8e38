//! `cargo xtask ci`: everything that CI checks, in order.

use std::time::Instant;

use miette::Diagnostic;

use crate::workspace::{Cargo, CargoError, target_folder};
use crate::{
    dependencies, fuzz, ignored_signals, layers, loom, package, programs, pytest, schema, style,
};

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum CiError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cargo(#[from] CargoError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Dependencies(#[from] dependencies::DependenciesError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fuzz(#[from] fuzz::FuzzError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Layers(#[from] layers::LayersError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Package(#[from] package::PackageError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Programs(#[from] programs::ProgramsError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Pytest(#[from] pytest::PytestError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Schema(#[from] schema::SchemaError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Style(#[from] style::StyleError),
}

/// What all steps leave in an empty target folder, in GiB. Without incremental compilation it is
/// two thirds of that.
const DISK: u64 = 13;

/// One check of CI.
struct Step {
    /// What a person types to repeat it.
    command: Cargo,
    action: Action,
}

enum Action {
    /// Run the command itself.
    Run,
    /// One of this program's own commands, without starting it once more.
    Own(fn() -> Result<(), CiError>),
}

pub(crate) fn run() -> Result<(), CiError> {
    warn_of_full_disk();
    let begin = Instant::now();
    let steps = steps(&layers::examples()?);
    let count = steps.len();
    for (index, step) in steps.iter().enumerate() {
        say!("\n[{}/{count}] {}", index + 1, step.command);
        let result = match step.action {
            Action::Run => step.command.run().map_err(CiError::from),
            Action::Own(check) => check(),
        };
        if let Err(error) = result {
            // A failed call of cargo says how to repeat it by itself.
            complain!("\nstep {} of {count} failed", index + 1);
            if matches!(step.action, Action::Own(_)) {
                complain!("repeat it with: {}", step.command);
            }
            return Err(error);
        }
    }
    say!(
        "\nall {count} steps passed in {} s",
        begin.elapsed().as_secs()
    );
    Ok(())
}

/// Warns if the disk may become full: linkers fail then with no better reason than a bus error.
fn warn_of_full_disk() {
    let folder = target_folder();
    // No more than a warning, since what was built before is counted as missing.
    if let Ok(disk) = rustix::fs::statvfs(&folder) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize) >> 30;
        if free < DISK {
            let folder = folder.display();
            complain!(
                "warning: {free} GiB are free in `{folder}`; an empty one takes up to {DISK} GiB"
            );
        }
    }
}

fn steps(examples: &[String]) -> Vec<Step> {
    let mut steps = vec![
        Step::run("fmt --all -- --check"),
        Step::run("clippy --workspace --all-targets --all-features -- -D warnings"),
        // The README's commands are this one and those of the examples.
        Step::run("test --workspace"),
        // In the workspace, `tls` is on for all of them.
        Step::run("test -p standin-tcp -p standin-process"),
        Step::own("xtask pytest", || Ok(pytest::run()?)),
        // In the workspace, `tokio` is on and `smol` is not.
        Step::run("test -p standin-async --all-features"),
        Step::own("xtask ignored-signals", || Ok(ignored_signals::run()?)),
        Step {
            command: Cargo::new("doc --workspace --all-features --no-deps")
                .with_environment(&[("RUSTDOCFLAGS", "-D warnings")]),
            action: Action::Run,
        },
        Step::own("xtask style", || Ok(style::run()?)),
        Step::own("xtask schema --check", || Ok(schema::run(true)?)),
        Step::own("xtask dependencies", || Ok(dependencies::run()?)),
        Step::own("xtask layers", || Ok(layers::run()?)),
        Step::own("xtask package", || Ok(package::run()?)),
        Step::own("xtask loom", || Ok(loom::run()?)),
        Step::own("xtask fuzz --seconds 5", || Ok(fuzz::run(&[], 5, None)?)),
    ];
    let run = |example: &String| Step::run(&format!("run -p {example}"));
    steps.extend(examples.iter().map(run));
    steps
}

impl Step {
    fn run(command: &str) -> Self {
        Self {
            command: Cargo::new(command),
            action: Action::Run,
        }
    }

    fn own(command: &str, check: fn() -> Result<(), CiError>) -> Self {
        Self {
            command: Cargo::new(command),
            action: Action::Own(check),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::steps;
    use crate::layers::examples;
    use crate::workspace::root;

    #[test]
    fn runs_the_commands_that_the_readme_names() {
        let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
        let steps = steps(&examples().unwrap());
        let ran: Vec<_> = steps.iter().map(|s| s.command.to_string()).collect();
        for command in ["cargo test --workspace", "cargo run -p example-exchange"] {
            assert!(
                readme.contains(command),
                "README.md does not name `{command}`"
            );
            assert!(
                ran.iter().any(|c| c == command),
                "CI does not run `{command}`"
            );
        }
    }

    #[test]
    fn contributing_lists_every_step_of_xtask() {
        let text = std::fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
        for step in steps(&[]) {
            if let [xtask, step, ..] = &step.command.arguments[..]
                && xtask == "xtask"
            {
                // `schema --check` is one of them.
                let is_listed = [format!("`{step}`"), format!("`{step} ")];
                assert!(
                    is_listed.iter().any(|name| text.contains(name)),
                    "CONTRIBUTING.md does not list `{step}`"
                );
            }
        }
    }
}
