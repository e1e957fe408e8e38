//! What the commands print.

use std::fmt;
use std::io::{self, Write as _};

/// Prints a line on standard output, as `println!` does, but without its panic.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::say(format_args!($($text)*)) };
}

/// Prints a line on standard error, as `eprintln!` does, but without its panic.
macro_rules! complain {
    ($($text:tt)*) => { $crate::output::complain(format_args!($($text)*)) };
}

/// The exit code of programs that a closed pipe has ended, as shells give it.
const BROKEN_PIPE: i32 = 128 + 13;

/// Prints a line. If that is not possible, nobody gets to know what else the command finds out, and
/// it ends: without a word if the reader has just read enough.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let Err(error) = writeln!(io::stdout(), "{line}") else {
        return;
    };
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(BROKEN_PIPE);
    }
    complain!("cannot write to standard output: {error}");
    std::process::exit(1);
}

/// Prints a line. Where nobody reads that, the exit code still has the outcome.
pub(crate) fn complain(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
