//! To whom nobody gives a value.

use std::panic::catch_unwind;

/// Prints what is known to standard error, which the test harness shows with the failed test.
#[expect(
    clippy::print_stderr,
    reason = "whoever drops a guard gets no value, and the log has no reader by default"
)]
pub(crate) fn say(text: &str) {
    // A standard error that is no longer read must not end the test program.
    let _ = catch_unwind(|| eprintln!("{text}"));
}
