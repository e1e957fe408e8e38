//! An environment and driver types with every kind of option.

#![allow(dead_code, reason = "no test uses all of it")]

use std::path::PathBuf;
use std::time::Duration;

use standin_config::{Config, Pattern, Port, Setting};

/// Options of an environment.
#[derive(Clone, Debug, Config)]
pub(crate) struct EnvironmentConfig {
    /// Name of the environment.
    #[config(default = "environment", non_empty)]
    pub(crate) name: String,
    /// How long each driver may take to start, and to stop.
    #[config(inherited, fallback = Duration::from_secs(300))]
    pub(crate) timeout: Duration,
}

/// Options of every driver.
#[derive(Clone, Debug, Config)]
pub(crate) struct DriverConfig {
    /// Name of the driver, unique in its environment.
    #[config(non_empty)]
    pub(crate) name: String,
    /// How long the driver may take to start, and to stop.
    #[config(inherited, fallback = Duration::from_secs(300), range = Duration::from_millis(1)..)]
    pub(crate) timeout: Duration,
    /// Expressions that the log must match before the driver is ready.
    pub(crate) log_regexps: Option<Vec<Pattern>>,
    /// How many lines of a log an error shows.
    #[config(inherited, fallback = 10, range = 0..=1000)]
    pub(crate) error_logs_max_lines: u32,
    /// Runs before the driver starts.
    #[config(code_only)]
    pub(crate) pre_start: Option<fn()>,
}

/// A server.
#[derive(Clone, Debug, Config)]
#[config(type_name = "tcp-server")]
pub(crate) struct ServerConfig {
    #[config(include)]
    pub(crate) driver: DriverConfig,
    /// Host name or address to listen on.
    #[config(default = "localhost")]
    pub(crate) host: Setting<String>,
    /// Port to listen on.
    #[config(default = 0)]
    pub(crate) port: Setting<Port>,
}

/// A client.
#[derive(Clone, Debug, Config)]
#[config(type_name = "tcp-client")]
pub(crate) struct ClientConfig {
    #[config(include)]
    pub(crate) driver: DriverConfig,
    /// Host name or address of the server.
    pub(crate) host: Setting<String>,
    /// Port of the server.
    #[config(example = 8080)]
    pub(crate) port: Setting<Port>,
    /// What it says first.
    #[config(one_of = ["hello", "ahoy"], default = "hello")]
    pub(crate) greeting: String,
    /// Address to come from.
    pub(crate) interface: Option<(String, u16)>,
    /// Files to install, by name.
    #[config(default = [], template)]
    pub(crate) install: Vec<PathBuf>,
    /// When to try again.
    pub(crate) retry: Option<RetryConfig>,
}

/// When something is tried again.
#[derive(Clone, Debug, PartialEq, Config)]
pub(crate) struct RetryConfig {
    /// How often.
    #[config(range = 1..)]
    pub(crate) times: u32,
    /// Time between two attempts.
    #[config(default = Duration::from_millis(100))]
    pub(crate) pause: Duration,
}
