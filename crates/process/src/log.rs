//! Events of a process, in the log of its driver or with this crate as their target.

use std::fmt;

use standin_driver::{DriverBase, Level};

pub(crate) fn info(base: &DriverBase, message: impl fmt::Display) {
    if !base.log_to_file(Level::INFO, &message) {
        tracing::info!(driver = base.name(), "{message}");
    }
}

pub(crate) fn warn(base: &DriverBase, message: impl fmt::Display) {
    if !base.log_to_file(Level::WARN, &message) {
        tracing::warn!(driver = base.name(), "{message}");
    }
}
