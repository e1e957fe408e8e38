//! Layers and nodes: setting, taking back, inheriting, standing alone.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail the test")]

mod common;

use std::thread;
use std::time::Duration;

use common::{ClientBuilder, DriverConfig, EnvironmentBuilder, EnvironmentConfig, RetryConfig};
use standin_config::{Config, Layer, Node, Options, Origin, Setting, Value};

fn client() -> Node {
    let options = ClientBuilder::new().name("client").host("h").port(1);
    Node::new("client", options).unwrap()
}

fn environment(timeout: u64) -> Node {
    let options = EnvironmentBuilder::new().timeout(Duration::from_secs(timeout));
    Node::new("environment", options).unwrap()
}

#[test]
fn options_that_are_not_set_are_told_from_those_that_are() {
    let options = ClientBuilder::new().host("h").port(1).greeting("ahoy");
    let names: Vec<&str> = options.layer().names().collect();
    assert_eq!(names, ["host", "port", "greeting"]);
    assert_eq!(
        format!("{options:?}"),
        "ClientBuilder({\"host\": Plain(\"h\"), \"port\": Plain(Number(1)), \"greeting\": \"ahoy\"})"
    );

    let mut layer = options.into_layer();
    layer.unset("greeting");
    assert!(!layer.is_set("greeting"));
    layer.set("greeting", "hello").unwrap();
    assert_eq!(layer.get("greeting"), Some(Value::from("hello")));
}

#[test]
fn a_layer_refuses_unknown_names_and_misfits() {
    let mut layer = Layer::new(EnvironmentConfig::description());
    let error = layer.set("timeuot", 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "EnvironmentConfig: unknown option \"timeuot\""
    );
    let error = layer.set("timeout", "soon").unwrap_err();
    assert_eq!(
        error.to_string(),
        "EnvironmentConfig: option \"timeout\": \"soon\" is not a duration"
    );
    assert_eq!(layer.names().count(), 0);
}

#[test]
fn a_value_that_breaks_a_rule_changes_nothing() {
    let node = client();
    let error = node.set_local("greeting", "moin").unwrap_err();
    assert_eq!(
        error.to_string(),
        "client: option \"greeting\" is \"moin\", but it must be one of \"hello\", \"ahoy\""
    );
    assert_eq!(node.origin("greeting").unwrap(), Origin::Default);
    node.set_local("greeting", "ahoy").unwrap();
    assert_eq!(node.get("greeting").unwrap(), Value::from("ahoy"));
}

#[test]
fn a_parent_is_set_once_and_never_in_a_circle() {
    let (a, b) = (environment(1), environment(2));
    let c = client();
    c.set_parent(&b).unwrap();
    b.set_parent(&a).unwrap();
    assert_eq!(
        c.set_parent(&a).unwrap_err().to_string(),
        "client: its parent is already \"environment\""
    );
    assert!(
        a.set_parent(&c)
            .unwrap_err()
            .to_string()
            .contains("it inherits from")
    );
    assert!(a.set_parent(&a).is_err());
    assert_eq!(c.get("timeout").unwrap(), Value::from("2s"));
}

#[test]
fn an_inherited_value_must_keep_the_rules_of_the_one_who_inherits() {
    let parent = environment(0);
    let node = client();
    node.set_parent(&parent).unwrap();
    let error = node.resolve::<DriverConfig>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "client: option \"timeout\" is \"0s\", but it must be at least \"1ms\""
    );
}

#[test]
fn a_name_that_only_the_parent_has_is_asked_of_it() {
    let parent = environment(1);
    parent.set_local("token", "secret").unwrap();
    let node = client();
    node.set_parent(&parent).unwrap();
    assert_eq!(node.get("token").unwrap(), Value::from("secret"));
    assert_eq!(node.get_local("token"), None);
    let alone = node.denormalize();
    assert_eq!(alone.get("timeout").unwrap(), Value::from("1s"));
    assert!(alone.parent().is_none());
}

#[test]
fn a_config_that_is_not_included_resolves_by_name() {
    let node = environment(1);
    let error = node.resolve::<RetryConfig>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "environment: option \"times\" is missing"
    );
    node.set_local("times", 3).unwrap();
    let retry: RetryConfig = node.resolve().unwrap();
    assert_eq!(retry.times, 3);
    assert_eq!(retry.pause, Duration::from_millis(100));
}

#[test]
fn a_nested_config_is_checked_as_a_whole() {
    let retry = RetryConfig {
        times: 0,
        pause: Duration::ZERO,
    };
    let options = ClientBuilder::new()
        .name("c")
        .host("h")
        .port(1)
        .retry(retry);
    let error = Node::new("c", options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "c: option \"retry.times\" is 0, but it must be at least 1"
    );
}

#[test]
fn settings_tell_plain_values_from_context_values() {
    let node = client();
    let config: common::ClientConfig = node.resolve().unwrap();
    assert_eq!(config.host, Setting::Plain("h".to_owned()));
    node.set_local(
        "host",
        [("driver", "server"), ("value", "{{ host }}")]
            .into_iter()
            .collect::<Value>(),
    )
    .unwrap();
    let config: common::ClientConfig = node.resolve().unwrap();
    assert_eq!(
        config
            .host
            .as_context()
            .map(|context| context.template.as_str()),
        Some("{{ host }}")
    );
}

#[test]
fn children_resolve_while_their_parent_changes() {
    let parent = environment(1);
    let node = client();
    node.set_parent(&parent).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for seconds in 1..200 {
                parent.set_local("timeout", seconds).unwrap();
            }
        });
        scope.spawn(|| {
            for _ in 0..200 {
                let timeout = node.resolve::<DriverConfig>().unwrap().timeout;
                assert!((1..200).contains(&timeout.as_secs()));
                assert!(node.denormalize().get("timeout").is_ok());
            }
        });
    });
}
