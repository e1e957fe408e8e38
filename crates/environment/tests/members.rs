//! Names, lookups, dependencies and context: what is refused, and how.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

mod support;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use expect_test::{Expect, expect};
use standin_config::context;
use standin_driver::Lifecycle;
use standin_driver::{Attributes, Driver, InstallFile};
use standin_entity::{EntityConfig, Status};
use standin_environment::{Environment, EnvironmentError, RunningEnvironment};
use standin_tcp::{TcpClient, TcpServer};
use support::{Probe, Trace};

#[track_caller]
fn check(error: impl std::fmt::Debug, expected: Expect) {
    expected.assert_eq(&format!("{error:?}\n"));
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
    check(
        env.get::<Probe>("x").unwrap_err(),
        expect![[r#"
        environment "env" has no driver "x"
          help: it has: "a", "alias"
          code: standin::environment::unknown_driver
    "#]],
    );
    check(
        env.get::<TcpServer>("a").unwrap_err(),
        expect![[r#"
        driver "a" of environment "env" is a Probe, not a TcpServer
          help: ask for a Probe
          code: standin::environment::other_type
    "#]],
    );
    env.remove("a").unwrap();
    assert_eq!(env.len(), 1);
    assert!(env.remove("a").is_err());
}

#[test]
fn errors_call_a_driver_by_a_name_that_it_has() {
    let mut env = Environment::new("env");
    let a = env.add_as("alias", probe("a")).unwrap();
    let known_as = || a.base().entity().known_as();
    env.add_as("again", a.clone()).unwrap();
    assert_eq!(known_as(), "alias");
    env.remove("alias").unwrap();
    assert_eq!(known_as(), "again");
    env.remove("again").unwrap();
    assert_eq!(known_as(), "a");
}

#[test]
fn a_call_from_within_names_the_driver_as_the_environment_does() {
    let running: Arc<OnceLock<RunningEnvironment>> = Arc::default();
    let refused: Arc<OnceLock<EnvironmentError>> = Arc::default();
    let hook = {
        let (running, refused) = (running.clone(), refused.clone());
        move |_: &dyn Driver| {
            if let Some(env) = running.get() {
                let _ = refused.set(env.restart().unwrap_err());
            }
            Ok(())
        }
    };
    let options = Probe::builder("a", &Trace::default()).post_start(hook);
    let mut env = Environment::new("env");
    env.add_as("alias", options.build().unwrap()).unwrap();
    let env = running.get_or_init(|| env.start().unwrap());
    env.restart().unwrap();
    env.stop().unwrap();
    let error = refused.get().unwrap();
    assert!(
        matches!(error, EnvironmentError::CalledFromWithin { driver, .. } if driver.as_deref() == Some("alias")),
        "{error:?}"
    );
}

#[test]
fn checks_names() {
    let mut env = Environment::new("env");
    env.add(probe("a")).unwrap();
    check(
        env.add(probe("a")).unwrap_err(),
        expect![[r#"
        environment "env" already has a driver "a"
          help: give one of them another name, or add it under another one with `add_as`
          code: standin::environment::duplicate_name
    "#]],
    );
    env.add(probe("start")).unwrap();
    check(
        Environment::new("a/b").add(probe("a")).unwrap_err(),
        expect![[r#"
            "a/b" cannot be the name of an entity: it must not have a path separator
              help: names become directory names; letters, digits, spaces, `-`, `_` and `.` are always allowed
              code: standin::entity::bad_name
        "#]],
    );
    check(
        Environment::new("").start().unwrap_err(),
        expect![[r#"
        "" cannot be the name of an entity: it must not be empty
          help: names become directory names; letters, digits, spaces, `-`, `_` and `.` are always allowed
          code: standin::entity::bad_name
    "#]],
    );
}

#[test]
fn a_driver_is_in_one_environment() {
    let mut env = Environment::new("env");
    let a = env.add(probe("a")).unwrap();
    let mut other = Environment::new("other");
    check(
        other.add_as("a", a.clone()).unwrap_err(),
        expect![[r#"
        driver "a" is in another environment than "other" already
          help: create a separate driver for each environment; an environment can also be the parent of another one
          code: standin::environment::in_two_environments
    "#]],
    );
    env.add_as("once more", a).unwrap();
}

#[test]
fn refuses_impossible_dependencies() {
    let mut env = Environment::new("env");
    let (a, b) = (env.add(probe("a")).unwrap(), env.add(probe("b")).unwrap());
    env.add_dependency(&a, &b).unwrap();
    check(
        env.add_dependency(&b, &a).unwrap_err(),
        expect![[r#"
            drivers wait for each other: b -> a -> b
              help: an arrow means "starts before"; remove one, either a declared dependency or a context value
              code: standin::environment::cycle
        "#]],
    );
    check(
        env.add_dependency("a", "c").unwrap_err(),
        expect![[r#"
            a dependency names "c", which is not a driver of environment "env"
              help: add the driver first; the drivers are: "a", "b"
              code: standin::environment::unknown_dependency
        "#]],
    );
    check(
        env.add_dependency("a", "a").unwrap_err(),
        expect![[r#"
        drivers wait for each other: a -> a
          help: an arrow means "starts before"; remove one, either a declared dependency or a context value
          code: standin::environment::cycle
    "#]],
    );
    let stranger = std::sync::Arc::new(probe("stranger"));
    assert!(env.add_dependency(&stranger, &a).is_err());
    env.add(
        Probe::builder("late", &Trace::default())
            .async_start(true)
            .build()
            .unwrap(),
    )
    .unwrap();
    check(
        env.add_dependency("a", "late").unwrap_err(),
        expect![[r#"
        driver "late" sets `async_start`, but environment "env" starts its drivers by their dependencies
          help: leave `async_start` out: drivers that do not depend on each other start at the same time anyway
          code: standin::environment::async_start
    "#]],
    );
    let env = env.start().unwrap_err();
    drop(env);
}

#[test]
fn refuses_async_start_where_each_driver_starts_when_it_can() {
    for (concurrent, is_refused) in [(true, true), (false, false)] {
        let trace = Trace::default();
        let mut env = Environment::builder("env")
            .concurrent(concurrent)
            .build()
            .unwrap();
        env.add(probe("early")).unwrap();
        let late = Probe::builder("late", &trace).async_start(true);
        env.add(late.build().unwrap()).unwrap();
        let started = env.start();
        assert_eq!(started.is_err(), is_refused);
        if let Err(error) = started {
            assert!(error.to_string().contains("async_start"), "{error}");
            assert!(trace.take_step("starting").is_empty(), "it was started");
        }
    }
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
    check(
        env.start().unwrap_err(),
        expect![[r#"
        option "port" of driver "client" reads the context of "server", which starts later
          help: add "server" before "client", or set `concurrent` on the environment: then "client" starts when "server" is up
          code: standin::environment::later_driver
    "#]],
    );
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
    let folder = tempfile::tempdir().unwrap();
    let start = |driver: &str, template: &str| -> standin_entity::Result<()> {
        let mut env = Environment::builder("env")
            .runpath(folder.path().to_owned())
            .build()?;
        env.add(TcpServer::builder("server").build()?)?;
        let client = TcpClient::builder("client")
            .host("localhost")
            .port(context(driver, template))
            .build()?;
        env.add(client)?;
        drop(env.start()?);
        Ok(())
    };
    let check = |driver: &str, template: &str, expected: Expect| {
        let text = format!("{:?}\n", start(driver, template).unwrap_err());
        // Times, paths, ports and the lines of this file are another time others.
        let differs = ["  at ", "  start of ", "    "];
        let text: Vec<String> = text
            .lines()
            .filter(|line| !differs.iter().any(|start| line.starts_with(start)))
            .map(|line| match line.split_once("kept in ") {
                Some((before, _)) => format!("{before}kept in RUNPATH"),
                None => line.to_owned(),
            })
            .collect();
        expected.assert_eq(&(text.join("\n") + "\n"));
    };
    check(
        "srever",
        "{{ port }}",
        expect![[r#"
            option "port" of driver "client" reads the context of "srever", which is not a driver of environment "env"
              help: did you mean "server"? the drivers are: "server", "client"
              code: standin::environment::unknown_context
        "#]],
    );
    check(
        "server",
        "{{ prot }}",
        expect![[r#"
            environment "env" did not start: driver "client" could not be started
              caused by: driver "client" asks "server" for `prot` in `{{ prot }}`, which "server" does not publish
              help: did you mean `port`? "server" publishes: name, uid, status, runpath, scratch, active, aborted, host, port, local_host, local_port, connection_identifier
              help: the files of the drivers are kept in RUNPATH
              code: standin::driver::unknown_attribute
        "#]],
    );
    check(
        "server",
        "{{ host }}",
        expect![[r#"
            environment "env" did not start: driver "client" could not be started
              caused by: driver "client": no service is called "localhost"
              help: give a number from 0 to 65535, or the name of a TCP service such as "http"
              help: the files of the drivers are kept in RUNPATH
              code: standin::tcp::port
        "#]],
    );
    check(
        "server",
        "{{ port",
        expect![[r#"
            driver "client": option "port.value": the template does not parse: `{{` without `}}`
              help: a template reads another driver's context, such as "{{ host }}:{{ port }}"
              code: standin::config::bad_template
        "#]],
    );
    check(
        "server",
        "{{ 1 // 0 }}",
        expect![[r#"
            environment "env" did not start: driver "client" could not be started
              caused by: driver "client" cannot render `{{ 1 // 0 }}` over "server": invalid operation: unable to calculate 1 // 0
              help: templates are Jinja: `{{ port }}`, `{{ port + 1 }}`, `{{ host | upper }}`; braces of another language go between `{% raw %}` and `{% endraw %}`, or into a `verbatim` text
              help: the files of the drivers are kept in RUNPATH
              code: standin::driver::template
        "#]],
    );
}

#[test]
fn a_driver_outside_of_an_environment_reads_nothing() {
    use standin_driver::Lifecycle;
    let client = TcpClient::builder("client")
        .host("localhost")
        .port(context("server", "{{ port }}"))
        .build()
        .unwrap();
    check(
        client.start().unwrap_err(),
        expect![[r#"
            driver "client" could not be started
              caused by: driver "client" reads the context of "server", but is not in an environment
              help: add both drivers to one environment, or give "client" a plain value
              code: standin::driver::no_environment
        "#]],
    );
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
    let timeout = |driver: &Probe| driver.base().config::<EntityConfig>().unwrap().timeout;
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

#[test]
fn what_a_template_reads_starts_before() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("peer.conf");
    std::fs::write(&file, "word = {{ context.publisher.word }}\n").unwrap();
    let trace = Trace::default();
    let mut env = Environment::builder("env")
        .concurrent(true)
        .build()
        .unwrap();
    let reader =
        Probe::builder("reader", &trace).install_files([InstallFile::from(file.as_path())]);
    env.add(reader.build().unwrap()).unwrap();
    env.add(Probe::builder("publisher", &trace).build().unwrap())
        .unwrap();
    let _env = env.start().unwrap();
    assert_eq!(trace.take_step("starting"), ["publisher", "reader"]);
}

#[test]
fn a_replacement_whose_factory_panics_fails_the_start_and_leaves_nothing_up() {
    for (concurrent, workers) in [(false, 8), (true, 8), (true, 1)] {
        support::within_time("a factory that panics", move || {
            let trace = Trace::default();
            let folder = tempfile::tempdir().unwrap();
            let mut env = Environment::builder("fails over")
                .runpath(folder.path())
                .concurrent(concurrent)
                .workers(workers)
                .build()
                .unwrap();
            for name in ["before", "also before"] {
                env.add(Probe::builder(name, &trace).build().unwrap())
                    .unwrap();
            }
            let broken = Probe::builder("broken", &trace).fails_in("starting");
            env.add(broken.build().unwrap()).unwrap();
            env.register_failover::<Probe>("broken", || panic!("no licence"))
                .unwrap();
            let drivers = env.drivers();
            let error = format!(
                "{:?}",
                standin_entity::Error::from(env.start().unwrap_err())
            );
            assert!(error.contains("no licence"), "{error}");
            assert!(error.contains("the starting of broken fails"), "{error}");
            for driver in drivers {
                assert_ne!(driver.status(), Status::Started, "{}", driver.name());
            }
        });
    }
}

#[test]
fn a_driver_that_is_shared_already_stays_the_same() {
    let mut env = Environment::new("env");
    let shared = std::sync::Arc::new(probe("a"));
    let added = env.add(shared.clone()).unwrap();
    assert!(std::sync::Arc::ptr_eq(&added, &shared));
    let erased: std::sync::Arc<dyn Driver> = std::sync::Arc::new(probe("b"));
    env.add(erased).unwrap();
    assert_eq!(env.get::<Probe>("b").unwrap().base().name(), "b");
    assert_eq!(env.driver("a").unwrap().base().name(), "a");
    assert!(env.driver("c").is_err());
    assert!(env.get::<TcpServer>("b").is_err());
}

#[test]
fn plain_values_can_be_read_as_context() {
    let mut env = Environment::new("env");
    env.set_context("stage", "test").unwrap();
    env.set_context("count", 3).unwrap();
    env.set_context("broker", Attributes::new().with("port", 5672))
        .unwrap();
    let a = env.add(probe("a")).unwrap();
    let render = |template| a.render_template(template);
    let template = "{{ context.stage }} {{ context.count + 1 }} {{ context['broker'].port }}";
    assert_eq!(render(template).unwrap(), "test 4 5672");
    assert!(env.set_context("a", "taken").is_err());
    let error = render("{{ context.broker.prot }}").unwrap_err();
    assert!(
        format!("{error:?}").contains("did you mean `port`"),
        "{error:?}"
    );
}
