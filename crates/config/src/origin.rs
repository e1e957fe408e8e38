//! [`Origin`]: where a value came from.

use std::fmt;

/// Where an option's value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Set on the entity itself.
    Explicit,
    /// Set in the defaults of that name, such as `[defaults]`.
    Defaults(String),
    /// The default that the option declares.
    Default,
    /// A parent's value.
    Inherited {
        /// The parent's name.
        from: String,
        /// Where the parent has it from.
        origin: Box<Origin>,
    },
    /// The fallback that the option declares for when no parent has a value.
    Fallback,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Explicit => f.write_str("set explicitly"),
            Origin::Defaults(name) => write!(f, "from {name}"),
            Origin::Default => f.write_str("default"),
            Origin::Inherited { from, origin } => write!(f, "inherited from {from} ({origin})"),
            Origin::Fallback => f.write_str("fallback, no parent has a value"),
        }
    }
}
