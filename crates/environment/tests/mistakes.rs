//! What is wrong in environment files, and what their authors read about it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

use expect_test::{Expect, expect};
use miette::Diagnostic;
use standin_config::{Config, ConfigErrors, FromOptions, Located, Misfit};
use standin_driver::{BuildError, Driver, DriverBase, DriverConfig};
use standin_environment::file::FileErrors;
use standin_environment::{DriverTypes, Environment, LoadError};
use standin_process::Process;
use standin_tcp::TcpServer;

#[track_caller]
fn mistakes_in(text: &str) -> FileErrors {
    match DriverTypes::standard().parse("env.toml", text) {
        Err(LoadError::Mistakes(errors)) => errors,
        Err(error) => panic!("not a mistake of the file: {error:?}"),
        Ok(_) => panic!("nothing is wrong with it"),
    }
}

/// Each mistake in a line, as `line: message (help)`.
#[track_caller]
fn check(text: &str, expected: Expect) {
    let mut lines = String::new();
    for mistake in mistakes_in(text).mistakes() {
        let line = text[..mistake.span().offset()].matches('\n').count() + 1;
        lines.push_str(&format!("{line}: {mistake}\n"));
        if let Some(help) = mistake.help() {
            lines.push_str(&format!("   help: {help}\n"));
        }
    }
    expected.assert_eq(&lines);
}

fn server(options: &str) -> String {
    format!("name = 'e'\n[[driver]]\ntype = 'tcp-server'\nname = 's'\n{options}\n")
}

fn process(options: &str) -> String {
    format!("name = 'e'\n[[driver]]\ntype = 'process'\nname = 'app'\nbinary = 'true'\n{options}\n")
}

