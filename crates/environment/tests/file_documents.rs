//! Environment files that are right, and what becomes of them.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail the test")]

mod options;

use std::fs;
use std::time::Duration;

use options::{ClientConfig, EnvironmentConfig, RetryConfig, ServerConfig, registry};
use standin_config::{
    Config, ConfigDescription, Constraint, Kind, Node, OptionDescription, TypedOptions, Value,
};
use standin_environment::file::{Document, Entry, ReadError};

const FILE: &str = r#"
#:schema ./schemas/environment.json
name = "greeting"
timeout = "10s"

[defaults]
error_logs_max_lines = 3

[defaults.tcp-server]
host = "127.0.0.1"
error_logs_max_lines = 4

[[driver]]
type = "tcp-server"
name = "server"
log_regexps = ["ready", 'port (?<port>\d+)']

[[driver]]
type = "tcp-client"
name = "client"
after = ["server"]
host = { driver = "server", value = "{{ host }}" }
port = { driver = "server", value = "{{ port }}" }
interface = ["127.0.0.1", 0]
install = ["files/a.conf", "/etc/b.conf", "{{ runpath }}/c.conf"]
retry = { times = 3, pause = 0.25 }
"#;

fn nodes(document: Document) -> (Node, Vec<Node>) {
    let (environment, entries) = document.into_parts();
    let environment = Node::new("environment", environment).unwrap();
    let drivers = entries
        .into_iter()
        .map(|entry| {
            let node = Node::new(entry.name().to_owned(), entry.into_layer()).unwrap();
            node.set_parent(&environment).unwrap();
            node
        })
        .collect();
    (environment, drivers)
}

#[test]
fn a_file_becomes_configs_that_inherit() {
    let document = registry().parse("/project/environment.toml", FILE).unwrap();
    assert_eq!(document.entries()[1].after(), ["server"]);
    assert_eq!(&FILE[document.entries()[0].span()], "[[driver]]");
    let (environment, drivers) = nodes(document);
    let environment: EnvironmentConfig = environment.resolve().unwrap();
    assert_eq!(environment.name, "greeting");

    let server: ServerConfig = drivers[0].resolve().unwrap();
    assert_eq!(
        server.host.as_plain().map(String::as_str),
        Some("127.0.0.1")
    );
    assert_eq!(server.driver.timeout, Duration::from_secs(10));
    assert_eq!(server.driver.error_logs_max_lines, 4);

    let client: ClientConfig = drivers[1].resolve().unwrap();
    assert_eq!(client.driver.error_logs_max_lines, 3);
    assert_eq!(
        client
            .host
            .as_context()
            .map(|context| context.driver.as_str()),
        Some("server")
    );
    assert_eq!(client.interface, Some(("127.0.0.1".to_owned(), 0)));
    let retry = RetryConfig {
        times: 3,
        pause: Duration::from_millis(250),
    };
    assert_eq!(client.retry, Some(retry));
}

#[test]
fn every_value_knows_where_it_comes_from() {
    let (_, drivers) = nodes(registry().parse("environment.toml", FILE).unwrap());
    let origin = |driver: usize, name: &str| drivers[driver].origin(name).unwrap().to_string();
    assert_eq!(origin(0, "name"), "set explicitly");
    assert_eq!(origin(0, "host"), "from [defaults.tcp-server]");
    assert_eq!(
        origin(0, "error_logs_max_lines"),
        "from [defaults.tcp-server]"
    );
    assert_eq!(origin(1, "error_logs_max_lines"), "from [defaults]");
    assert_eq!(origin(1, "greeting"), "default");
    assert_eq!(
        origin(1, "timeout"),
        "inherited from environment (set explicitly)"
    );
}

