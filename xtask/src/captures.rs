//! `cargo xtask captures`: tshark opens the capture of ten thousand random conversations, and
//! finds nothing strange in it. The test that CI runs has some hundred of them.

use crate::workspace::{Cargo, CargoError};

pub(crate) fn run() -> Result<(), CargoError> {
    Cargo::new("test --quiet --package standin-record --test capture")
        .with_environment(&[
            ("STANDIN_CAPTURES", "10000"),
            ("STANDIN_REQUIRE_PEERS", "1"),
        ])
        .run()
}
