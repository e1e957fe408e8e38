//! The options that every entity and every resource has.

use std::path::PathBuf;
use std::time::Duration;

use standin_config::Config;

/// The options of an [`Entity`](crate::Entity).
///
/// ```
/// use standin_config::Node;
/// use standin_entity::{EntityConfig, EntityBuilder};
///
/// let environment = Node::new("environment", EntityBuilder::new().path_cleanup(false))?;
/// let driver = Node::new("driver", EntityBuilder::new())?;
/// driver.set_parent(&environment)?;
/// assert!(!driver.resolve::<EntityConfig>()?.path_cleanup); // inherited
/// # Ok::<(), standin_entity::Error>(())
/// ```
#[derive(Clone, Debug, Config)]
pub struct EntityConfig {
    /// Directory for the files of this entity. What belongs to the entity has
    /// its files below it. Default, also when it is empty: one below the runpath
    /// of its parent, named after the entity; without a parent below
    /// `target/standin`, in a directory for each run of the test program.
    pub runpath: Option<PathBuf>,

    /// Whether the runpath is emptied when the entity starts. It is an error if
    /// files are in it and standin did not make it. Switch it off to use such a
    /// directory as it is, to keep what earlier runs left, or to share a runpath.
    /// Default: yes.
    #[config(inherited, fallback = true)]
    pub path_cleanup: bool,

    /// How long to wait for a status that others bring about, when no other
    /// limit is given. Default: 10 minutes.
    #[config(inherited, fallback = Duration::from_secs(600))]
    pub status_wait_timeout: Duration,

    /// How long to wait for the abort of each entity that has to be aborted
    /// before this one. Default: 5 minutes.
    #[config(inherited, fallback = Duration::from_secs(300))]
    pub abort_wait_timeout: Duration,
}

/// The options of a [`Resource`](crate::Resource).
#[derive(Clone, Debug, Config)]
pub struct ResourceConfig {
    /// The options of every entity.
    #[config(include)]
    pub entity: EntityConfig,

    /// Whether a start returns before the resource is ready, and a stop before
    /// it is down, so that several get there at the same time; who waits for
    /// them completes them. Default: undecided, which means no.
    pub async_start: Option<bool>,

    /// Whether the environment starts the resource when it starts. Switch it
    /// off for what a test starts itself. Default: yes.
    #[config(default = true)]
    pub auto_start: bool,
}

#[cfg(test)]
mod tests {
    use standin_config::Node;

    use super::*;

    #[test]
    fn without_any_option_the_defaults_apply() {
        let node = Node::new("driver", ResourceBuilder::new()).unwrap();
        let config = node.resolve::<ResourceConfig>().unwrap();
        assert_eq!((config.async_start, config.auto_start), (None, true));
        assert_eq!(config.entity.runpath, None);
        assert!(config.entity.path_cleanup);
        assert_eq!(config.entity.status_wait_timeout, Duration::from_secs(600));
        assert_eq!(config.entity.abort_wait_timeout, Duration::from_secs(300));
    }

    #[test]
    fn an_own_runpath_is_not_inherited() {
        let parent = Node::new("parent", EntityBuilder::new().runpath("/tmp/parent")).unwrap();
        let child = Node::new(
            "child",
            ResourceBuilder::new().status_wait_timeout(Duration::from_secs(1)),
        )
        .unwrap();
        child.set_parent(&parent).unwrap();
        let config = child.resolve::<EntityConfig>().unwrap();
        assert_eq!(config.runpath, None);
        assert_eq!(config.status_wait_timeout, Duration::from_secs(1));
    }
}
