//! Peers that answer by themselves, from files: what can be said, and what is wrong and where.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

mod mail;
mod mistakes;

use std::time::Duration;

use standin_config::Config;
use standin_driver::Driver;
use standin_environment::{DriverTypes, Environment, LoadError};
use standin_tcp::{TcpServer, TcpServerConfig};

/// Longer than anything here takes: reached only by a hang.
const LIMIT: Duration = Duration::from_secs(60);

/// Everything that a peer can be told by a file.
const EVERYTHING: &str = r#"
name = "everything"

[context]
stage = "test"

[[driver]]
type = "tcp-server"
name = "other"
framing = { length_prefix = { width = 2, endian = "little", counts_itself = true, limit = 100 } }
otherwise = "ignore"

[[driver]]
type = "tcp-server"
name = "server"
framing = "lines"
greeting = ["220 ", { text = "{{ context.stage }} {{ connection.index }}", framed = true }]
otherwise = { reply = { text = "500 {{ frame }}\r\n", delay = "1ms" } }
connections = "1.."

[[driver.on]]
name = "helo"
match = '^(EHLO|HELO) (?<who>\S+)$'
reply = "250 {{ who }} of {{ context['other'].port }}\r\n"
times = "1.."
delay = "5ms"

[[driver.on]]
equals = "DATA"
reply = "354 go on\r\n"
enter = "data"

[[driver.on]]
equals = "."
in = "data"
leave_state = true

[[driver.on]]
prefix = { hex = "00 ff" }
in_any_state = true
reply = [{ hex = "00:01" }, { verbatim = "{{ as it is }}" }, { file = "reply.bin" }]
then = "half-close"

[[driver.on]]
anything = true
in = "data"
times = 3

[[driver.on]]
equals = "HOLD"
then = { hold = "hold" }

[[driver.on]]
equals = "RESET"
then = "reset"

[[driver.on]]
equals = "STOP"
then = "stop-reading"

[[driver.on]]
anything = true
times = "..=2"
then = "close"

[[driver.dialogue]]
expect = { match = '^HELLO (?<name>.*)$' }
pause = "1ms"
send = "hello {{ name }}\n"

[[driver.dialogue]]
repeat = 2
steps = [{ expect = "PING", send = "PONG {{ name }}\n" }]

[[driver.dialogue]]
branch = [
    { expect = { prefix = "A" }, steps = [{ send = "a\n" }] },
    { expect = { anything = true }, steps = [{ then = "close" }] },
]

[[driver.connection]]
index = 0
dialogue = [{ expect = "FIRST", then = { hold = "first" } }]

[[driver]]
type = "tcp-client"
name = "client"
host = "localhost"
port = 1
connect_at_start = false
framing = { delimiter = { hex = "00" } }
otherwise = "fail"

[[driver.dialogue]]
send = "HELLO\u0000"
"#;

fn parse(text: &str) -> Result<Environment, LoadError> {
    DriverTypes::standard().parse("environment.toml", text)
}

#[test]
fn everything_that_a_peer_can_be_told_is_read() {
    let env = parse(EVERYTHING).unwrap();
    let names = env.names();
    assert_eq!(names, ["other", "server", "client"]);
}

#[test]
fn other_framings_are_read() {
    for framing in [
        r#""raw""#,
        "{ fixed_size = 16 }",
        r#"{ matching = '\r?\n\r?\n' }"#,
        r#"{ delimiter = "|" }"#,
    ] {
        parse(&server(&format!("framing = {framing}"))).unwrap();
    }
}

#[test]
#[cfg(feature = "schema")]
fn the_schema_knows_all_of_it() {
    let schema = serde_json::from_str(&DriverTypes::standard().schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let json: serde_json::Value = toml::from_str(EVERYTHING).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&json)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    for wrong in [
        "framing = 'words'",
        "framing = { length_prefix = { width = 3 } }",
        "framing = { delimiter = { hex = 1 } }",
        "greeting = 1",
        "otherwise = 'shrug'",
        "connections = -1",
        "on = [{ equals = 1 }]",
        "on = [{ reply = { texts = 'a' } }]",
        "on = [{ then = 'leave' }]",
        "dialogue = [{ expect = 'a', sends = 'b' }]",
        "dialogue = [{ steps = [{ steps = [{ pause = 'a while' }] }] }]",
        "connection = [{ dialogue = [] }]",
    ] {
        let text = server(wrong);
        let json: serde_json::Value = toml::from_str(&text).unwrap();
        assert!(!validator.is_valid(&json), "{wrong}");
        assert!(parse(&text).is_err(), "{wrong}");
    }
}

#[test]
fn who_reads_whose_context_starts_after_it() {
    let env = parse(EVERYTHING).unwrap();
    let driver = env.get::<TcpServer>("server").unwrap();
    let references = driver.base().references();
    let mut names: Vec<_> = references.iter().map(|(_, r)| r.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["other", "stage"]);

    let text = server("framing = 'lines'\ngreeting = '{{ context.nobody.port }}'");
    let error = parse(&text).err().unwrap().to_string();
    assert!(error.contains("reads from driver \"nobody\""), "{error}");
}

#[test]
fn what_code_would_set_is_not_for_files() {
    let config = TcpServerConfig::description();
    assert!(config.option("replies").unwrap().is_code_only());
    let error = parse(&server("replies = 1")).err().unwrap();
    let error = format!("{error:?}");
    // What to set in its place.
    for part in ["\"replies\" can only be set in code", "`framing`"] {
        assert!(error.contains(part), "{error}");
    }
}

fn server(options: &str) -> String {
    format!("name = 'e'\n{}", rest(options))
}

fn rest(options: &str) -> String {
    format!("[[driver]]\ntype = 'tcp-server'\nname = 's'\n{options}\n")
}
