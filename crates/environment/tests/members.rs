//! Names, lookups, dependencies and context: what is refused, and how.

mod support;

use std::time::Duration;

use expect_test::{Expect, expect};
use standin_config::context;
use standin_driver::{Attributes, Driver, DriverConfig};
use standin_entity::Error;
use standin_environment::Environment;
use standin_tcp::{TcpClient, TcpServer};
use support::{Probe, Trace};

#[track_caller]
fn check(error: impl Into<Error>, expected: Expect) {
    expected.assert_eq(&format!("{:?}\n", error.into()));
}

fn probe(name: &str) -> Probe {
    Probe::builder(name, &Trace::default()).build().unwrap()
}

#[test]
fn gives_drivers_back_by_name_and_type() {
    let mut env = Environment::new("env");
    let a = env.add(probe("a")).unwrap();
    env.add_as("alias", probe("b")).unwrap();
    assert!(std::sync::Arc::ptr_eq(&env.get::<Probe>("a").unwrap(), &a));
    assert_eq!(env.names(), ["a", "alias"]);
    assert_eq!(env.first().unwrap().base().name(), "a");
    check(env.get::<Probe>("x").unwrap_err(), expect![[""]]);
    check(env.get::<TcpServer>("a").unwrap_err(), expect![[""]]);
    env.remove("a").unwrap();
    assert_eq!(env.len(), 1);
    assert!(env.remove("a").is_err());
}

#[test]
fn checks_names() {
    let mut env = Environment::new("env");
    env.add(probe("a")).unwrap();
    check(env.add(probe("a")).unwrap_err(), expect![[""]]);
    check(env.add(probe("start")).unwrap_err(), expect![[""]]);
    check(
        Environment::new("a/b").add(probe("a")).unwrap_err(),
        expect![[""]],
    );
    check(Environment::new("").start().unwrap_err(), expect![[""]]);
}

#[test]
fn a_driver_is_in_one_environment() {
    let mut env = Environment::new("env");
    let a = env.add(probe("a")).unwrap();
    let mut other = Environment::new("other");
    check(other.add_shared("a", a.clone()).unwrap_err(), expect![[""]]);
    env.add_shared("once more", a).unwrap();
}

#[test]
fn refuses_impossible_dependencies() {
    let mut env = Environment::new("env");
    let (a, b) = (env.add(probe("a")).unwrap(), env.add(probe("b")).unwrap());
    env.dependency(&a, &b).unwrap();
    check(env.dependency(&b, &a).unwrap_err(), expect![[""]]);
    check(env.dependency("a", "c").unwrap_err(), expect![[""]]);
    check(env.dependency("a", "a").unwrap_err(), expect![[""]]);
    let stranger = std::sync::Arc::new(probe("stranger"));
    assert!(env.dependency(&stranger, &a).is_err());
    env.add(
        Probe::builder("late", &Trace::default())
            .async_start(true)
            .build()
            .unwrap(),
    )
    .unwrap();
    check(env.dependency("a", "late").unwrap_err(), expect![[""]]);
    let env = env.start().unwrap_err();
    drop(env);
}

#[test]
fn refuses_to_read_a_driver_that_starts_later() {
    let mut env = Environment::new("env");
    let port = context("server", "{{ port }}");
    env.add(
        TcpClient::builder("client")
            .host("localhost")
            .port(port)
            .build()
            .unwrap(),
    )
    .unwrap();
    env.add(TcpServer::builder("server").build().unwrap())
        .unwrap();
    check(env.start().unwrap_err(), expect![[""]]);
}

#[test]
fn reading_a_context_is_depending_on_it() {
    let mut env = Environment::builder("env")
        .concurrent(true)
        .build()
        .unwrap();
    let port = context("server", "{{ port }}");
    let client = env
        .add(
            TcpClient::builder("client")
                .host("localhost")
                .port(port)
                .build()
                .unwrap(),
        )
        .unwrap();
    let server = env
        .add(TcpServer::builder("server").build().unwrap())
        .unwrap();
    let _env = env.start().unwrap();
    assert_eq!(client.server_port(), server.port());
}

#[test]
fn tells_context_values_that_cannot_be() {
    let start = |driver: &str, template: &str| {
        let mut env = Environment::new("env");
        env.add(TcpServer::builder("server").build().unwrap())
            .unwrap();
        let client = TcpClient::builder("client")
            .host("localhost")
            .port(context(driver, template))
            .build()?;
        env.add(client)?;
        env.start().map(drop).map_err(Error::from)
    };
    let check = |driver: &str, template: &str, expected: Expect| {
        let text = format!("{:?}\n", start(driver, template).unwrap_err());
        // Paths and ports are another time others.
        let text: Vec<String> = text
            .lines()
            .map(|line| match line.split_once("kept in ") {
                Some((before, _)) => format!("{before}kept in RUNPATH"),
                None => line.to_owned(),
            })
            .collect();
        expected.assert_eq(&(text.join("\n") + "\n"));
    };
    check("srever", "{{ port }}", expect![[""]]);
    check("server", "{{ prot }}", expect![[""]]);
    check("server", "{{ host }}", expect![[""]]);
    check("server", "{{ port", expect![[""]]);
    check("server", "{{ 1 // 0 }}", expect![[""]]);
}

#[test]
fn a_driver_outside_of_an_environment_reads_nothing() {
    use standin_driver::Lifecycle;
    let client = TcpClient::builder("client")
        .host("localhost")
        .port(context("server", "{{ port }}"))
        .build()
        .unwrap();
    check(client.start().unwrap_err(), expect![[""]]);
}

#[test]
fn templates_can_read_plain_values() {
    let mut env = Environment::new("env");
    env.set_context(
        "settings",
        Attributes::new().with("host", "127.0.0.1").with("port", 0),
    )
    .unwrap();
    let server = env
        .add(
            TcpServer::builder("server")
                .host(context("settings", "{{ host }}"))
                .port(context("settings", "{{ port }}"))
                .build()
                .unwrap(),
        )
        .unwrap();
    let _env = env.start().unwrap();
    assert_eq!(server.host().as_deref(), Some("127.0.0.1"));
    assert!(
        Environment::new("x")
            .set_context("a", Attributes::new())
            .is_ok()
    );
}

#[test]
fn options_are_inherited_from_the_environment_and_its_parent() {
    let outer = Environment::builder("outer")
        .timeout(Duration::from_secs(7))
        .build()
        .unwrap();
    let mut inner = Environment::new("inner");
    inner.set_parent(&outer).unwrap();
    let timeout = |driver: &Probe| driver.base().config::<DriverConfig>().unwrap().timeout;
    let alone = probe("a");
    assert_eq!(timeout(&alone), Duration::from_secs(300));
    let a = inner.add(alone).unwrap();
    assert_eq!(timeout(&a), Duration::from_secs(7));
    let b = Probe::builder("b", &Trace::default())
        .timeout(Duration::from_secs(9))
        .build()
        .unwrap();
    assert_eq!(timeout(&inner.add(b).unwrap()), Duration::from_secs(9));
}

#[test]
fn attributes_become_variables() {
    let mut env = Environment::new("env");
    env.add(
        Probe::builder("my-driver 1", &Trace::default())
            .word("x y".to_owned())
            .build()
            .unwrap(),
    )
    .unwrap();
    let env = env.start().unwrap();
    let variables = env.variables();
    assert!(
        variables.contains(&("DRIVER_MY_DRIVER_1_ATTR_WORD".to_owned(), "x y".to_owned())),
        "{variables:?}"
    );
}
