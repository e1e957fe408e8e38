//! `cargo xtask ci`: everything that CI checks, in order.

use std::time::Instant;

use miette::Diagnostic;

use crate::layers;
use crate::workspace::{Cargo, CargoError};

/// The README's command for the tests.
const TESTS: &str = "test --workspace";

/// The README's command for the first look.
const FIRST_LOOK: &str = "run -p example-exchange";

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum CiError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cargo(#[from] CargoError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Layers(#[from] layers::LayersError),
}

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
    let begin = Instant::now();
    let steps = steps();
    let count = steps.len();
    for (index, step) in steps.iter().enumerate() {
        println!("\n[{}/{count}] {}", index + 1, step.command);
        let result = match step.action {
            Action::Run => step.command.run().map_err(CiError::from),
            Action::Own(check) => check(),
        };
        if let Err(error) = result {
            eprintln!(
                "\nstep {} of {count} failed; repeat it with:\n    {}\n",
                index + 1,
                step.command
            );
            return Err(error);
        }
    }
    println!(
        "\nall {count} steps passed in {} s",
        begin.elapsed().as_secs()
    );
    Ok(())
}

fn steps() -> Vec<Step> {
    vec![
        Step::run("fmt --all -- --check"),
        Step::run("clippy --workspace --all-targets --all-features -- -D warnings"),
        Step::run(TESTS),
        Step {
            command: Cargo::new("doc --workspace --all-features --no-deps")
                .with_environment(&[("RUSTDOCFLAGS", "-D warnings")]),
            action: Action::Run,
        },
        Step::own("xtask layers", || Ok(layers::run()?)),
        Step::run(FIRST_LOOK),
    ]
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
    use super::{FIRST_LOOK, TESTS, steps};
    use crate::workspace::root;

    #[test]
    fn runs_the_commands_that_the_readme_names() {
        let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
        let ran: Vec<_> = steps().iter().map(|s| s.command.to_string()).collect();
        for command in [TESTS, FIRST_LOOK] {
            let command = format!("cargo {command}");
            assert!(
                readme.contains(&command),
                "README.md does not name `{command}`"
            );
            assert!(ran.contains(&command), "CI does not run `{command}`");
        }
    }
}
