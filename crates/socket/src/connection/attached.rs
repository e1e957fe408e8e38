//! Values that a layer above stores with a connection.

use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

use super::Connection;

/// A value of another crate, created on first use.
#[derive(Default)]
pub(super) struct Attached(OnceLock<Arc<dyn Any + Send + Sync>>);

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attached")
    }
}

impl Connection {
    /// Returns a value that a layer above keeps with the connection, on whichever handle it looks:
    /// the default one at first. A connection has one such value, of the type that asked first;
    /// every other type gets a new one each time.
    #[doc(hidden)]
    pub fn attached<T: Any + Default + Send + Sync>(&self) -> Arc<T> {
        let attached = self.inner.attached.0.get_or_init(|| Arc::new(T::default()));
        Arc::clone(attached).downcast().unwrap_or_default()
    }
}
