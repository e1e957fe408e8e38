use std::time::Duration;

use indexmap::IndexMap;
use standin_config::{Config, Text};
use standin_entity::EntityConfig;

use crate::Environment;

/// The options of an [`Environment`]. Its drivers inherit those of them that
/// they have, too, unless they set them themselves.
#[derive(Clone, Debug, Config)]
#[config(builds = Environment)]
pub struct EnvironmentConfig {
    /// Runpath and waiting.
    #[config(include)]
    pub entity: EntityConfig,

    /// Starts each driver as soon as those that it depends on are up, and so
    /// several at once, instead of one after the other in the order in which
    /// they were added. Declaring a dependency has the same effect.
    #[config(default = false)]
    pub concurrent: bool,

    /// Keeps the files of the drivers after a clean stop, too. They are always
    /// kept after a failure, at the end of a test without a stop, and when
    /// `runpath` is set.
    #[config(default = false)]
    pub keep_runpath: bool,

    /// How long all drivers together may take to start. When it is over, those that are not up
    /// yet fail, and the others are stopped again. By default only what each driver may
    /// take, its own `start_limit` or `timeout`, limits the start.
    pub start_limit: Option<Duration>,

    /// The recording: how many bytes of each connection are kept, which files are written when a
    /// test fails, and what is redacted. Default: 64 KiB; text, page and capture; nothing is
    /// redacted.
    #[config(inherited, fallback = crate::Record::default())]
    pub record: crate::Record,

    /// How many drivers may be starting or stopping at once. By default
    /// there is no limit.
    pub workers: Option<usize>,

    /// Variables for programs that use the environment, such as `REDIS_URL = "redis://{{
    /// context.redis.host }}:{{ context.redis.port }}"`. Values may be templates over the drivers
    /// below `context`, and over `name` and `runpath` of the environment. `standin run` passes them
    /// to its command.
    #[config(
        default,
        template,
        constraint = standin_process::variable_names(),
        constraint = standin_process::no_nul(),
        accepts(impl std::iter::IntoIterator<Item = (impl Into<String>, impl Into<Text>)>),
        with = crate::variables,
        append = export_var
    )]
    pub export: IndexMap<String, Text>,
}
