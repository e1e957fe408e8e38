use std::path::PathBuf;

use standin_config::{OptionValue, Text};

/// Where a process reads its standard input from.
///
/// In a file it is `"pipe"`, `"null"`, `{ text = "..." }` or `{ file = "..." }`.
#[derive(Clone, Debug, Default, PartialEq, Eq, OptionValue)]
#[non_exhaustive]
pub enum Stdin {
    /// A pipe that [`Process::write_stdin`](crate::Process::write_stdin) writes
    /// to, and that stays open until the process is stopped.
    #[default]
    Pipe,
    /// Nothing: the process reads the end at once.
    Null,
    /// This text, and then the end. A template over the driver's own context, unless
    /// it is [`verbatim`](standin_config::verbatim).
    Text(Text),
    /// This file. A relative path starts at the current directory of the test; one in an
    /// environment file at the folder of that.
    File(PathBuf),
}