#[test]
fn an_explanation_lists_every_option() {
    let (_, drivers) = nodes(registry().parse("environment.toml", FILE).unwrap());
    expect_test::expect![[r#"
        server (ServerConfig)
          name                 = "server"                        # set explicitly
          timeout              = "10s"                           # inherited from environment (set explicitly)
          log_regexps          = ["ready", "port (?<port>\\d+)"] # set explicitly
          error_logs_max_lines = 4                               # from [defaults.tcp-server]
          pre_start            = null                            # default
          host                 = "127.0.0.1"                     # from [defaults.tcp-server]
          port                 = 0                               # default
    "#]]
    .assert_eq(&drivers[0].explain().to_string().replace("  #", " #"));
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("environment.toml");
    fs::write(&path, FILE).unwrap();
    let (_, drivers) = nodes(registry().read(&path).unwrap());
    let client: ClientConfig = drivers[1].resolve().unwrap();
    assert_eq!(client.install[0], folder.path().join("files/a.conf"));
    assert_eq!(client.install[1].to_str(), Some("/etc/b.conf"));
    assert_eq!(client.install[2].to_str(), Some("{{ runpath }}/c.conf"));
}

#[test]
fn a_document_is_written_and_read_again_to_the_same_value() {
    let document = registry().parse("/project/environment.toml", FILE).unwrap();
    let written = document.to_toml();
    let again = registry()
        .parse("/project/environment.toml", &written)
        .unwrap();
    assert_eq!(again, document, "{written}");
    assert_eq!(again.to_toml(), written);
}

#[test]
fn a_document_made_in_code_is_written_too() {
    let mut document = Document::new(options::EnvironmentBuilder::new().name("made \"here\""));
    let server = options::ServerBuilder::new()
        .name("server")
        .port("http")
        .pre_start(noop as fn());
    document.push(Entry::new("tcp-server", "server", server, Vec::new()));
    expect_test::expect![[r#"
        name = "made \"here\""

        [[driver]]
        type = "tcp-server"
        name = "server"
        # pre_start is set in code
        port = "http"
    "#]]
    .assert_eq(&document.to_toml());
}

fn noop() {}

#[test]
fn an_entry_becomes_typed_options_of_its_own_type_only() {
    let document = registry().parse("environment.toml", FILE).unwrap();
    let layer = document.entries()[0].layer().clone();
    assert!(options::ClientBuilder::from_layer(layer.clone()).is_err());
    let options = options::ServerBuilder::from_layer(layer).unwrap();
    let node = Node::new("server", options.port(80)).unwrap();
    assert_eq!(node.get("port").unwrap(), Value::from(80));
    assert_eq!(node.get("host").unwrap(), Value::from("127.0.0.1"));
}

#[test]
fn an_empty_file_is_an_environment_without_drivers() {
    for text in ["", "\u{feff}", "# nothing\r\n"] {
        let document = registry().parse("environment.toml", text).unwrap();
        assert!(document.entries().is_empty());
    }
}

#[test]
fn a_file_that_is_not_there_or_no_text_is_an_error_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.toml");
    let error = registry().read(&missing).unwrap_err();
    assert!(
        matches!(&error, ReadError::Io { path, .. } if *path == missing),
        "{error}"
    );

    let binary = folder.path().join("binary.toml");
    fs::write(&binary, b"name = '\xff\xfe'\n").unwrap();
    let error = registry().read(&binary).unwrap_err();
    assert!(
        error.to_string().ends_with("the file is not UTF-8 text"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn a_device_without_an_end_is_not_read_to_the_end_of_memory() {
    let error = registry().read("/dev/zero").unwrap_err();
    assert_eq!(error.to_string(), "`/dev/zero` is larger than 64 MiB");
}

#[test]
fn a_type_is_registered_once_and_needs_a_name() {
    let mut registry = registry();
    let twice = registry.register(ServerConfig::description()).unwrap_err();
    assert_eq!(
        twice.to_string(),
        "the driver type \"tcp-server\" is registered already"
    );
    let faulty = ConfigDescription::builder("FaultyConfig")
        .type_name("faulty")
        .option(OptionDescription::required("name", Kind::String))
        .option(
            OptionDescription::with_default("times", Kind::Any, 0)
                .constraint(Constraint::range(1..)),
        )
        .build();
    assert_eq!(
        registry.register(&faulty).unwrap_err().to_string(),
        "config \"FaultyConfig\" has a default that does not fit: the defaults of FaultyConfig: option \"times\" \
         is 0, but it must be at least 1"
    );
    let nameless = registry.register(RetryConfig::description()).unwrap_err();
    assert_eq!(
        nameless.to_string(),
        "config \"RetryConfig\" has no type name"
    );
}

#[test]
fn a_type_described_at_run_time_takes_part() {
    let echo = ConfigDescription::builder("EchoConfig")
        .type_name("echo")
        .option(OptionDescription::required("name", Kind::String))
        .option(OptionDescription::inherited_or(
            "timeout",
            Kind::Duration,
            "1s",
        ))
        .option(OptionDescription::with_default(
            "encoding",
            Kind::one_of(["utf-8", "latin1"]),
            "utf-8",
        ))
        .ignore_extra_keys(true)
        .build();
    let mut registry = registry();
    registry.register(&echo).unwrap();
    let text =
        "timeout = 7\n[[driver]]\ntype = 'echo'\nname = 'e'\nencoding = 'latin1'\nanything = 1\n";
    let (_, drivers) = nodes(registry.parse("environment.toml", text).unwrap());
    assert_eq!(drivers[0].get("encoding").unwrap(), Value::from("latin1"));
    assert_eq!(drivers[0].get("timeout").unwrap(), Value::from("7s"));
    assert!(!drivers[0].local_names().contains(&"anything".to_owned()));

    let text = text.replace("latin1", "klingon");
    let errors = registry.parse("environment.toml", &text).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "environment.toml:5:12: driver \"e\": option \"encoding\": \"klingon\" is not one of \"utf-8\", \"latin1\""
    );
}
