//! Environments that are read from files.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

mod support;

use std::time::Duration;

use expect_test::expect;
use standin_driver::{Driver, Lifecycle};
use standin_environment::{DriverTypes, Environment};
use standin_tcp::{TcpClient, TcpServer};
use support::{Probe, ProbeConfig};

const GREETING: &str = r#"
name = "greeting"
timeout = "10s"                     # inherited by the drivers

[[driver]]
type = "tcp-server"
name = "server"

[[driver]]
type = "tcp-client"
name = "client"
host = { driver = "server", value = "{{ host }}" }
port = { driver = "server", value = "{{ port }}" }
"#;

#[test]
fn an_environment_from_a_file_is_one_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("environment.toml");
    std::fs::write(&file, GREETING).unwrap();
    let env = Environment::from_file(&file).unwrap();
    assert_eq!(env.name(), "greeting");
    let server = env.get::<TcpServer>("server").unwrap();
    let client = env.get::<TcpClient>("client").unwrap();
    let timeout = server.base().options().origin("timeout").unwrap();
    assert_eq!(
        timeout.to_string(),
        "inherited from environment \"greeting\" (set explicitly)"
    );

    let _env = env.start().unwrap();
    server.accept_connection(Duration::from_secs(10)).unwrap();
    client.send_text("hello").unwrap();
    assert_eq!(server.receive_exactly_text(5).unwrap(), "hello");
}

const VALUES: &str = r#"
name = "values"

[context]
stage = "test"
broker = { port = 5672 }

[[driver]]
type = "tcp-server"
name = "server"
install_files = [["a", "{{ context.stage }}"]]
"#;

#[test]
fn templates_read_the_values_of_a_file() {
    let types = DriverTypes::standard();
    let env = types.parse("environment.toml", VALUES).unwrap();
    let server = env.get::<TcpServer>("server").unwrap();
    let text = server.render_template("{{ context.stage }} {{ context.broker.port }}");
    assert_eq!(text.unwrap(), "test 5672");

    let document = types.registry().parse("environment.toml", VALUES).unwrap();
    let again = types.registry().parse("again.toml", &document.to_toml());
    assert_eq!(again.unwrap(), document);
    let env = types.build(document).unwrap();
    let server = env.get::<TcpServer>("server").unwrap();
    assert_eq!(
        server.render_template("{{ context.stage }}").unwrap(),
        "test"
    );
}

#[test]
fn a_driver_and_a_value_of_a_file_cannot_have_one_name() {
    let text = format!("{VALUES}[[driver]]\ntype = \"tcp-server\"\nname = \"broker\"\n");
    let error = DriverTypes::standard().parse("environment.toml", &text);
    let message = error.unwrap_err().to_string();
    assert!(message.starts_with("environment.toml:12:1: "), "{message}");
    assert!(message.contains("\"broker\""), "{message}");
    let error = DriverTypes::standard().parse("environment.toml", "name = 'e'\ncontext = 5");
    let message = error.unwrap_err().to_string();
    assert_eq!(
        message,
        "environment.toml:2:11: the file: option \"context\": a whole number is not a table"
    );
}

#[test]
fn the_folder_of_a_file_is_never_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let suite = folder.path().join("suite");
    std::fs::create_dir(&suite).unwrap();
    std::fs::write(suite.join("precious.txt"), "x").unwrap();
    for runpath in [
        ".",
        "./",
        "..",
        "../suite",
        "sub/..",
        &suite.display().to_string(),
    ] {
        for text in [
            format!("name = \"e\"\nrunpath = {runpath:?}\n{SERVER}"),
            format!("name = \"e\"\n{SERVER}runpath = {runpath:?}\n"),
        ] {
            let file = suite.join("env.toml");
            std::fs::write(&file, &text).unwrap();
            let error = Environment::from_file(&file).unwrap().start().unwrap_err();
            let told = format!("{error:?}");
            assert!(
                told.contains("standin did not create it") && told.contains("path_cleanup = false"),
                "{told}"
            );
            assert!(
                suite.join("precious.txt").exists() && file.exists(),
                "{text}"
            );
        }
    }
}

#[test]
fn an_empty_runpath_in_a_file_is_the_default_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("env.toml");
    let text = format!("name = \"e\"\nrunpath = \"\"\n{SERVER}runpath = \"\"\n");
    std::fs::write(&file, text).unwrap();
    let env = Environment::from_file(&file).unwrap();
    let server = env.get::<TcpServer>("server").unwrap();
    let env = env.start().unwrap();
    let runpath = env.runpath().unwrap();
    assert!(runpath.starts_with(standin_entity::default_root().unwrap()));
    let of_server = server.base().resource().entity().runpath().unwrap();
    assert_eq!(of_server, runpath.join("server"));
    env.stop().unwrap();
    assert!(file.exists() && !runpath.exists());
}

