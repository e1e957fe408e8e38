//! Configs declared with the derive: a chain of includes as drivers have it.

#![expect(unreachable_pub, reason = "the modules stand for crates")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use standin_config::{
    Config, FromOptions, Layer, Misfit, Node, OptionError, Options, Origin, Pattern, Port, Setting,
    Step, Value, context, read_toml,
};

mod entity {
    use super::*;

    /// Options that everything with a name has.
    #[derive(Clone, Debug, Config)]
    pub struct EntityConfig {
        /// The name, unique among its siblings.
        #[config(non_empty)]
        pub name: String,
        /// The directory of the entity's files.
        #[config(inherited)]
        pub runpath: Option<PathBuf>,
        /// Whether the directory is emptied first.
        #[config(inherited, fallback = true)]
        pub path_cleanup: bool,
    }
}

mod resource {
    use super::*;
    use crate::entity::EntityConfig;

    /// Options of what can be started.
    #[derive(Clone, Debug, Config)]
    pub struct ResourceConfig {
        #[config(include)]
        pub entity: EntityConfig,
        /// Whether starting does not wait.
        #[config(default = true)]
        pub async_start: bool,
        /// How long to wait for a status.
        #[config(inherited, fallback = Duration::from_secs(600))]
        pub status_wait_timeout: Duration,
    }
}

mod driver {
    use super::*;
    use crate::resource::ResourceConfig;

    /// What a hook is.
    #[derive(Clone)]
    pub struct Hook(pub Arc<dyn Fn(&str) -> usize + Send + Sync>);

    impl Hook {
        pub fn new(hook: impl Fn(&str) -> usize + Send + Sync + 'static) -> Self {
            Self(Arc::new(hook))
        }
    }

    impl std::fmt::Debug for Hook {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Hook")
        }
    }

    /// A level of its own type, which other modules reach only through the config.
    pub mod level {
        use standin_config::{Kind, OptionValue, Value, ValueError};

        #[derive(Clone, Debug, PartialEq)]
        pub struct Level(pub u8);

        impl From<u8> for Level {
            fn from(level: u8) -> Self {
                Level(level)
            }
        }

        impl OptionValue for Level {
            fn kind() -> Kind {
                u8::kind()
            }
            fn from_value(value: &Value) -> Result<Self, ValueError> {
                u8::from_value(value).map(Level)
            }
            fn to_value(&self) -> Value {
                self.0.to_value()
            }
        }
    }
    use level::Level;

    /// Options of every driver.
    #[derive(Clone, Debug, Config)]
    pub struct DriverConfig {
        #[config(include)]
        pub resource: ResourceConfig,
        /// How long starting and stopping may take.
        #[config(inherited, fallback = Duration::from_secs(300))]
        pub timeout: Duration,
        /// Not decided unless set.
        pub async_start: Option<bool>,
        /// Expressions that the log must match.
        #[config(default = [])]
        pub log_regexps: Vec<Pattern>,
        /// How many lines of a log an error shows.
        #[config(inherited, fallback = 10, range = 0..=10_000)]
        pub error_logs_max_lines: u32,
        /// How much it says.
        #[config(default = 3)]
        pub level: Level,
        /// Code to run before it starts.
        #[config(code_only, accepts(impl Fn(&str) -> usize + Send + Sync + 'static), with = crate::driver::Hook::new)]
        pub pre_start: Option<Hook>,
    }
}

mod server {
    use super::*;
    use crate::driver::DriverConfig;

    /// A server that a test talks to.
    #[derive(Clone, Debug, Config)]
    #[config(type_name = "tcp-server", builds = TcpServer)]
    pub struct TcpServerConfig {
        #[config(include)]
        pub driver: DriverConfig,
        /// The address to listen on.
        #[config(default = "localhost")]
        pub host: Setting<String>,
        /// The port; 0 lets the system choose.
        #[config(default = 0)]
        pub port: Setting<Port>,
        /// The address to come from.
        pub interface: Option<(String, u16)>,
    }

    #[derive(Debug)]
    pub struct TcpServer(pub Node);

    impl FromOptions<TcpServerBuilder> for TcpServer {
        type Error = standin_config::ConfigErrors;

        fn from_options(options: TcpServerBuilder) -> Result<Self, Self::Error> {
            Node::new("server", options).map(TcpServer)
        }
    }
}

use driver::DriverConfig;
use resource::ResourceConfig;
use server::{TcpServerBuilder, TcpServerConfig};

