//! [`Otherwise`]: what happens to frames that nothing matches, as an option.

use standin_config::OptionValue;

use super::says::Says;

/// What happens to a frame that nothing matches.
#[derive(Clone, Debug, PartialEq, OptionValue)]
pub enum Otherwise {
    /// The test fails.
    Fail,
    /// Nothing.
    Ignore,
    /// The connection is closed.
    Close,
    /// The peer sends this, and goes on.
    Reply(Says),
}
