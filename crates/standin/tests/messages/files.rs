//! Mistakes in the environment file.

use expect_test::{Expect, expect};
use standin::DriverTypes;

use crate::check;

#[track_caller]
fn check_file(text: &str, expected: Expect) {
    check(
        |_| {
            DriverTypes::standard().parse("environment.toml", text)?;
            Ok(())
        },
        expected,
    );
}

#[test]
fn an_option_is_misspelled() {
    check_file(
        "name = 'test'\n[[driver]]\ntype = 'tcp-server'\nname = 'server'\nprot = 80\n",
        expect![[r#"
            environment.toml: driver "server": there is no option "prot"
              at crates/standin/tests/messages/files.rs
              at environment.toml:5:1: not known here
              help: did you mean "port"?
              code: standin::config::unknown_option
            --- anyhow ---
            environment.toml: driver "server": there is no option "prot"
        "#]],
    );
}

#[test]
fn the_type_is_misspelled() {
    check_file(
        "name = 'test'\n[[driver]]\ntype = 'tcp_server'\nname = 'server'\n",
        expect![[r#"
            environment.toml: there is no driver type "tcp_server"
              at crates/standin/tests/messages/files.rs
              at environment.toml:3:8: not a known type
              help: did you mean "tcp-server"?
              code: standin::config::unknown_type
            --- anyhow ---
            environment.toml: there is no driver type "tcp_server"
        "#]],
    );
}

#[test]
fn a_duration_is_not_one() {
    check_file(
        "name = 'test'\ntimeout = '10 sec onds'\n",
        expect![[r#"
        environment.toml: the environment: option "timeout": "10 sec onds" is not a duration
          at crates/standin/tests/messages/files.rs
          at environment.toml:2:11: expected a duration
          help: timeout: How long each driver may take to start, and to stop.
            a duration is a text such as "1m 30s" or "250ms", or a number of seconds
          code: standin::config::wrong_type
        --- anyhow ---
        environment.toml: the environment: option "timeout": "10 sec onds" is not a duration
    "#]],
    );
}

#[test]
fn there_are_several_mistakes() {
    check_file(
        "name = 'test'\n[[driver]]\ntype = 'tcp-client'\nname = 'client'\nport = 70000\n\
         [[driver]]\ntype = 'tcp-server'\nname = 'client'\nafter = ['db']\n",
        expect![[r#"
            environment.toml: 4 mistakes
              at crates/standin/tests/messages/files.rs
              - driver "client": option "host" is missing
                at environment.toml:2:1: "host" is missing here
                help: "host" is a string or a context value: Host name or address of the server.
                code: standin::config::missing_option
              - driver "client": option "port": 70000 is not a valid port: ports are 0 to 65535
                at environment.toml:5:8: ports are 0 to 65535
                help: port: Port of the server: a number, a numeric text or the name of a service.
                code: standin::config::wrong_type
              - two drivers are called "client"
                at environment.toml:4:8: first used here
                at environment.toml:8:8: used again here
                help: give each driver a name of its own: others refer to it by its name
                code: standin::config::duplicate_name
              - driver "client" depends on "db", but there is no such driver
                at environment.toml:9:10: no driver has this name
                help: the drivers are: client, client
                code: standin::config::unknown_dependency
              code: standin::config::invalid_file
            --- anyhow ---
            environment.toml: 4 mistakes
              - driver "client": option "host" is missing
              - driver "client": option "port": 70000 is not a valid port: ports are 0 to 65535
              - two drivers are called "client"
              - driver "client" depends on "db", but there is no such driver

            Caused by:
                driver "client": option "host" is missing
        "#]],
    );
}