#[test]
fn setters_of_all_included_configs_are_at_hand() -> Result<(), Box<dyn std::error::Error>> {
    let server = TcpServerBuilder::new()
        .name("server")
        .runpath("/tmp/server")
        .host(context("other", "{{ host }}"))
        .port("http")
        .interface(("127.0.0.1", 0))
        .timeout(Duration::from_secs(5))
        .async_start(false)
        .log_regexps(["ready", "listening on (?<port>[0-9]+)"])
        .error_logs_max_lines(3)
        .level(7)
        .pre_start(|name| name.len())
        .build()?;
    let config: TcpServerConfig = server.0.resolve()?;
    assert_eq!(config.driver.resource.entity.name, "server");
    assert_eq!(config.driver.timeout, Duration::from_secs(5));
    assert_eq!(config.driver.async_start, Some(false));
    assert_eq!(config.driver.level.0, 7);
    assert_eq!(config.driver.log_regexps.len(), 2);
    assert_eq!(config.port, Setting::Plain(Port::Service("http".into())));
    assert_eq!(config.interface, Some(("127.0.0.1".to_owned(), 0)));
    assert!(config.host.as_context().is_some());
    let hook = config.driver.pre_start.expect("it was set");
    assert_eq!((hook.0)("four"), 4);
    Ok(())
}

#[test]
fn ports_are_given_as_numbers_texts_and_context_values() {
    let options = TcpServerBuilder::new()
        .port(80)
        .port("80")
        .port(context("a", "{{ b }}"));
    assert_eq!(
        options.layer().get("port").map(|port| port.to_string()),
        Some("{ driver = \"a\", value = \"{{ b }}\" }".to_owned())
    );
}

#[test]
fn an_included_config_resolves_from_the_node_that_includes_it()
-> Result<(), Box<dyn std::error::Error>> {
    let server = TcpServerBuilder::new().name("server").build()?;
    let driver: DriverConfig = server.0.resolve()?;
    assert_eq!(driver.timeout, Duration::from_secs(300));
    let resource: ResourceConfig = server.0.resolve()?;
    // Redeclared as optional and not decided: the included struct keeps its own default.
    assert!(resource.async_start);
    assert_eq!(server.0.get("async_start")?, Value::Null);
    Ok(())
}

#[test]
fn values_are_inherited_from_the_nearest_parent() -> Result<(), Box<dyn std::error::Error>> {
    let environment = Node::new(
        "environment",
        driver::DriverBuilder::new().name("environment"),
    )?;
    let server = TcpServerBuilder::new().name("server").build()?.0;
    server.set_parent(&environment)?;
    assert_eq!(server.origin("timeout")?, Origin::Fallback);

    environment.set_local("timeout", 7)?;
    environment.set_local("runpath", "/tmp/env")?;
    let config: TcpServerConfig = server.resolve()?;
    assert_eq!(config.driver.timeout, Duration::from_secs(7));
    assert_eq!(
        config.driver.resource.entity.runpath,
        Some(PathBuf::from("/tmp/env"))
    );
    assert_eq!(
        server.origin("timeout")?.to_string(),
        "inherited from environment (set explicitly)"
    );
    Ok(())
}

#[test]
fn values_of_code_are_shared_with_a_denormalized_config() -> Result<(), Box<dyn std::error::Error>>
{
    let environment = Node::new(
        "environment",
        driver::DriverBuilder::new()
            .name("environment")
            .timeout(Duration::from_secs(9)),
    )?;
    let server = TcpServerBuilder::new()
        .name("server")
        .pre_start(|name| name.len())
        .build()?
        .0;
    server.set_parent(&environment)?;
    let alone = server.denormalize();
    assert!(alone.parent().is_none());
    let config: TcpServerConfig = alone.resolve()?;
    assert_eq!(config.driver.timeout, Duration::from_secs(9));
    assert_eq!(alone.origin("timeout")?, Origin::Explicit);
    let hook = config.driver.pre_start.expect("it was set");
    assert_eq!((hook.0)("four"), 4);
    Ok(())
}

