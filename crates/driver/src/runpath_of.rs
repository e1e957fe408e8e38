use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::Driver;

/// A closure that computes the runpath of a driver each time it starts: the value of the option
/// `runpath_of`. An empty path means the default one.
///
/// ```
/// use standin_driver::{Driver, Lifecycle, RunpathOf};
///
/// let root = std::env::temp_dir();
/// let runpath_of = RunpathOf::new(move |driver: &dyn Driver| root.join(driver.name()));
/// # let _ = runpath_of;
/// ```
#[derive(Clone)]
pub struct RunpathOf(Arc<Compute>);

type Compute = dyn Fn(&dyn Driver) -> PathBuf + Send + Sync;

impl RunpathOf {
    /// Makes one of a closure. A panic of the closure fails the start.
    pub fn new(compute: impl Fn(&dyn Driver) -> PathBuf + Send + Sync + 'static) -> Self {
        RunpathOf(Arc::new(compute))
    }

    pub(crate) fn compute(&self, driver: &dyn Driver) -> PathBuf {
        (self.0)(driver)
    }
}

impl fmt::Debug for RunpathOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunpathOf(..)")
    }
}
