//! An environment from a file that answers mail.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Instant;

use standin_environment::Environment;
use standin_reply::{Replies, Seen};
use standin_socket::framing::Lines;
use standin_tcp::{TcpClient, TcpServer};

use crate::{LIMIT, parse, rest};

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
