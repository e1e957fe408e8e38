//! Mistakes in the environment.

use expect_test::expect;
use standin::driver::Driver;
use standin::{Environment, Error, TcpClient, TcpServer, context};

use crate::{check, environment};

#[test]
fn the_attribute_is_misspelled() {
    check(
        |folder| {
            let mut env = environment(folder)?;
            env.add(TcpServer::builder("server").build()?)?;
            env.add(
                TcpClient::builder("client")
                    .host(context("server", "{{ host }}"))
                    .port(context("server", "{{ prot }}"))
                    .build()?,
            )?;
            drop(env.start()?);
            Ok(())
        },
        expect![[r#"
            environment "test" did not start: driver "client" could not be started
              at crates/standin/tests/messages/starts.rs
              caused by: driver "client" asks "server" for `prot` in `{{ prot }}`, which "server" does not publish
              start of "test": TIME
                server  +TIME  TIME  |BAR|
                client  +TIME  TIME  |BAR|  failed
                critical path: server TIME -> client TIME
              help: did you mean `port`? "server" publishes: name, uid, status, runpath, scratch, active, aborted, host, port, local_host, local_port, connection_identifier
              help: the files of the drivers are kept in DIR/run
                what was recorded: target/standin/test/RUN/report.html (beside it transcript.txt, capture.pcapng)
              code: standin::driver::unknown_attribute
            --- anyhow ---
            environment "test" did not start: driver "client" could not be started

            start of "test": TIME
              server  +TIME  TIME  |BAR|
              client  +TIME  TIME  |BAR|  failed
              critical path: server TIME -> client TIME

            Caused by:
                driver "client" asks "server" for `prot` in `{{ prot }}`, which "server" does not publish
        "#]],
    );
}

#[test]
fn the_driver_of_the_context_is_misspelled() {
    check(
        |folder| {
            let mut env = environment(folder)?;
            env.add(TcpServer::builder("server").build()?)?;
            env.add(TcpClient::builder("client").connect_to("sever").build()?)?;
            drop(env.start()?);
            Ok(())
        },
        expect![[r#"
            option "host" of driver "client" reads the context of "sever", which is not a driver of environment "test"
              at crates/standin/tests/messages/starts.rs
              help: did you mean "server"? the drivers are: "server", "client"
              code: standin::environment::unknown_context
            --- anyhow ---
            option "host" of driver "client" reads the context of "sever", which is not a driver of environment "test"
        "#]],
    );
}

#[test]
fn the_client_is_added_before_its_server() {
    check(
        |folder| {
            let mut env = environment(folder)?;
            env.add(TcpClient::builder("client").connect_to("server").build()?)?;
            env.add(TcpServer::builder("server").build()?)?;
            drop(env.start()?);
            Ok(())
        },
        expect![[r#"
            option "host" of driver "client" reads the context of "server", which starts later
              at crates/standin/tests/messages/starts.rs
              help: add "server" before "client", or set `concurrent` on the environment: then "client" starts when "server" is up
              code: standin::environment::later_driver
            --- anyhow ---
            option "host" of driver "client" reads the context of "server", which starts later
        "#]],
    );
}

#[test]
fn two_drivers_have_one_name() {
    check(
        |folder| {
            let mut env = environment(folder)?;
            env.add(TcpServer::builder("server").build()?)?;
            env.add(TcpServer::builder("server").build()?)?;
            Ok(())
        },
        expect![[r#"
            environment "test" already has a driver "server"
              at crates/standin/tests/messages/starts.rs
              help: give one of them another name, or add it under another one with `add_as`
              code: standin::environment::duplicate_name
            --- anyhow ---
            environment "test" already has a driver "server"
        "#]],
    );
}

#[test]
fn the_name_has_a_slash() {
    check(
        |_| {
            TcpServer::builder("a/b").build()?;
            Ok(())
        },
        expect![[r#"
            driver "a/b": option "name" is "a/b", but it must not have a path separator
              at crates/standin/tests/messages/starts.rs
              help: name: Name of the environment or the driver. That of a driver is unique in its environment: others use it to read its context.
              code: standin::config::constraint_broken
            --- anyhow ---
            driver "a/b": option "name" is "a/b", but it must not have a path separator
        "#]],
    );
}

#[test]
fn options_are_missing() {
    check(
        |_| {
            TcpClient::builder("client").build()?;
            Ok(())
        },
        expect![[r#"
            driver "client": 2 options are wrong
              at crates/standin/tests/messages/starts.rs
              - driver "client": option "host" is missing
                help: "host" is a string or a context value: Host name or address of the server, or `unix:` and the path of a Unix socket.
                code: standin::config::missing_option
              - driver "client": option "port" is missing
                help: "port" is a port or a context value: Port of the server: a number, a numeric text or the name of a service. With a Unix socket: 0.
                code: standin::config::missing_option
              code: standin::config::invalid
            --- anyhow ---
            driver "client": 2 options are wrong
              - driver "client": option "host" is missing
              - driver "client": option "port" is missing

            Caused by:
                driver "client": option "host" is missing
        "#]],
    );
}

#[test]
fn a_driver_is_asked_for_by_a_wrong_name() {
    check(
        |_| {
            let mut env = Environment::new("test");
            env.add(TcpServer::builder("server").build()?)?;
            env.get::<TcpServer>("sever")?;
            Ok(())
        },
        expect![[r#"
            environment "test" has no driver "sever"
              at crates/standin/tests/messages/starts.rs
              help: did you mean "server"? it has: "server"
              code: standin::environment::unknown_driver
            --- anyhow ---
            environment "test" has no driver "sever"
        "#]],
    );
}

#[test]
fn a_driver_is_asked_for_by_a_wrong_type() {
    check(
        |_| {
            let mut env = Environment::new("test");
            env.add(TcpServer::builder("server").build()?)?;
            env.get::<TcpClient>("server")?;
            Ok(())
        },
        expect![[r#"
            driver "server" of environment "test" is a TcpServer, not a TcpClient
              at crates/standin/tests/messages/starts.rs
              help: ask for a TcpServer
              code: standin::environment::other_type
            --- anyhow ---
            driver "server" of environment "test" is a TcpServer, not a TcpClient
        "#]],
    );
}

#[test]
fn a_hook_fails() {
    check(
        |folder| {
            let mut env = environment(folder)?;
            let hook = |_: &dyn Driver| Err(Error::msg("no licence"));
            env.add(TcpServer::builder("server").pre_start(hook).build()?)?;
            drop(env.start()?);
            Ok(())
        },
        expect![[r#"
            environment "test" did not start: driver "server" could not be started, because its hook `pre_start` failed
              at crates/standin/tests/messages/starts.rs
              caused by: no licence
                at crates/standin/tests/messages/starts.rs
              help: the files of the drivers are kept in DIR/run
                what was recorded: target/standin/test/RUN/report.html (beside it transcript.txt, capture.pcapng)
              code: standin::entity::start_failed
            --- anyhow ---
            environment "test" did not start: driver "server" could not be started, because its hook `pre_start` failed

            Caused by:
                no licence
        "#]],
    );
}

#[test]
fn several_drivers_fail() {
    check(
        |folder| {
            let mut env = Environment::builder("test")
                .runpath(folder.join("run"))
                .concurrent(true)
                .build()?;
            let failing = |text: &'static str| {
                move |_: &dyn Driver| -> standin::Result<()> { Err(Error::msg(text)) }
            };
            // Both stop, so that both failures are in one error.
            env.add(
                TcpServer::builder("a")
                    .pre_stop(failing("a is stubborn"))
                    .build()?,
            )?;
            env.add(
                TcpServer::builder("b")
                    .pre_stop(failing("b is stubborn"))
                    .build()?,
            )?;
            env.start()?.stop()?;
            Ok(())
        },
        expect![[r#"
            environment "test" did not stop cleanly: 2 drivers failed
              at crates/standin/tests/messages/starts.rs
              - driver "a" did not stop cleanly, because its hook `pre_stop` failed
                caused by: a is stubborn
                  at crates/standin/tests/messages/starts.rs
                code: standin::entity::stop_failed
              - driver "b" did not stop cleanly, because its hook `pre_stop` failed
                caused by: b is stubborn
                  at crates/standin/tests/messages/starts.rs
                code: standin::entity::stop_failed
              help: the files of the drivers are kept in DIR/run
                what was recorded: target/standin/test/RUN/report.html (beside it transcript.txt, capture.pcapng)
            --- anyhow ---
            environment "test" did not stop cleanly: 2 drivers failed
              - driver "a" did not stop cleanly, because its hook `pre_stop` failed: a is stubborn
              - driver "b" did not stop cleanly, because its hook `pre_stop` failed: b is stubborn

            Caused by:
                0: driver "a" did not stop cleanly, because its hook `pre_stop` failed
                1: a is stubborn
        "#]],
    );
}
