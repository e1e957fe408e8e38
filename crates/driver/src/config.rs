use std::time::Duration;

use standin_config::Config;
use standin_entity::ResourceConfig;

use crate::Hook;

/// The options that every driver has.
#[derive(Clone, Debug, Config)]
pub struct DriverConfig {
    /// Runpath, waiting and starting.
    #[config(include)]
    pub resource: ResourceConfig,

    /// Name of the driver, unique in its environment. Other drivers use it to
    /// read the context of this one.
    #[config(non_empty)]
    pub name: String,

    /// How long the driver may take to start, and to stop.
    #[config(inherited, fallback = Duration::from_secs(300))]
    pub timeout: Duration,

    /// Runs before the driver starts.
    #[config(code_only)]
    pub pre_start: Option<Hook>,

    /// Runs when the driver has started.
    #[config(code_only)]
    pub post_start: Option<Hook>,

    /// Runs before the driver stops.
    #[config(code_only)]
    pub pre_stop: Option<Hook>,

    /// Runs when the driver has stopped.
    #[config(code_only)]
    pub post_stop: Option<Hook>,
}
