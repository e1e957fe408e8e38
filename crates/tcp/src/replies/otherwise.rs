//! [`Otherwise`]: what happens to frames that nothing matches, as an option.

use standin_config::OptionValue;

use super::says::Says;

/// What happens to an unmatched frame.
#[derive(Clone, Debug, PartialEq, OptionValue)]
pub enum Otherwise {
    /// The test fails.
    Fail,
    /// Nothing.
    Ignore,
    /// The connection is closed.
    Close,
    /// The peer sends this, and continues.
    Reply(Says),
}
