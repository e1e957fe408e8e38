//! `cargo xtask loom`: every interleaving of threads that start, stop, abort and
//! wait for one resource, within a bound on preemptions.

use crate::workspace::{Cargo, CargoError, target_folder};

pub(crate) fn run() -> Result<(), CargoError> {
    let mut command = Cargo::new("test --package standin-entity --test loom --target-dir")
        .with_environment(&[("RUSTFLAGS", "--cfg loom")]);
    // Its flags are others than those of all else, and one folder for both
    // would be built anew at each change between them.
    let folder = target_folder().join("loom");
    command
        .arguments
        .push(folder.to_string_lossy().into_owned());
    command.run()
}
