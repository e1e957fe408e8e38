use std::fmt;
use std::sync::Arc;

use standin_entity::Result;

use crate::Driver;

/// Code of the user that runs around a step of a driver: before it starts,
/// after it started, before it stops, after it stopped.
///
/// ```
/// use standin_driver::{Driver, Hook, Lifecycle};
///
/// let hook = Hook::new(|driver| {
///     println!("{} is about to start", driver.name());
///     Ok(())
/// });
/// # let _ = hook;
/// ```
#[derive(Clone)]
pub struct Hook(Arc<Run>);

type Run = dyn Fn(&dyn Driver) -> Result<()> + Send + Sync;

impl Hook {
    /// Makes a hook of a closure. An error or a panic of the closure fails the
    /// start or the stop that it is part of.
    pub fn new(run: impl Fn(&dyn Driver) -> Result<()> + Send + Sync + 'static) -> Self {
        Hook(Arc::new(run))
    }

    pub(crate) fn run(&self, driver: &dyn Driver) -> Result<()> {
        (self.0)(driver)
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook(..)")
    }
}