#[test]
fn names_are_checked_with_everything_else() {
    let text = "name = 'x/y'\n\
        [[driver]]\ntype = 'tcp-server'\nname = 'a/b'\n\
        [[driver]]\ntype = 'tcp-server'\nname = ' '\n\
        [[driver]]\ntype = 'tcp-server'\nname = '..'\ntimeuot = 5\n";
    check(
        text,
        expect![[r#"
            1: the environment: option "name" is "x/y", but it must not have a path separator
               help: name: Name of the environment or the driver. That of a driver is unique in its environment: others use it to read its context.
            4: driver "a/b": option "name" is "a/b", but it must not have a path separator
               help: name: Name of the environment or the driver. That of a driver is unique in its environment: others use it to read its context.
            7: driver " ": option "name" is " ", but it must not be empty
               help: name: Name of the environment or the driver. That of a driver is unique in its environment: others use it to read its context.
            10: driver "..": option "name" is "..", but it must not stand for a directory
               help: name: Name of the environment or the driver. That of a driver is unique in its environment: others use it to read its context.
            11: driver "..": unknown option "timeuot"
               help: did you mean "timeout"?
        "#]],
    );
}

#[test]
fn what_no_process_can_have_is_refused_at_load() {
    let options = "args = ['{{ (', '{{ runpath }}', \"a\\u0000b\"]\n\
        expected_retcode = 300\n\
        listen = [{ name = 'a' }, { name = 'b' }, { name = 'a' }]\n\
        working_dir = '{% if %}'\n\
        stdin = { text = '{{ x' }\n\
        ready = [{ all = [{ file = '{{ y' }, { nope = 1 }] }]\n\
        runpath = \"a\\u0000\"\n\
        [driver.env]\n'' = 'v'\n'A=B' = 'c'\nC = '{{ )'";
    check(
        &process(options),
        expect![[r#"
            6: driver "app": option "args[0]": the template does not parse: `{{` without `}}`
               help: args: Arguments of the program. Each may be a template over the driver's own context (`{{ runpath }}/app.conf`) and over that of the drivers before it (`{{ context.server.port }}`). One that is not a template, such as `--format={{.Names}}`, is `{ verbatim = "..." }`.
            6: driver "app": option "args[2]" is "a\u0000b", but a program cannot be given a NUL character
               help: args: Arguments of the program. Each may be a template over the driver's own context (`{{ runpath }}/app.conf`) and over that of the drivers before it (`{{ context.server.port }}`). One that is not a template, such as `--format={{.Names}}`, is `{ verbatim = "..." }`.
            7: driver "app": option "expected_retcode" is 300, but it must be from -64 to 255
               help: expected_retcode: Exit code that the process must have when it has ended; the negative number of the signal for one that a signal ended, such as -15. Default: any will do.
            8: driver "app": option "listen[2].name" is "a", but another one has this `name` already
               help: listen: Ports that the process listens on, chosen before it starts: sockets that it inherits, or ports that are reserved for it. They are published as `ports.<name>`, the first one as `host` and `port`.
            9: driver "app": option "working_dir": the template does not parse: `{% if %}` without `{% endif %}`
               help: working_dir: Directory that the process starts in. Default: the runpath.
            10: driver "app": option "stdin.text": the template does not parse: `{{` without `}}`
               help: stdin: Where the process reads its standard input from: `"pipe"` (the test writes it), `"null"`, `{ text = "..." }`, `{ text = { verbatim = "..." } }` or `{ file = "..." }`.
            11: driver "app": option "ready[0].all[0].file": the template does not parse: `{{` without `}}`
               help: ready: Conditions that must hold before the driver counts as started, one after the other, once the regexps have matched: `{ port = 8080 }`, `{ file = "app.pid" }`, `{ command = ["app-status"] }`, `{ log = "up" }`, `{ log = "up", times = 2 }`, `{ ended_with = 0 }`, `{ all = [...] }`, `{ any = [...] }`.
            11: driver "app": option "ready[0].all[1]": { nope = 1 } is not a condition, such as { log = "..." }, { port = 80 }, { file = "..." }, { command = ["..."] }, { ended_with = 0 }, { all = [...] } or { any = [...] }
               help: ready: Conditions that must hold before the driver counts as started, one after the other, once the regexps have matched: `{ port = 8080 }`, `{ file = "app.pid" }`, `{ command = ["app-status"] }`, `{ log = "up" }`, `{ log = "up", times = 2 }`, `{ ended_with = 0 }`, `{ all = [...] }`, `{ any = [...] }`.
            12: driver "app": option "runpath": "a\u0000" is not a valid path: a path cannot contain a NUL character
               help: runpath: Directory for the files of this entity. What belongs to the entity has its files below it. Default, also when it is empty: one below the runpath of its parent, named after the entity; without a parent below `target/standin`, in a directory for each run of the test program.
            14: driver "app": option "env" has the key "", but a variable must have a name
               help: env: Environment variables of the process, on top of those of the test. Values may be templates, as in `args`.
            15: driver "app": option "env" has the key "A=B", but the name of a variable must not contain `=`
               help: env: Environment variables of the process, on top of those of the test. Values may be templates, as in `args`.
            16: driver "app": option "env.C": the template does not parse: `{{` without `}}`
               help: env: Environment variables of the process, on top of those of the test. Values may be templates, as in `args`.
        "#]],
    );
}

/// The same rules hold for what code sets.
#[test]
fn what_needs_no_environment_to_be_known_is_refused_at_build() {
    let refused = |options: standin_process::ProcessBuilder| {
        let error = options.build().map(drop).unwrap_err();
        error.to_string()
    };
    let app = || Process::builder("app").binary("true");
    let errors = [
        refused(Process::builder("a/b").binary("true")),
        refused(app().args(["{{ ("])),
        refused(app().env([("A=B", "c")])),
        refused(app().env([("", "c")])),
        refused(app().env([("A", "b\0")])),
        refused(app().expected_retcode(300)),
        refused(app().expected_retcode(-200)),
        refused(app().runpath("a\0")),
        refused(app().listen([
            standin_process::Listen::hand_over("a"),
            standin_process::Listen::reserve("a"),
        ])),
        TcpServer::builder("s")
            .port("nosuchservice")
            .build()
            .map(drop)
            .unwrap_err()
            .to_string(),
        Environment::builder("a/b")
            .build()
            .map(drop)
            .unwrap_err()
            .to_string(),
    ];
    expect![[r#"
        driver "a/b": option "name" is "a/b", but it must not have a path separator
        driver "app": option "args[0]": the template does not parse: `{{` without `}}`
        driver "app": option "env" has the key "A=B", but the name of a variable must not contain `=`
        driver "app": option "env" has the key "", but a variable must have a name
        driver "app": option "env.A" is "b\u0000", but a program cannot be given a NUL character
        driver "app": option "expected_retcode" is 300, but it must be from -64 to 255
        driver "app": option "expected_retcode" is -200, but it must be from -64 to 255
        driver "app": option "runpath": "a\u0000" is not a valid path: a path cannot contain a NUL character
        driver "app": option "listen[1].name" is "a", but another one has this `name` already
        driver "s": option "port": "nosuchservice" is not a valid port: no service is called "nosuchservice"
        environment "a/b": option "name" is "a/b", but it must not have a path separator
    "#]]
    .assert_eq(&(errors.join("\n") + "\n"));
}

#[test]
fn templates_in_plain_texts_name_drivers_that_are_there() {
    let options = "args = ['--peer', '{{ context.nope.port }}', '{{ context.app.runpath }}']";
    check(
        &process(options),
        expect![[r#"
            6: driver "app": option "args" reads from driver "nope", but there is no such driver
               help: the drivers are: app
        "#]],
    );
}

#[test]
fn drivers_of_one_name_are_one_mistake_each() {
    let client = "[[driver]]\ntype = 'tcp-client'\nname = 'server'\n\
        host = { driver = 'server', value = '{{ host }}' }\n\
        port = { driver = 'server', value = '{{ port }}' }\n";
    let text = format!("name = 'e'\n[[driver]]\ntype = 'tcp-server'\nname = 'server'\n{client}");
    check(
        &text,
        expect![[r#"
            7: two drivers are called "server"
               help: give each driver a name of its own: others refer to it by its name
        "#]],
    );
}

#[test]
fn a_start_that_is_not_waited_for_has_no_dependencies() {
    let text = "name = 'e'\ntimeuot = 1\n\
        [[driver]]\ntype = 'tcp-server'\nname = 'a'\n\
        [[driver]]\ntype = 'tcp-server'\nname = 'b'\nafter = ['a']\nasync_start = true\n";
    check(
        text,
        expect![[r#"
            2: the environment: unknown option "timeuot"
               help: did you mean "timeout"?
            9: driver "b" sets `async_start`, but environment "e" starts its drivers by their dependencies
               help: leave `async_start` out: drivers that do not depend on each other start at the same time anyway
        "#]],
    );
}

#[test]
fn a_driver_that_reads_a_later_one_has_a_line() {
    let text = "name = 'e'\n\
        [[driver]]\ntype = 'tcp-client'\nname = 'client'\nhost = 'localhost'\n\
        port = { driver = 'server', value = '{{ port }}' }\n\
        [[driver]]\ntype = 'tcp-server'\nname = 'server'\n";
    check(
        text,
        expect![[r#"
        6: option "port" of driver "client" reads the context of "server", which starts later
           help: add "server" before "client", or set `concurrent` on the environment: then "client" starts when "server" is up
    "#]],
    );
}

#[test]
fn the_classic_mistakes_come_with_what_to_write_instead() {
    check(
        &process("log_regexps = [\"(?<port>\\d+)\"]"),
        expect![[r#"
            6: missing escaped value, expected `b`, `e`, `f`, `n`, `r`, `\`, `"`, `x`, `u`, `U`
               help: in double quotes a backslash begins an escape: write regular expressions and paths in single quotes: '(?<port>\d+)'
        "#]],
    );
    check(
        &process("stop_signal = 'TERM'"),
        expect![[r#"
            6: driver "app": option "stop_signal": "TERM" is not one of "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2"
               help: did you mean "SIGTERM"?
        "#]],
    );
    check(
        &process("args = 'run'"),
        expect![[r#"
            6: driver "app": option "args": "run" is not a list, each item a string or a context value or a table { verbatim }
               help: write a list: ["run"]
        "#]],
    );
    check(
        &process("shell = 'false'"),
        expect![[r#"
            6: driver "app": option "shell": "false" is not true or false
               help: write it without quotes: false
        "#]],
    );
    check(
        &process("[driver.env]\nA = 'b'\nargs = ['x']"),
        expect![[r#"
            8: driver "app": option "env.args": ["x"] is not a string or a context value or { verbatim = "..." }
               help: "args" is an option of process, too: what follows the header of the table "env" belongs to that table, so write "args" above the header
        "#]],
    );
    check(
        &process("ready = [{ prt = 80 }]"),
        expect![[r#"
            6: driver "app": option "ready[0]": unknown key "prt"
               help: did you mean "port"?
        "#]],
    );
    check(
        &process("listen = [{ nmae = 'http' }]"),
        expect![[r#"
            6: driver "app": option "listen[0]": unknown key "nmae"
               help: did you mean "name"?
        "#]],
    );
    check(
        &process("install_files = [{ source = 'a', verbatm = true }]"),
        expect![[r#"
            6: driver "app": option "install_files[0]": unknown key "verbatm"
               help: did you mean "verbatim"?
        "#]],
    );
    check(
        &server("port = 70000"),
        expect![[r#"
            5: driver "s": option "port": 70000 is not a valid port: ports are 0 to 65535
               help: port: Port to listen on: a number, a numeric text or the name of a service. With 0 the system chooses a free one.
        "#]],
    );
    check(
        &server("port = '70000'"),
        expect![[r#"
            5: driver "s": option "port": "70000" is not a valid port: ports are 0 to 65535
               help: port: Port to listen on: a number, a numeric text or the name of a service. With 0 the system chooses a free one.
        "#]],
    );
    check(
        &server("port = 'nosuchservice'"),
        expect![[r#"
            5: driver "s": option "port": "nosuchservice" is not a valid port: no service is called "nosuchservice"
               help: port: Port to listen on: a number, a numeric text or the name of a service. With 0 the system chooses a free one.
        "#]],
    );
    check(
        &server("host = { drver = 's', value = '{{ host }}' }"),
        expect![[r#"
            5: driver "s": option "host": a context value has no key "drver"
               help: did you mean "driver"?
        "#]],
    );
    check(
        &server("host = { driver = 's' }"),
        expect![[r#"
            5: driver "s": option "host": { driver = "s" } is not a context value: "value" is missing
               help: write { driver = "server", value = "{{ port }}" }, with your names
        "#]],
    );
    check(
        &server("timeout = '10 sec onds'"),
        expect![[r#"
            5: driver "s": option "timeout": "10 sec onds" is not a duration
               help: timeout: How long a driver may take to start, and to stop. That of an environment is for each of its drivers. Default: 5 minutes.
            a duration is a text such as "1m 30s" or "250ms", or a number of seconds
        "#]],
    );
    check(
        &server("timeout = true"),
        expect![[r#"
            5: driver "s": option "timeout": true is not a duration
               help: timeout: How long a driver may take to start, and to stop. That of an environment is for each of its drivers. Default: 5 minutes.
            a duration is a text such as "1m 30s" or "250ms", or a number of seconds
        "#]],
    );
    check(
        "name = 'e'\n[driver]\ntype = 'tcp-server'\nname = 's'\n",
        expect![[r#"
            2: the file: option "driver": a table is not a list of tables
               help: write `[[driver]]`, with two brackets, once for each driver
        "#]],
    );
    check(
        "name = 'e'\n[[driver]]\ntype = 'tcp_client'\nname = 's'\n",
        expect![[r#"
            3: unknown driver type "tcp_client"
               help: did you mean "tcp-client"?
        "#]],
    );
}

#[test]
fn conditions_that_can_never_hold_are_refused_at_load() {
    check(
        &process(
            "ready = [{ port = 80, host = 'unix:/run/app.sock' }, { port = 80, host = 'localhost:80' },\n\
             { port = 80, host = 'http://localhost' }, { port = 80, host = '[::1]' },\n\
             { port = 0 }, { port = 'no such service' }, { ended_with = 300 },\n\
             { file = \"a\\u0000\" }, { any = [{ all = [{ port = 80, host = '' }] }] },\n\
             { port = 80, host = '::1' }, { port = 80, host = 'fe80::1%lo' }, { port = '{{ port }}' },\n\
             { port = 80, host = '{{ host }}' }, { ended_with = -15 }]",
        ),
        expect![[r#"
            6: driver "app": option "ready[0].host": a Unix socket has no port to wait for
               help: wait for the file of the socket, such as { file = "/run/app.sock" }, or for what the program prints, { log = "ready" }
            6: driver "app": option "ready[1].host": "localhost:80" is not a host name or an address
               help: write the port beside it: { host = "localhost", port = 8080 }
            7: driver "app": option "ready[2].host": "http://localhost" is not a host name or an address
               help: write the port beside it: { host = "localhost", port = 8080 }
            7: driver "app": option "ready[3].host": "[::1]" is not a host name or an address
               help: write the address without brackets: { host = "::1", port = 8080 }
            8: driver "app": option "ready[4].port": nothing listens on port 0
               help: 0 asks the system for a free port: wait for the port that it has chosen, such as { port = "{{ port }}" }
            8: driver "app": option "ready[5].port": "no such service" is not a valid port or a context value
               help: ready: Conditions that must hold before the driver counts as started, one after the other, once the regexps have matched: `{ port = 8080 }`, `{ file = "app.pid" }`, `{ command = ["app-status"] }`, `{ log = "up" }`, `{ log = "up", times = 2 }`, `{ ended_with = 0 }`, `{ all = [...] }`, `{ any = [...] }`.
            8: driver "app": option "ready[6].ended_with": 300 is not a whole number from -64 to 255
               help: ready: Conditions that must hold before the driver counts as started, one after the other, once the regexps have matched: `{ port = 8080 }`, `{ file = "app.pid" }`, `{ command = ["app-status"] }`, `{ log = "up" }`, `{ log = "up", times = 2 }`, `{ ended_with = 0 }`, `{ all = [...] }`, `{ any = [...] }`.
            9: driver "app": option "ready[7].file": "a\u0000" is not a valid path: a path cannot contain a NUL character
               help: ready: Conditions that must hold before the driver counts as started, one after the other, once the regexps have matched: `{ port = 8080 }`, `{ file = "app.pid" }`, `{ command = ["app-status"] }`, `{ log = "up" }`, `{ log = "up", times = 2 }`, `{ ended_with = 0 }`, `{ all = [...] }`, `{ any = [...] }`.
            9: driver "app": option "ready[8].any[0].all[0].host": "" is not a host name or an address
               help: write the port beside it: { host = "localhost", port = 8080 }
        "#]],
    );
}

#[test]
fn conditions_that_turn_out_never_to_hold_end_the_start_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("peer.sock");
    let socket = socket.display();
    for (text, message) in [
        (
            format!(
                "name = 'e'\ntimeout = '1h'\nrunpath = '{}/run'\n\
                 [[driver]]\ntype = 'tcp-server'\nname = 's'\nhost = 'unix:{socket}'\n\
                 [[driver]]\ntype = 'tcp-server'\nname = 'c'\nready = [{{ port = 80, \
                 host = {{ driver = 's', value = '{{{{ host }}}}' }} }}]\n",
                folder.path().display()
            ),
            "where nothing can listen",
        ),
        (
            format!(
                "name = 'e'\ntimeout = '1h'\nrunpath = '{}/run'\n\
                 [[driver]]\ntype = 'tcp-server'\nname = 's'\nready = [{{ ended_with = 0 }}]\n",
                folder.path().display()
            ),
            "has no process that ends",
        ),
    ] {
        let env = DriverTypes::standard().parse("env.toml", &text).unwrap();
        let error = env.start().map(drop).unwrap_err();
        let report = format!("{error:?}");
        assert!(report.contains(message), "{report}");
    }
}

#[cfg(feature = "proxy")]
#[test]
fn a_template_where_none_is_read_comes_with_what_to_write() {
    check(
        "name = 'e'\n[[driver]]\ntype = 'tcp-server'\nname = 's'\n\
         [[driver]]\ntype = 'tcp-client'\nname = 'c'\nhost = '{{ context.s.host }}'\n\
         port = '{{ context.s.port }}'\n\
         [[driver]]\ntype = 'tcp-proxy'\nname = 'p'\nto = '{{ context.s.host }}:{{ context.s.port }}'\n",
        expect![[r#"
            8: driver "c": option "host" is "{{ context.s.host }}", but it must not be a template: what another driver publishes is written as { driver = "server", value = "{{ host }}" }
               help: host: Host name or address of the server, or `unix:` and the path of a Unix socket.
            9: driver "c": option "port": "{{ context.s.port }}" is not a valid port or a context value
               help: port: Port of the server: a number, a numeric text or the name of a service. With a Unix socket: 0.
            a port is a number from 0 to 65535 or the name of a service; a context value is a table: { driver = "...", value = "{{ ... }}" }
            13: driver "p": option "to" is "{{ context.s.host }}:{{ context.s.port }}", but it must not be a template: what another driver publishes is written as { driver = "server", value = "{{ host }}" }
               help: to: Where the connections go: a host and a port, `127.0.0.1:5432`, or `unix:` and the path of a Unix socket. Of another driver it is `{ driver = "bank", value = "{{ host }}:{{ port }}" }`.
        "#]],
    );
}

/// The options of a [`Strict`].
#[derive(Clone, Debug, Config)]
#[config(type_name = "strict", builds = Strict)]
struct StrictConfig {
    /// Those of all drivers.
    #[config(include)]
    driver: DriverConfig,
    /// How much.
    #[config(default = 1)]
    amount: u32,
    /// For whom.
    whom: Option<String>,
}

/// A driver that looks at its options itself.
struct Strict {
    base: DriverBase,
}

impl FromOptions<StrictBuilder> for Strict {
    type Error = BuildError;

    fn from_options(options: StrictBuilder) -> Result<Self, BuildError> {
        let base = DriverBase::new("Strict", options)?;
        let config: StrictConfig = base.options().resolve()?;
        let mut wrong = Vec::new();
        if config.amount > 3 {
            wrong.push(Misfit::new("amount", "it is too much").help("take less"));
        }
        if config.whom.is_none() {
            wrong.push(Misfit::new("whom", "nobody is named"));
        }
        match wrong.is_empty() {
            true => Ok(Strict { base }),
            false => Err(ConfigErrors::of_misfits(base.name(), wrong).into()),
        }
    }
}

impl Driver for Strict {
    fn base(&self) -> &DriverBase {
        &self.base
    }
}

#[test]
fn what_a_driver_refuses_itself_is_a_mistake_of_the_line_that_has_it() {
    let mut types = DriverTypes::standard();
    types.register::<Strict, StrictConfig>().unwrap();
    let text = "name = 'e'\n[[driver]]\ntype = 'strict'\nname = 's'\nwhom = 'me'\n\
        [[driver]]\ntype = 'strict'\nname = 't'\n\namount = 7\n";
    let Err(LoadError::Mistakes(errors)) = types.parse("env.toml", text) else {
        panic!("it is refused");
    };
    let mut mistakes = errors.mistakes().iter().map(|mistake| {
        let span = mistake.span();
        let marked = &text[span.offset()..span.offset() + span.len()];
        (mistake.to_string(), marked)
    });
    let (message, marked) = mistakes.next().unwrap();
    // An option that is not there is not in the file: that is the whole driver.
    assert!(message.contains("nobody is named"), "{message}");
    assert_eq!(marked, "[[driver]]");
    let (message, marked) = mistakes.next().unwrap();
    assert!(message.contains("it is too much"), "{message}");
    assert_eq!(marked, "7");
    assert!(mistakes.next().is_none());
}
