use standin_config::{Config, Pattern};
use standin_entity::ResourceConfig;

/// The options that every driver has.
#[derive(Clone, Debug, Config)]
pub struct DriverConfig {
    /// Runpath, waiting and starting.
    #[config(include)]
    pub resource: ResourceConfig,

    /// Files that the driver gets before it starts, with its context filled in:
    /// each a path, or a source and a destination.
    #[config(default, template)]
    pub install_files: Vec<crate::InstallFile>,

    /// Regular expressions that must all be found in the driver's log before it
    /// counts as started. Each has to match from the beginning of a line: put
    /// `.*` in front of one that may be anywhere. Colours are not part of a line,
    /// and only lines that are written after the start count. What named groups
    /// capture, such as `(?<port>\d+)`, is published as `extracts.port`.
    #[config(default)]
    pub log_regexps: Vec<Pattern>,

    /// As `log_regexps`, in the standard output of the driver.
    #[config(default)]
    pub stdout_regexps: Vec<Pattern>,

    /// As `log_regexps`, in the standard error of the driver.
    #[config(default)]
    pub stderr_regexps: Vec<Pattern>,

    /// Conditions that must hold before the driver counts as started, one after
    /// the other, once the regexps have matched: `{ port = 8080 }`,
    /// `{ file = "app.pid" }`, `{ command = ["app-status"] }`, `{ log = "up" }`,
    /// `{ log = "up", times = 2 }`, `{ ended_with = 0 }`, `{ all = [...] }`,
    /// `{ any = [...] }`.
    #[config(default)]
    pub ready: Vec<crate::Readiness>,

    /// File below the runpath that the driver's own log goes to, instead of the
    /// log of the test. Default: the log of the test.
    pub file_logger: Option<String>,

    /// Computes the runpath when the driver starts, if `runpath` is not set or empty. It stays
    /// after a clean stop, as one that is set does.
    #[config(
        code_only,
        accepts(impl Fn(&dyn crate::Driver) -> std::path::PathBuf + Send + Sync + 'static),
        with = crate::RunpathOf::new
    )]
    pub runpath_of: Option<crate::RunpathOf>,

    /// Runs before the driver starts.
    #[config(
        code_only,
        accepts(impl Fn(&dyn crate::Driver) -> crate::Result<()> + Send + Sync + 'static),
        with = crate::Hook::new
    )]
    pub pre_start: Option<crate::Hook>,

    /// Runs when the driver has started.
    #[config(
        code_only,
        accepts(impl Fn(&dyn crate::Driver) -> crate::Result<()> + Send + Sync + 'static),
        with = crate::Hook::new
    )]
    pub post_start: Option<crate::Hook>,

    /// Runs before the driver stops.
    #[config(
        code_only,
        accepts(impl Fn(&dyn crate::Driver) -> crate::Result<()> + Send + Sync + 'static),
        with = crate::Hook::new
    )]
    pub pre_stop: Option<crate::Hook>,

    /// Runs when the driver has stopped.
    #[config(
        code_only,
        accepts(impl Fn(&dyn crate::Driver) -> crate::Result<()> + Send + Sync + 'static),
        with = crate::Hook::new
    )]
    pub post_stop: Option<crate::Hook>,
}
