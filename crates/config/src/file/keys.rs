//! The keys of a file that are no options.

/// Keys of a driver that are no options.
pub(crate) const TYPE: &str = "type";
pub(crate) const AFTER: &str = "after";
/// Keys of a file that are no options.
pub(crate) const DRIVER: &str = "driver";
pub(crate) const DEFAULTS: &str = "defaults";