#[test]
fn all_mistakes_of_a_builder_are_reported_at_once() {
    let error = TcpServerBuilder::new()
        .log_regexps(["("])
        .port("not a port")
        .host(context("", "{{ host }}"))
        .error_logs_max_lines(20_000)
        .build()
        .expect_err("there are five mistakes");
    let messages: Vec<String> = error
        .errors()
        .iter()
        .map(|error| error.to_string())
        .collect();
    expect_test::expect![[r#"
        server: option "name" is missing
        server: option "log_regexps[0]": "(" is not a regular expression: unclosed group
        server: option "error_logs_max_lines" is 20000, but it must be from 0 to 10000
        server: option "host.driver": "" is not the name of a driver
        server: option "port": "not a port" is not a valid port"#]]
    .assert_eq(&messages.join("\n"));
}

#[test]
fn a_value_that_only_code_can_give_is_not_read_by_name() -> Result<(), Box<dyn std::error::Error>> {
    let unset = TcpServerBuilder::new().name("server").build()?.0;
    assert_eq!(unset.get("pre_start")?, Value::Null);
    let set = TcpServerBuilder::new()
        .name("server")
        .pre_start(|name| name.len())
        .build()?
        .0;
    let error = set.get("pre_start").expect_err("a hook is not a value");
    assert_eq!(
        error.to_string(),
        "server: option \"pre_start\" has no written form"
    );
    Ok(())
}

#[test]
fn nobody_having_a_value_names_every_parent_asked() -> Result<(), Box<dyn std::error::Error>> {
    use standin_config::{ConfigDescription, Kind, Layer, OptionDescription};
    let description = ConfigDescription::builder("peer")
        .option(OptionDescription::inherited("token", Kind::String))
        .build();
    let node = |name: &str| Node::new(name, Layer::new(&description));
    let (grandparent, parent, child) = (node("runner")?, node("environment")?, node("peer")?);
    parent.set_parent(&grandparent)?;
    child.set_parent(&parent)?;
    let error = child.get("token").expect_err("nobody has one");
    assert_eq!(
        error.to_string(),
        "peer: option \"token\" has no value, and neither has environment, runner"
    );
    Ok(())
}

#[test]
fn nodes_and_layers_go_from_thread_to_thread() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Node>();
    is_send_and_sync::<TcpServerBuilder>();
}

/// A table with two columns.
#[derive(Clone, Debug, Config)]
#[config(check(left, right) = not_wider_than_the_page)]
pub struct ColumnsConfig {
    /// The width of the left one.
    #[config(default = 10)]
    pub left: u32,
    /// The widths of the right ones.
    #[config(file_only, default)]
    pub right: Vec<u32>,
}

fn not_wider_than_the_page(left: &u32, right: &[u32]) -> Vec<Misfit> {
    let widths = right.iter().enumerate();
    let wide = widths.filter(|(_, width)| *width + left > 80);
    wide.map(|(index, _)| {
        Misfit::new("right", "it does not fit on the page").at([Step::Index(index)])
    })
    .collect()
}

/// A page with columns.
#[derive(Clone, Debug, Config)]
pub struct PageConfig {
    /// Its columns.
    #[config(include)]
    pub columns: ColumnsConfig,
    /// What is written above.
    pub title: String,
}

#[test]
fn options_are_checked_together_once_each_is_right() {
    let errors = |text: &str| -> Vec<String> {
        match read_toml::<PageBuilder>("page.toml", text) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.mistakes().iter().map(|m| m.to_string()).collect(),
        }
    };
    assert_eq!(errors("title = 'a'\nleft = 79").len(), 0);
    assert_eq!(
        errors("title = 'a'\nright = [70, 71, 72]"),
        [
            "page.toml: option \"right[1]\": it does not fit on the page",
            "page.toml: option \"right[2]\": it does not fit on the page",
        ]
    );
    // What is missing elsewhere does not matter; what is wrong here does.
    assert_eq!(errors("right = [71]").len(), 2);
    assert_eq!(
        errors("title = 'a'\nleft = 'x'\nright = [71]"),
        ["page.toml: option \"left\": \"x\" is not a whole number of at least 0"]
    );
}

#[test]
fn options_are_checked_together_in_code_and_for_configs_that_include_them() {
    let mut layer = Layer::new(PageConfig::description());
    layer.set("title", "a").unwrap();
    layer.set("right", vec![71]).unwrap();
    let error = Node::new("page", layer).unwrap_err();
    let expected = "page: option \"right[0]\": it does not fit on the page";
    assert_eq!(error.to_string(), expected);
    assert!(matches!(error.errors(), [OptionError::Misfit { .. }]));
    // The right one has no setter: this is all that a builder can say.
    Node::new("page", PageBuilder::new().title("a").left(80)).unwrap();
}