const SERVER: &str = "[[driver]]\ntype = \"tcp-server\"\nname = \"server\"\n";

#[test]
fn files_name_types_of_ones_own() {
    let mut types = DriverTypes::standard();
    types.register::<Probe, ProbeConfig>().unwrap();
    let env = types
        .parse(
            "environment.toml",
            r#"
                name = "own"
                [defaults.probe]
                word = "of all"
                [[driver]]
                type = "probe"
                name = "a"
                after = ["b"]
                [[driver]]
                type = "probe"
                name = "b"
                word = "of b"
            "#,
        )
        .unwrap();
    let word = |name: &str| {
        let config: ProbeConfig = env.get::<Probe>(name).unwrap().base().config().unwrap();
        config.word
    };
    assert_eq!((word("a").as_str(), word("b").as_str()), ("of all", "of b"));
    let env = env.start().unwrap();
    let started = |name: &str| {
        let report = env.report();
        let child = report.children.iter().find(|child| child.name == name);
        child.unwrap().timer.last("setup").unwrap().started_at()
    };
    assert!(started("b") < started("a"));
}

#[test]
fn a_type_is_registered_once() {
    let mut types = DriverTypes::standard();
    let error = types
        .register::<TcpServer, standin_tcp::TcpServerConfig>()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the driver type \"tcp-server\" is registered already"
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = GREETING
        .replace("name = \"server\"", "nmae = \"server\"")
        .replace("tcp-client", "tcp-clinet");
    let error = DriverTypes::standard()
        .parse("environment.toml", &text)
        .unwrap_err();
    expect![[r#"
        environment.toml: 2 mistakes
          7:1   driver number 1: unknown option "nmae"
                help: did you mean "name"?
          10:8  unknown driver type "tcp-clinet"
                help: did you mean "tcp-client"?
          code: standin::config::invalid_file
    "#]]
    .assert_eq(&format!("{error:?}\n"));
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let error = Environment::from_file("no/such/file.toml").unwrap_err();
    expect![[r#"
        cannot read `no/such/file.toml`
          caused by: No such file or directory (os error 2)
          help: check that the file exists and that you may read it
          code: standin::environment::unreadable_file
    "#]]
    .assert_eq(&format!("{error:?}\n"));
}

const EXPORTS: &str = r#"
name = "shop"

[export]
BANK_URL = "tcp://{{ context.bank.host }}:{{ context.bank.port }}/{{ name }}"
BANK_PORT = { driver = "bank", value = "{{ port }}" }
FORMAT = { verbatim = "{{.Names}}" }

[[driver]]
type = "tcp-server"
name = "bank"
host = "127.0.0.1"
"#;

#[test]
fn exports_are_filled_in_while_the_drivers_are_up() {
    let types = DriverTypes::standard();
    let env = types.parse("environment.toml", EXPORTS).unwrap();
    let error = env.exports().unwrap_err().to_string();
    assert_eq!(
        error,
        "environment \"shop\" cannot fill in the variable \"BANK_URL\" of `export`: \
         driver \"bank\" does not publish `host`"
    );

    let bank = env.get::<TcpServer>("bank").unwrap();
    let env = env.start().unwrap();
    let port = bank.port().unwrap();
    let exports = env.exports().unwrap();
    let exports: Vec<_> = exports.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(
        exports,
        [
            format!("BANK_URL=tcp://127.0.0.1:{port}/shop"),
            format!("BANK_PORT={port}"),
            "FORMAT={{.Names}}".to_owned(),
        ]
    );
}

#[test]
fn mistakes_in_exports_have_their_places() {
    #[track_caller]
    fn check(exports: &str, expected: expect_test::Expect) {
        let driver = "[[driver]]\ntype = 'tcp-server'\nname = 'bank'\n";
        let text = format!("name = 'shop'\n\n[export]\n{exports}\n{driver}");
        let error = DriverTypes::standard().parse("environment.toml", &text);
        expected.assert_eq(&error.map(drop).unwrap_err().to_string());
    }
    check(
        "\"A=B\" = '1'\nBROKEN = '{{ context.bank.port'\n",
        expect![[r#"
            environment.toml: 2 mistakes
              4:1   the environment: option "export" has the key "A=B", but the name of a variable must not contain `=`
              5:10  the environment: option "export.BROKEN": the template does not parse: `{{` without `}}`"#]],
    );
    check(
        "BANK = '{{ context.bnak.port }}'\nPORT = { driver = 'banc', value = '{{ port }}' }\n",
        expect![[r#"
            environment.toml: 2 mistakes
              4:8   the environment: option "export" reads from driver "bnak", but there is no such driver
              5:19  the environment: option "export" reads from driver "banc", but there is no such driver"#]],
    );
}
