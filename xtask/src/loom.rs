//! `cargo xtask loom`: every interleaving of threads that start, stop, abort and
//! wait for one resource, of those that receive, send, connect, close and reset one
//! connection, and of those that hand one over, within a bound on preemptions.

use crate::workspace::{Cargo, CargoError, target_folder};

/// The crates with models, and where the models are.
const MODELS: [&str; 3] = [
    "test --package standin-entity --test loom --target-dir",
    "test --package standin-socket --lib --target-dir",
    "test --package standin-reply --lib --target-dir",
];

pub(crate) fn run() -> Result<(), CargoError> {
    // The flags are others than those of all else, and one folder for both
    // would be built again at each change between them.
    let folder = target_folder().join("loom").to_string_lossy().into_owned();
    for models in MODELS {
        let mut command = Cargo::new(models).with_environment(&[("RUSTFLAGS", "--cfg loom")]);
        command.arguments.push(folder.clone());
        if models.contains("--lib") {
            // Other tests of the crate run outside loom, and would meet its locks there.
            command
                .arguments
                .extend(["--", "models"].map(str::to_owned));
        }
        command.run()?;
    }
    Ok(())
}
