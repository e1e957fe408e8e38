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
            environment.toml:5:1: driver "server": unknown option "prot"
              at crates/standin/tests/messages/files.rs
              help: did you mean "port"?
              code: standin::config::unknown_option
            --- anyhow ---
            environment.toml:5:1: driver "server": unknown option "prot"
        "#]],
    );
}

#[test]
fn the_type_is_misspelled() {
    check_file(
        "name = 'test'\n[[driver]]\ntype = 'tcp_server'\nname = 'server'\n",
        expect![[r#"
            environment.toml:3:8: unknown driver type "tcp_server"
              at crates/standin/tests/messages/files.rs
              help: did you mean "tcp-server"?
              code: standin::environment::unknown_type
            --- anyhow ---
            environment.toml:3:8: unknown driver type "tcp_server"
        "#]],
    );
}

#[test]
fn a_duration_is_not_one() {
    check_file(
        "name = 'test'\ntimeout = '10 sec onds'\n",
        expect![[r#"
            environment.toml:2:11: the environment: option "timeout": "10 sec onds" is not a duration
              at crates/standin/tests/messages/files.rs
              help: timeout: How long a driver may take to start, and to stop. That of an environment is for each of its drivers. Default: 5 minutes.
                a duration is a text such as "1m 30s" or "250ms", or a number of seconds
              code: standin::config::wrong_type
            --- anyhow ---
            environment.toml:2:11: the environment: option "timeout": "10 sec onds" is not a duration
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
              2:1   driver "client": option "host" is missing
                    help: "host" is a string or a context value: Host name or address of the server, or `unix:` and the path of a Unix socket.
              5:8   driver "client": option "port": 70000 is not a valid port: ports are 0 to 65535
                    help: port: Port of the server: a number, a numeric text or the name of a service. With a Unix socket: 0.
              8:8   two drivers are called "client"
                    at 4:8: first used here
                    help: give each driver a name of its own: others refer to it by its name
              9:10  driver "client" depends on "db", but there is no such driver
                    help: the drivers are: client, client
              code: standin::config::invalid_file
            --- anyhow ---
            environment.toml: 4 mistakes
              2:1   driver "client": option "host" is missing
              5:8   driver "client": option "port": 70000 is not a valid port: ports are 0 to 65535
              8:8   two drivers are called "client"
              9:10  driver "client" depends on "db", but there is no such driver

            Caused by:
                driver "client": option "host" is missing
        "#]],
    );
}

#[test]
fn a_file_of_nine_mistakes_fits_on_a_screen() {
    check_file(
        "name = 'test'\ntimeuot = 5\n\
         [[driver]]\ntype = 'tcp-client'\nname = 'client'\nhost = 'h'\nport = 70000\nprot = 1\n\
         [[driver]]\ntype = 'tcp-server'\nname = 'client'\nport = -1\nprot = 1\nprto = 1\n\
         [[driver]]\ntype = 'tcp_server'\nname = 'c'\n\
         [[driver]]\ntype = 'tcp-server'\nname = 'd'\nafter = ['db']\n",
        expect![[r#"
            environment.toml: 9 mistakes
              at crates/standin/tests/messages/files.rs
              2:1    the environment: unknown option "timeuot"
                     help: did you mean "timeout"?
              7:8    driver "client": option "port": 70000 is not a valid port: ports are 0 to 65535
                     help: port: Port of the server: a number, a numeric text or the name of a service. With a Unix socket: 0.
              8:1    driver "client": unknown option "prot"
                     help: did you mean "port"?
              11:8   two drivers are called "client"
                     at 5:8: first used here
                     help: give each driver a name of its own: others refer to it by its name
              12:8   driver "client": option "port": -1 is not a valid port: ports are 0 to 65535
                     help: port: Port to listen on: a number, a numeric text or the name of a service. With 0 the system chooses a free one.
              13:1   driver "client": unknown option "prot"
                     help: did you mean "port"?
              14:1   driver "client": unknown option "prto"
                     help: the options of tcp-server are: name, runpath, path_cleanup, timeout, status_wait_timeout, abort_wait_timeout, error_logs_max_lines, async_start, auto_start, start_limit, stop_limit, install_files, log_regexps, stdout_regexps, stderr_regexps, ready, file_logger, io_timeout, encoding, receive_limit, nodelay, send_buffer, receive_buffer, keepalive, framing, greeting, otherwise, on, dialogue, connection, connections, host, port, backlog, reuse_address, only_ipv6
              16:8   unknown driver type "tcp_server"
                     help: did you mean "tcp-server"?
              21:10  driver "d" depends on "db", but there is no such driver
                     help: did you mean "d"?
              code: standin::config::invalid_file
            --- anyhow ---
            environment.toml: 9 mistakes
              2:1    the environment: unknown option "timeuot"
              7:8    driver "client": option "port": 70000 is not a valid port: ports are 0 to 65535
              8:1    driver "client": unknown option "prot"
              11:8   two drivers are called "client"
              12:8   driver "client": option "port": -1 is not a valid port: ports are 0 to 65535
              13:1   driver "client": unknown option "prot"
              14:1   driver "client": unknown option "prto"
              16:8   unknown driver type "tcp_server"
              21:10  driver "d" depends on "db", but there is no such driver

            Caused by:
                the environment: unknown option "timeuot"
        "#]],
    );
}

#[test]
fn two_mistakes_of_one_message_are_both_shown() {
    check_file(
        "name = 'test'\n[defaults]\nx = 1\n[defaults.tcp-server]\nx = 1\n\
         [[driver]]\ntype = 'nothing-at-all'\nname = 'a'\n\
         [[driver]]\ntype = 'nothing-at-all'\nname = 'b'\n",
        expect![[r#"
            environment.toml: 4 mistakes
              at crates/standin/tests/messages/files.rs
              3:1   [defaults]: unknown option "x"
                    help: [defaults] holds options of drivers, and a table for each type
              5:1   [defaults.tcp-server]: unknown option "x"
                    help: the options of tcp-server are: name, runpath, path_cleanup, timeout, status_wait_timeout, abort_wait_timeout, error_logs_max_lines, async_start, auto_start, start_limit, stop_limit, install_files, log_regexps, stdout_regexps, stderr_regexps, ready, file_logger, io_timeout, encoding, receive_limit, nodelay, send_buffer, receive_buffer, keepalive, framing, greeting, otherwise, on, dialogue, connection, connections, host, port, backlog, reuse_address, only_ipv6
              7:8   unknown driver type "nothing-at-all"
                    help: the types are: tcp-server, tcp-client, process
              10:8  unknown driver type "nothing-at-all"
                    help: the types are: tcp-server, tcp-client, process
              code: standin::config::invalid_file
            --- anyhow ---
            environment.toml: 4 mistakes
              3:1   [defaults]: unknown option "x"
              5:1   [defaults.tcp-server]: unknown option "x"
              7:8   unknown driver type "nothing-at-all"
              10:8  unknown driver type "nothing-at-all"

            Caused by:
                [defaults]: unknown option "x"
        "#]],
    );
}

#[test]
fn a_name_is_used_twice() {
    check_file(
        "name = 'test'\n[[driver]]\ntype = 'tcp-server'\nname = 'a'\n\
         [[driver]]\ntype = 'tcp-server'\nname = 'a'\n",
        expect![[r#"
            environment.toml:7:8: two drivers are called "a"
              at crates/standin/tests/messages/files.rs
              at 4:8: first used here
              help: give each driver a name of its own: others refer to it by its name
              code: standin::environment::duplicate_name
            --- anyhow ---
            environment.toml:7:8: two drivers are called "a"
        "#]],
    );
}
