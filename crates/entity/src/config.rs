//! The options that every entity and every resource has.

use std::path::PathBuf;
use std::time::Duration;

use standin_config::{Config, Node};

use crate::incident::Limit;

/// The options of an [`Entity`](crate::Entity).
///
/// ```
/// use standin_entity::{Entity, EntityConfig, EntityBuilder};
///
/// let options = EntityBuilder::new().name("environment").path_cleanup(false);
/// let environment = Entity::with_options("environment", "environment", options)?;
/// let driver = Entity::new("driver")?;
/// driver.join(&environment)?;
/// assert!(!driver.options().resolve::<EntityConfig>()?.path_cleanup); // inherited
/// # Ok::<(), standin_entity::Error>(())
/// ```
#[derive(Clone, Debug, Config)]
pub struct EntityConfig {
    /// Name of the environment or the driver. That of a driver is unique in its environment:
    /// others use it to read its context.
    #[config(constraint = crate::name_rule())]
    pub name: String,

    /// Directory for the files of this entity. What belongs to the entity has
    /// its files below it. Default, also when it is empty: one below the runpath
    /// of its parent, named after the entity; without a parent below
    /// `target/standin`, in a directory for each run of the test program.
    pub runpath: Option<PathBuf>,

    /// Whether the runpath is emptied when the entity starts. It is an error if
    /// files are in it and standin did not create it. Switch it off to use such a
    /// directory as it is, to keep what earlier runs left, or to share a runpath.
    /// Default: yes.
    #[config(inherited, fallback = true)]
    pub path_cleanup: bool,

    /// How long a driver may take to start, and to stop. That of an environment is for each
    /// of its drivers. Default: 5 minutes.
    #[config(inherited, fallback = Duration::from_secs(300))]
    pub timeout: Duration,

    /// How long to wait for a status that others bring about, when no other
    /// limit is given. Default: 10 minutes.
    #[config(inherited, fallback = Duration::from_secs(600))]
    pub status_wait_timeout: Duration,

    /// How long to wait for an abort to end before what waits for it continues without it.
    /// Default: 5 minutes.
    #[config(inherited, fallback = Duration::from_secs(300))]
    pub abort_wait_timeout: Duration,

    /// How many lines from the end of each log the error of a start or a stop
    /// shows. Zero or a negative number shows all lines. Default: 10.
    #[config(inherited, fallback = 10)]
    pub error_logs_max_lines: i64,
}

/// The options of a [`Resource`](crate::Resource).
#[derive(Clone, Debug, Config)]
pub struct ResourceConfig {
    /// The options of every entity.
    #[config(include)]
    pub entity: EntityConfig,

    /// Whether a start returns before the resource is ready, and a stop before it is down, so that
    /// several run at the same time; waits complete them. Default: undecided, which means no.
    pub async_start: Option<bool>,

    /// Whether the environment starts the resource when it starts. Switch it
    /// off for what a test starts itself. Default: yes.
    #[config(default = true)]
    pub auto_start: bool,

    /// How long the resource may take to start. Default: `timeout`.
    pub start_limit: Option<Duration>,

    /// How long the resource may take to stop; one that forces itself down after a grace time,
    /// as a process does, gets that in addition. Default: `timeout`.
    pub stop_limit: Option<Duration>,
}

impl ResourceConfig {
    /// The defaults, for when the options cannot be resolved.
    pub(crate) fn of_defaults() -> Self {
        let named = ResourceBuilder::new().name("resource");
        Node::new("resource", named)
            .ok()
            .and_then(|node| node.resolve().ok())
            .expect("every option has a default but the name, which is set")
    }

    /// Returns how long a start may take.
    #[must_use]
    pub fn limit_of_start(&self) -> Limit {
        self.limit(self.start_limit, "start_limit", Duration::ZERO)
    }

    /// Returns how long a stop may take of what forces itself down after `grace`.
    #[must_use]
    pub fn limit_of_stop(&self, grace: Duration) -> Limit {
        self.limit(self.stop_limit, "stop_limit", grace)
    }

    fn limit(&self, own: Option<Duration>, name: &'static str, grace: Duration) -> Limit {
        let (value, option) = own.map_or((self.entity.timeout, "timeout"), |own| (own, name));
        Limit {
            option,
            value,
            grace,
        }
    }

    /// Whether starts and stops return before they are complete.
    pub(crate) fn is_async(&self) -> bool {
        self.async_start.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Entity;

    fn resource(options: ResourceBuilder) -> Entity {
        Entity::with_options("driver", "driver", options.name("driver")).unwrap()
    }

    #[test]
    fn without_any_option_the_defaults_apply() {
        let config = ResourceConfig::of_defaults();
        assert_eq!((config.async_start, config.auto_start), (None, true));
        assert_eq!(config.entity.runpath, None);
        assert!(config.entity.path_cleanup);
        assert_eq!(config.entity.timeout, Duration::from_secs(300));
        assert_eq!(config.entity.status_wait_timeout, Duration::from_secs(600));
        assert_eq!(config.entity.abort_wait_timeout, Duration::from_secs(300));
        assert_eq!(config.entity.error_logs_max_lines, 10);
    }

    #[test]
    fn an_own_runpath_is_not_inherited() {
        let options = EntityBuilder::new().name("parent").runpath("/tmp/parent");
        let parent = Entity::with_options("parent", "parent", options).unwrap();
        let child = resource(ResourceBuilder::new().status_wait_timeout(Duration::from_secs(1)));
        child.join(&parent).unwrap();
        let config: EntityConfig = child.options().resolve().unwrap();
        assert_eq!(config.runpath, None);
        assert_eq!(config.status_wait_timeout, Duration::from_secs(1));
    }
}
