//! Peers that answer by themselves, from files: what can be said, and what is wrong and where.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use standin_config::{Config, Located};
use standin_driver::Driver;
use standin_environment::{DriverTypes, Environment, LoadError};
use standin_reply::{Replies, Seen};
use standin_socket::framing::Lines;
use standin_tcp::{TcpClient, TcpServer, TcpServerConfig};

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

/// Checks what is wrong in the options of a server, each with the part of the text that it is
/// about.
#[track_caller]
fn check(options: &str, expected: Expect) {
    let text = server(options);
    let Err(LoadError::Mistakes(errors)) = parse(&text) else {
        panic!("the file is refused");
    };
    let mut said = String::new();
    for mistake in errors.mistakes() {
        let (start, length) = (mistake.span().offset(), mistake.span().len());
        let line = text[..start].lines().count();
        let part = text[start..start + length].trim_end();
        let help = miette::Diagnostic::help(mistake).map(|help| help.to_string());
        said += &format!("{part:?} in line {line}: {mistake}\n");
        said += &format!("  {}\n", help.unwrap_or_default());
    }
    expected.assert_eq(&said);
}

#[test]
fn replies_need_a_framing() {
    check(
        "greeting = 'hi'\nconnections = 2",
        expect![[r#"
        "'hi'" in line 5: driver "s": option "greeting": it has no effect without `framing`
          say how the stream is cut into frames: framing = "lines"
    "#]],
    );
    check(
        "[[driver.on]]\nequals = 'A'",
        expect![[r#"
        "[[driver.on]]" in line 4: driver "s": option "on": it has no effect without `framing`
          say how the stream is cut into frames: framing = "lines"
    "#]],
    );
}

#[test]
fn framings_that_cannot_be_are_mistakes() {
    check(
        "framing = { delimiter = '' }",
        expect![[r#"
            "''" in line 5: driver "s": option "framing.delimiter": the delimiter is empty
              framing: How the stream is divided into frames, which makes this a peer that answers by itself (in code, `replies` replaces this and the options up to `connections`). Default: it answers nothing, the test receives and sends.
        "#]],
    );
    check(
        "framing = { fixed_size = 0 }",
        expect![[r#"
            "0" in line 5: driver "s": option "framing.fixed_size": a frame must have at least 1 byte
              framing: How the stream is divided into frames, which makes this a peer that answers by itself (in code, `replies` replaces this and the options up to `connections`). Default: it answers nothing, the test receives and sends.
        "#]],
    );
    check(
        "framing = { matching = 'a(b' }",
        expect![[r#"
            "(" in line 5: driver "s": option "framing.matching": the pattern `a(b` is not valid: unclosed group
              framing: How the stream is divided into frames, which makes this a peer that answers by itself (in code, `replies` replaces this and the options up to `connections`). Default: it answers nothing, the test receives and sends.
        "#]],
    );
    check(
        "framing = { delimiter = { hex = '0' } }",
        expect![[r#"
            "'0'" in line 5: driver "s": option "framing.delimiter.hex": "0" is not valid hexadecimal: the last byte has only one digit
              framing: How the stream is divided into frames, which makes this a peer that answers by itself (in code, `replies` replaces this and the options up to `connections`). Default: it answers nothing, the test receives and sends.
        "#]],
    );
    check(
        "framing = 'line'",
        expect![[r#"
        "'line'" in line 5: driver "s": option "framing": "line" is not one of "lines", "raw" or a table { delimiter } or a table { length_prefix } or a table { fixed_size } or a table { matching }
          did you mean "lines"?
    "#]],
    );
}

#[test]
fn patterns_that_do_not_parse_are_shown_where_they_do_not() {
    check(
        "framing = 'lines'\non = [{ match = '^PAY (?<amount>\\d+$' }]",
        expect![[r#"
            "(" in line 6: driver "s": option "on[0].match": the pattern `^PAY (?<amount>\d+$` is not valid: unclosed group
              see https://docs.rs/regex/latest/regex/#syntax; `\` before a special character makes it literal
        "#]],
    );
    check(
        r#"framing = 'lines'
on = [{ match = "\u00fc\\d[z-a]" }]"#,
        expect![[r#"
            "z-a" in line 6: driver "s": option "on[0].match": the pattern `ü\d[z-a]` is not valid: invalid character class range, the start must be <= the end
              see https://docs.rs/regex/latest/regex/#syntax; `\` before a special character makes it literal
        "#]],
    );
    check(
        "framing = 'lines'\ndialogue = [{ expect = { match = 'x{2,1}' } }]",
        expect![[r#"
            "{2,1}" in line 6: driver "s": option "dialogue[0].expect.match": the pattern `x{2,1}` is not valid: invalid repetition count range, the start must be <= the end
              see https://docs.rs/regex/latest/regex/#syntax; `\` before a special character makes it literal
        "#]],
    );
    check(
        "framing = 'lines'\ndialogue = [{ branch = [{ expect = 'a' }, { expect = { match = '[' } }] }]",
        expect![[r#"
            "[" in line 6: driver "s": option "dialogue[0].branch[1].expect.match": the pattern `[` is not valid: unclosed character class
              see https://docs.rs/regex/latest/regex/#syntax; `\` before a special character makes it literal
        "#]],
    );
    check(
        "framing = 'lines'\n[[driver.connection]]\nindex = 0\ndialogue = [{ repeat = 2, steps = [{ pause = 1, expect = { match = '(' } }] }]",
        expect![[r#"
            "(" in line 8: driver "s": option "connection[0].dialogue[0].steps[0].expect.match": the pattern `(` is not valid: unclosed group
              see https://docs.rs/regex/latest/regex/#syntax; `\` before a special character makes it literal
        "#]],
    );
}

#[test]
fn names_that_nobody_knows_are_mistakes() {
    check(
        "framing = 'lines'\ngreeting = 'hi {{ who }}'",
        expect![[r#"
            "who" in line 6: driver "s": option "greeting": the reply names `who`, which is unknown
              a pattern gives a name to what its groups match, `(?<who>...)`; the known names are "connection", "context"
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ match = '(?<a>.)', reply = '{{ a }}{{ b }}' }]",
        expect![[r#"
            "b" in line 6: driver "s": option "on[0].reply": the reply names `b`, which is unknown
              a pattern gives a name to what its groups match, `(?<b>...)`; the known names are "a", "frame", "connection", "context"
        "#]],
    );
    check(
        "framing = 'lines'\ndialogue = [{ expect = { match = '(?<a>.)' } }, { send = '{{ b }}' }]",
        expect![[r#"
            "b" in line 6: driver "s": option "dialogue[1].send": the reply names `b`, which is unknown
              a pattern gives a name to what its groups match, `(?<b>...)`; the known names are "a", "frame", "connection", "context"
        "#]],
    );
    check(
        r#"framing = 'lines'
greeting = ['b', 'b {{ a.b }} {{ abb }} {{ b }}', { text = "\u00fc{{ cc }}" }]"#,
        expect![[r#"
            "a" in line 6: driver "s": option "greeting[1]": the reply names `a`, which is unknown
              a pattern gives a name to what its groups match, `(?<a>...)`; the known names are "connection", "context"
            "cc" in line 6: driver "s": option "greeting[2].text": the reply names `cc`, which is unknown
              a pattern gives a name to what its groups match, `(?<cc>...)`; the known names are "connection", "context"
        "#]],
    );
    check(
        "framing = 'lines'\notherwise = { reply = '{{ a }}' }",
        expect![[r#"
            "a" in line 6: driver "s": option "otherwise.reply": the reply names `a`, which is unknown
              a pattern gives a name to what its groups match, `(?<a>...)`; the known names are "frame", "connection", "context"
        "#]],
    );
    check(
        "framing = 'lines'\ngreeting = '{{ 1'",
        expect![[r#"
            "'{{ 1'" in line 6: driver "s": option "greeting": the template does not parse: `{{` without `}}`
              greeting: What the peer sends first on each connection. Default: nothing.
        "#]],
    );
}

#[test]
fn rules_that_can_never_apply_are_mistakes() {
    check(
        "framing = 'lines'\n[[driver.on]]\nprefix = 'PA'\n[[driver.on]]\nequals = 'PAY'",
        expect![[r#"
            "'PAY'" in line 9: driver "s": option "on[1].equals": equals "PAY" can never be reached: rule 1 (prefix "PA") matches everything that it matches
              the first rule that matches applies: write this one before the other, or limit how often the other does, times = "..=1"
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'A', in = 'data' }]",
        expect![[r#"
            "'data'" in line 6: driver "s": option "on[0].in": no answer brings a connection into the state "data"
              answers enter a state with `enter`; none does
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'A', times = '3..=1' }]",
        expect![[r#"
            "'3..=1'" in line 6: driver "s": option "on[0].times": no number is 3 or more and 1 or less
              write "1..=3", the smaller number first
        "#]],
    );
    check(
        "framing = 'lines'\nconnections = '..=1'\nconnection = [{ index = 1, dialogue = [{ expect = 'a' }] }]",
        expect![[r#"
            "'..=1'" in line 6: driver "s": option "connections": connection 1 has a dialogue, but the limit is 1 connection
              connections are counted from 0: the first one is connection 0
        "#]],
    );
}

#[test]
fn what_says_too_little_or_too_much_is_a_mistake() {
    check(
        "framing = 'lines'\non = [{ reply = 'a' }, { equals = 'a', prefix = 'b' }]",
        expect![[r#"
            "{ reply = 'a' }" in line 6: driver "s": option "on[0]": it does not say which frames it is for
              a rule has one of `match`, `equals`, `prefix` and `anything`
            "{ equals = 'a', prefix = 'b' }" in line 6: driver "s": option "on[1]": `equals` and `prefix` both say which frames are meant
              a rule has one of `match`, `equals`, `prefix` and `anything`
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'a', in = 'b', in_any_state = true, enter = 'c', leave_state = true }]",
        expect![[r#"
            "true" in line 6: driver "s": option "on[0].in_any_state": it conflicts with `in`
              remove one of the two
            "true" in line 6: driver "s": option "on[0].leave_state": it conflicts with `enter`
              remove one of the two
        "#]],
    );
    check(
        "framing = 'lines'\ngreeting = { delay = 1 }",
        expect![[r#"
            "{ delay = 1 }" in line 6: driver "s": option "greeting": it does not say what to send
              a piece has one of `text`, `verbatim`, `hex` and `file`
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'a', reply = ['a', { text = 'a', hex = '00' }] }]",
        expect![[r#"
            "{ text = 'a', hex = '00' }" in line 6: driver "s": option "on[0].reply[1]": it says more than one thing to send
              a piece has one of `text`, `verbatim`, `hex` and `file`
        "#]],
    );
    check(
        "framing = 'lines'\ndialogue = [{}]",
        expect![[r#"
        "{}" in line 6: driver "s": option "dialogue[0]": the step does nothing
          a step has one or more of `expect`, `pause`, `send`, `repeat`, `branch` and `then`
    "#]],
    );
    check(
        "framing = 'lines'\ndialogue = [{ repeat = 2 }, { steps = [{ send = 'a' }] }]",
        expect![[r#"
            "2" in line 6: driver "s": option "dialogue[0].repeat": there are no steps to repeat
              write them beside it: steps = [{ expect = "PING", send = "PONG\n" }]
            "[{ send = 'a' }]" in line 6: driver "s": option "dialogue[1].steps": it does not say how often the steps are repeated
              write repeat = 3 beside them
        "#]],
    );
    check(
        "framing = 'lines'\ndialogue = [{ expect = { anything = false } }]",
        expect![[r#"
            "{ anything = false }" in line 6: driver "s": option "dialogue[0].expect": it expects nothing
              write { anything = true }, or leave it out
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'a', name = 'n' }, { equals = 'b', name = 'n' }]",
        expect![[r#"
            "'n'" in line 6: driver "s": option "on[1].name": rule 1 is called "n" too
              give each rule a name of its own
        "#]],
    );
    check(
        "framing = 'lines'\nconnection = [{ index = 0 }, { index = 0 }]",
        expect![[r#"
            "0" in line 6: driver "s": option "connection[1].index" is 0, but another one has this `index` already
              connection: Dialogues of single connections, `[[driver.connection]]`, instead of `dialogue`.
        "#]],
    );
}

#[test]
fn values_of_other_sorts_are_mistakes() {
    check(
        "framing = 'lines'\non = [{ equals = 'a', times = 'often' }]",
        expect![[r#"
            "'often'" in line 6: driver "s": option "on[0].times": "often" is not a number or a range of numbers
              write it as "2", "1..", "..=3" or "1..=3"
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'a', times = -1 }]",
        expect![[r#"
            "-1" in line 6: driver "s": option "on[0].times": -1 is not a whole number of at least 0 or a string
              write it in quotes: "-1"
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'a', then = 'leave' }]",
        expect![[r#"
            "'leave'" in line 6: driver "s": option "on[0].then": "leave" is not one of "close", "half-close", "reset", "stop-reading" or a table { hold }
              on: Rules, `[[driver.on]]`: which frames are answered, and how. The first that matches applies.
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'a', replies = 'b' }]",
        expect![[r#"
            "replies" in line 6: driver "s": option "on[0]": unknown key "replies"
              the options of Rule are: match, equals, prefix, anything, reply, delay, then, times, in, in_any_state, enter, leave_state, name
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = { hex = '0g' } }]",
        expect![[r#"
            "'0g'" in line 6: driver "s": option "on[0].equals.hex": "0g" is not valid hexadecimal: 'g' at character 1 is not a hexadecimal digit
              on: Rules, `[[driver.on]]`: which frames are answered, and how. The first that matches applies.
        "#]],
    );
    check(
        "framing = 'lines'\ndialogue = [{ expect = { matches = 'a' } }]",
        expect![[r#"
            "matches" in line 6: driver "s": option "dialogue[0].expect": unknown key "matches"
              did you mean "match"?
        "#]],
    );
    check(
        "framing = 'lines'\ngreeting = { hex = '0g' }",
        expect![[r#"
            "'0g'" in line 6: driver "s": option "greeting.hex": invalid hexadecimal: 'g' at character 1 is not a hexadecimal digit
              write two digits for each byte: "00 ff 0a"
        "#]],
    );
}

/// An SMTP server as a user who writes no Rust would write it.
const MAIL: &str = r#"
name = "mail"

[[driver]]
type = "tcp-server"
name = "smtp"
framing = "lines"
greeting = "220 standin ready\r\n"
otherwise = "fail"

[[driver.on]]
match = '^(EHLO|HELO) (?<who>\S+)$'
reply = "250 hello {{ who }}\r\n"

[[driver.on]]
prefix = "QUIT"
reply = "221 bye\r\n"
then = "close"
times = "1.."
"#;

/// A client that speaks a little SMTP.
struct Smtp(BufReader<TcpStream>);

impl Smtp {
    fn new(server: &TcpServer) -> Smtp {
        let stream = TcpStream::connect(("localhost", server.port().unwrap())).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Smtp(BufReader::new(stream))
    }

    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }
}

#[test]
fn a_file_fakes_an_smtp_server() {
    let env = parse(MAIL).unwrap();
    let smtp = env.get::<TcpServer>("smtp").unwrap();
    let env = env.start().unwrap();
    env.run(|_| {
        let mut client = Smtp::new(&smtp);
        assert_eq!(client.hear(), "220 standin ready\r\n");
        client.say("EHLO example.org\r\n");
        assert_eq!(client.hear(), "250 hello example.org\r\n");
        client.say("QUIT\r\n");
        assert_eq!(client.hear(), "221 bye\r\n");
        assert_eq!(client.hear(), "");
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_is_missing_fails_the_stop_and_comes_after_the_error_of_the_test() {
    let env = parse(MAIL).unwrap().start().unwrap();
    let error = env
        .run(|_| Err::<(), _>(standin_entity::Error::msg("the test's own")))
        .unwrap_err();
    let report = format!("{error:?}");
    let (own, missing) = (
        report.find("the test's own"),
        report.find("prefix \"QUIT\""),
    );
    assert!(own.is_some() && own < missing, "{report}");
    assert!(
        report.contains("must match at least once, and never did"),
        "{report}"
    );
}

#[test]
fn a_frame_that_nobody_expects_ends_every_wait_with_its_reason() {
    let text = format!(
        r#"{MAIL}
[[driver]]
type = "tcp-server"
name = "idle"

[[driver]]
type = "tcp-server"
name = "bank"
framing = "lines"

[[driver]]
type = "tcp-client"
name = "plain"
host = {{ driver = "idle", value = "{{{{ host }}}}" }}
port = {{ driver = "idle", value = "{{{{ port }}}}" }}
"#
    );
    let env = parse(&text).unwrap();
    let [smtp, idle, bank] =
        ["smtp", "idle", "bank"].map(|name| env.get::<TcpServer>(name).unwrap());
    let plain = env.get::<TcpClient>("plain").unwrap();
    let env = env.start().unwrap();
    let mut client = Smtp::new(&smtp);
    assert_eq!(client.hear(), "220 standin ready\r\n");
    idle.accept_connection(LIMIT).unwrap();
    let error = std::thread::scope(|scope| {
        let received = scope.spawn(|| plain.receive_line().map(drop));
        let accepted = scope.spawn(|| idle.accept_connection(LIMIT).map(drop));
        let held = scope.spawn(|| smtp.held("anything", LIMIT).map(drop));
        let seen = scope.spawn(|| bank.wait_until(Seen::frames(1), LIMIT));
        let taken = scope.spawn(|| bank.take_over(0, LIMIT).map(drop));
        client.say("MAIL FROM:<a@b.c>\r\n");
        let errors =
            [received, accepted, held, seen, taken].map(|waits| waits.join().unwrap().unwrap_err());
        for error in &errors {
            let text = error.to_string();
            assert!(
                text.contains("unexpected frame \"MAIL FROM:<a@b.c>\""),
                "{text}"
            );
        }
        errors.into_iter().next().unwrap()
    });
    assert!(!error.is_timeout());
    let error = format!("{:?}", env.stop().unwrap_err());
    assert!(
        error.contains("unexpected frame") && error.contains("QUIT"),
        "{error}"
    );
}

#[test]
fn a_frame_that_nobody_expects_fails_a_start_at_once() {
    // The program under test, which connects as soon as the server is up, and another driver that
    // nobody would get up.
    let env = parse(&format!(
        r#"{MAIL}
[[driver]]
type = "tcp-client"
name = "program"
host = {{ driver = "smtp", value = "localhost" }}
port = {{ driver = "smtp", value = "{{{{ port }}}}" }}
framing = "lines"

[[driver.dialogue]]
expect = {{ prefix = "220" }}
send = "NOOP\r\n"

[[driver]]
type = "process"
name = "never"
binary = "sleep"
args = ["3600"]
start_limit = "1h"
ready = [{{ log = "ready" }}]
"#
    ))
    .unwrap();
    let began = Instant::now();
    let error = format!("{:?}", env.start().map(drop).unwrap_err());
    assert!(began.elapsed() < LIMIT, "{error}");
    assert!(
        error.contains("driver \"smtp\" failed the test") && error.contains("\"NOOP\""),
        "{error}"
    );
}

#[test]
fn a_file_can_leave_a_conversation_to_the_test() {
    let env = parse(
        r#"
name = "hold"

[[driver]]
type = "tcp-server"
name = "bank"
framing = "lines"

[[driver.on]]
match = '^PAY (?<amount>\d+)$'
then = { hold = "pay" }
times = 1

[[driver.on]]
equals = "PING"
reply = "PONG\n"
"#,
    )
    .unwrap();
    let bank = env.get::<TcpServer>("bank").unwrap();
    let env = env.start().unwrap();
    let mut client = Smtp::new(&bank);
    client.say("PAY 42\n");
    let mut held = bank.held("pay", LIMIT).unwrap();
    assert_eq!(held.capture("amount"), Some(&b"42"[..]));
    held.send_text("paid\n").unwrap();
    held.hand_back();
    assert_eq!(client.hear(), "paid\n");
    client.say("PING\n");
    assert_eq!(client.hear(), "PONG\n");
    env.stop().unwrap();
}

#[test]
fn an_answer_names_what_other_drivers_publish_and_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("motd"), "as it {{ stands }}\n").unwrap();
    let file = folder.path().join("environment.toml");
    let text = r#"
name = "names"

[context]
stage = "test"

[[driver]]
type = "tcp-server"
name = "other"

[[driver]]
type = "tcp-server"
name = "server"
framing = "lines"
greeting = [
    "{{ context.stage }} {{ context['other'].port }} {{ context.server.port }}\n",
    { file = "motd" },
]
"#;
    std::fs::write(&file, text).unwrap();
    let env = Environment::from_file(&file).unwrap();
    let (other, server) = (
        env.get::<TcpServer>("other"),
        env.get::<TcpServer>("server"),
    );
    let (other, server) = (other.unwrap(), server.unwrap());
    let env = env.start().unwrap();
    let mut client = Smtp::new(&server);
    let ports = [&other, &server].map(|server| server.port().unwrap());
    assert_eq!(client.hear(), format!("test {} {}\n", ports[0], ports[1]));
    assert_eq!(client.hear(), "as it {{ stands }}\n");
    env.stop().unwrap();
}

#[test]
fn replies_of_code_start_after_whose_context_they_read() {
    let mut env = Environment::new("code");
    let replies = Replies::framed(Lines::new()).greeting("{{ context.later.port }}\n");
    let server = env
        .add(
            TcpServer::builder("server")
                .replies(replies)
                .build()
                .unwrap(),
        )
        .unwrap();
    let later = env
        .add(TcpServer::builder("later").build().unwrap())
        .unwrap();
    let failed = env.try_start().map(drop).unwrap_err();
    let error = format!("{:?}", failed.error);
    assert!(error.contains("reads the context of \"later\""), "{error}");
    let env = failed.environment;
    env.options().set_local("concurrent", true).unwrap();
    let _env = env.start().unwrap();
    let mut client = Smtp::new(&server);
    assert_eq!(client.hear(), format!("{}\n", later.port().unwrap()));
}

#[test]
fn an_environment_that_is_started_again_begins_anew() {
    let env = parse(MAIL).unwrap();
    let smtp = env.get::<TcpServer>("smtp").unwrap();
    let env = env.start().unwrap();
    for _ in 0..2 {
        let mut client = Smtp::new(&smtp);
        assert_eq!(client.hear(), "220 standin ready\r\n");
        client.say("QUIT\r\n");
        assert_eq!(client.hear(), "221 bye\r\n");
        env.restart().unwrap();
    }
    let error = format!("{:?}", env.stop().unwrap_err());
    assert!(error.contains("never did"), "{error}");
}

#[test]
fn defaults_of_a_file_are_checked_with_what_a_driver_says() {
    let framing = "[defaults]\nframing = 'lines'\n[defaults.tcp-server]\ngreeting = \"hi\\n\"\n";
    let env = parse(&format!(
        "name = 'e'\n{framing}{}",
        rest("on = [{ equals = 'a' }]")
    ))
    .unwrap();
    let server = env.get::<TcpServer>("s").unwrap();
    let _env = env.start().unwrap();
    assert_eq!(Smtp::new(&server).hear(), "hi\n");

    // What does not fit is said of the driver, where its own table has nothing of it.
    let greeting = "[defaults.tcp-server]\ngreeting = '{{ who }}'\n";
    let text = format!("name = 'e'\n{greeting}{}", rest("framing = 'lines'"));
    let error = parse(&text).err().unwrap().to_string();
    assert!(
        error.contains("driver \"s\": option \"greeting\": the reply names `who`"),
        "{error}"
    );
}
