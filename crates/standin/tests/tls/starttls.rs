//! Peers that answer by themselves and begin TLS in the middle: as SMTP, IMAP and databases do.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use standin::environment::Record;
use standin::reply::{Dialogue, Replies, Seen, Then, anything, hold, prefix, reply};
use standin::socket::framing::Lines;
use standin::{
    Defect, DriverTypes, Environment, Lifecycle, Result, RunningEnvironment, TcpClient,
    TcpConnection, TcpServer, Tls,
};

use crate::program::find;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

fn lines() -> Replies {
    Replies::framed(Lines::new())
}

/// A mail server that knows what it may say before TLS and what after it.
fn mail() -> Replies {
    lines()
        .greeting("220 ready\r\n")
        .on(prefix("EHLO"), "250-mail\r\n250 STARTTLS\r\n")
        .on(
            "STARTTLS",
            reply("220 go on\r\n").enter("secure").then(Then::StartTls),
        )
        .on(prefix("EHLO").in_state("secure"), "250 mail\r\n")
        .on(
            anything().in_state("secure").named("secured").times(1..),
            "250 ok\r\n",
        )
}

struct Mail {
    env: RunningEnvironment,
    server: Arc<TcpServer>,
    client: Arc<TcpClient>,
}

impl Mail {
    fn new(server: Replies) -> Result<Mail> {
        Mail::with(server, Tls::new())
    }

    fn with(replies: Replies, tls: Tls) -> Result<Mail> {
        let mut env = Environment::new("mail");
        let server = TcpServer::builder("mail").replies(replies);
        let server = server.tls(tls.on_request(true)).build()?;
        let server = env.add(server)?;
        let client = TcpClient::builder("client").connect_to("mail").build()?;
        let client = env.add(client)?;
        let env = env.start()?;
        Ok(Mail {
            env,
            server,
            client,
        })
    }

    fn near(&self) -> TcpConnection {
        self.client.connection().unwrap()
    }
}

#[test]
fn a_server_goes_on_with_its_replies_after_the_handshake() -> Result<()> {
    let mail = Mail::new(mail())?;
    let near = mail.near();
    near.expect_text("220 ready\r\n")?;
    near.send_text("EHLO me\r\n")?;
    near.expect_text("250-mail\r\n250 STARTTLS\r\n")?;
    near.send_text("STARTTLS\r\n")?;
    near.expect_text("220 go on\r\n")?;
    near.start_tls()?;
    // In pieces, and several at once.
    for piece in ["EH", "LO me\r\nNO", "OP\r\nNOOP\r\n"] {
        near.send_text(piece)?;
    }
    near.expect_text("250 mail\r\n250 ok\r\n250 ok\r\n")?;
    assert!(near.tls().is_ok());
    mail.server.wait_until(Seen::rule("secured"), LIMIT)?;
    assert_eq!(mail.server.ledger()?.matched("secured"), Some(2));
    Ok(mail.env.stop()?)
}

#[test]
fn an_impatient_client_begins_its_handshake_in_the_segment_of_the_command() -> Result<()> {
    let mail = Mail::new(
        lines()
            .on("GO", reply("").then(Then::StartTls))
            .on("a", "b\n"),
    )?;
    let near = mail.near();
    near.send_text("GO\n")?;
    // It does not wait for the answer, so that both may arrive at once.
    near.start_tls()?;
    near.send_text("a\n")?;
    near.expect_text("b\n")?;
    Ok(mail.env.stop()?)
}

#[test]
fn bytes_behind_the_command_are_not_taken_for_secured_ones() -> Result<()> {
    let mail = Mail::new(
        lines()
            .on("GO", reply("go\n").then(Then::StartTls))
            .on("INJECTED", "this came without TLS\n"),
    )?;
    let near = mail.near();
    near.send_text("GO\nINJECTED\n")?;
    near.expect_text("go\n")?;
    // They belong to the handshake, which fails on them.
    near.start_tls()?;
    let said = near.receive_line_text();
    assert!(said.is_err(), "{said:?}");
    Ok(mail.env.stop()?)
}

#[test]
fn two_peers_that_answer_by_themselves_begin_tls_with_each_other() -> Result<()> {
    for _ in 0..20 {
        let serves = Dialogue::new()
            .send("ready\n")
            .expect("STARTTLS")
            .send("go\n")
            .start_tls()
            .expect("hello")
            .send("hi\n")
            .expect("bye");
        let asks = Dialogue::new()
            .expect("ready")
            .send("STARTTLS\n")
            .expect("go")
            .start_tls()
            .send("hello\n")
            .expect("hi")
            .send("bye\n");
        let mut env = Environment::new("two");
        let server = TcpServer::builder("server").replies(lines().dialogue(serves).connections(1));
        let server = env.add(server.build()?)?;
        let client = TcpClient::builder("client").connect_to("server");
        let client = client.replies(lines().dialogue(asks));
        let client = env.add(client.build()?)?;
        let env = env.start()?;
        server.wait_until(Seen::dialogue(0), LIMIT)?;
        client.wait_until(Seen::dialogue(0), LIMIT)?;
        let transcript = env.transcript().text().to_string();
        assert!(transcript.contains("TLS 1.3"), "{transcript}");
        env.stop()?;
    }
    Ok(())
}

#[test]
fn a_held_conversation_begins_tls_and_goes_on_when_it_is_handed_back() -> Result<()> {
    for hands_back_first in [false, true] {
        let replies = lines().on("STARTTLS", hold("tls")).on("PING", "PONG\n");
        let mail = Mail::new(replies)?;
        let near = mail.near();
        near.send_text("STARTTLS\n")?;
        let mut held = mail.server.held("tls", LIMIT)?;
        held.send_text("go\n")?;
        held.start_tls()?;
        near.expect_text("go\n")?;
        if hands_back_first {
            // The handshake is under way, as the client has not begun.
            held.hand_back();
            near.start_tls()?;
        } else {
            near.start_tls()?;
            near.send_text("by hand\n")?;
            assert_eq!(held.receive_line_text()?, "by hand");
            held.hand_back();
        }
        near.send_text("PING\n")?;
        near.expect_text("PONG\n")?;
        mail.env.stop()?;
    }
    Ok(())
}

#[test]
fn a_conversation_is_taken_over_in_the_middle_of_its_handshake() -> Result<()> {
    let replies = lines().on("GO", reply("go\n").then(Then::StartTls));
    let mail = Mail::new(replies.on("PING", "PONG\n"))?;
    let near = mail.near();
    near.send_text("GO\n")?;
    near.expect_text("go\n")?;
    let mut held = mail.server.take_over(0, LIMIT)?;
    near.start_tls()?;
    near.send_text("to the test\n")?;
    assert_eq!(held.receive_line_text()?, "to the test");
    held.hand_back();
    near.send_text("PING\n")?;
    near.expect_text("PONG\n")?;
    Ok(mail.env.stop()?)
}

#[test]
fn an_environment_stops_in_the_middle_of_a_handshake() -> Result<()> {
    let mail = Mail::new(lines().on("GO", reply("go\n").then(Then::StartTls)))?;
    let near = mail.near();
    near.send_text("GO\n")?;
    near.expect_text("go\n")?;
    Ok(mail.env.stop()?)
}

#[test]
fn a_handshake_that_fails_breaks_the_dialogue_with_its_reason() -> Result<()> {
    let dialogue = Dialogue::new().expect("GO").start_tls().expect("hello");
    let expired = Tls::new().defect(Defect::Expired);
    let mail = Mail::with(lines().dialogue(dialogue), expired)?;
    let near = mail.near();
    near.send_text("GO\n")?;
    near.start_tls()?;
    // Either this side says why it has refused, or the broken dialogue has ended the wait.
    let refused = near.send_text("hello\n").and_then(|_| near.receive_line());
    let refused = format!("{:?}", refused.unwrap_err());
    let why = ["it has expired", "in the middle of the dialogue"];
    assert!(why.iter().any(|why| refused.contains(why)), "{refused}");
    let error = mail.server.wait_until(Seen::dialogue(0), LIMIT);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("certificate_expired"), "{error}");
    assert!(error.contains("in the middle of the dialogue"), "{error}");
    drop(mail.env.stop());
    Ok(())
}

#[test]
fn what_was_negotiated_is_known_after_the_handshake() -> Result<()> {
    let replies = lines().on("GO", hold("go")).on("PING", "PONG\n");
    let mail = Mail::with(replies, Tls::new())?;
    let near = mail.near();
    let error = near.tls().unwrap_err().to_string();
    assert!(error.ends_with("does not speak TLS"), "{error}");
    near.send_text("GO\n")?;
    let mut held = mail.server.held("go", LIMIT)?;
    near.start_tls()?;
    let error = near.tls().unwrap_err().to_string();
    assert!(error.contains("is still in the handshake"), "{error}");
    held.start_tls()?;
    held.hand_back();
    near.send_text("PING\n")?;
    assert!(near.tls().is_ok());
    mail.env.stop()?;

    let replies = lines().on("GO", reply("").then(Then::StartTls));
    let mail = Mail::with(replies, Tls::new().defect(Defect::Expired))?;
    let near = mail.near();
    near.send_text("GO\n")?;
    near.start_tls()?;
    assert!(near.receive_line().is_err());
    let error = near.tls().unwrap_err().to_string();
    assert!(error.contains("it has expired"), "{error}");
    Ok(mail.env.stop()?)
}

#[test]
fn what_comes_instead_of_tls_is_redacted() -> Result<()> {
    let dialogue = Dialogue::new().expect("GO").start_tls().expect("hello");
    let record = Record::default().redact(["secret[0-9]+"]).on_failure([]);
    let mut env = Environment::builder("mail").record(record).build()?;
    let server = TcpServer::builder("mail").replies(lines().dialogue(dialogue));
    let server = env.add(server.build()?)?;
    let client = TcpClient::builder("client").connect_to("mail").build()?;
    let client = env.add(client)?;
    let env = env.start()?;
    client.send_text("GO\nPASS secret42\n")?;
    let error = server.wait_until(Seen::dialogue(0), LIMIT).unwrap_err();
    let error = format!("{error:?}");
    assert!(error.contains("PASS ********"), "{error}");
    assert!(!error.contains("secret42"), "{error}");
    let stopped = format!("{:?}", env.stop().unwrap_err());
    assert!(!stopped.contains("secret42"), "{stopped}");
    Ok(())
}

#[test]
fn tls_begins_once() -> Result<()> {
    let again = || reply("again\n").then(Then::StartTls);
    let built = TcpServer::builder("mail")
        .tls(Tls::new())
        .replies(lines().on("GO", again()))
        .build();
    let error = format!("{:?}", built.unwrap_err());
    assert!(error.contains("TLS begins with the first byte"), "{error}");
    assert!(error.contains("on_request = true"), "{error}");
    let file = FILE.replace("tls = { on_request = true }", "tls = {}");
    let error = DriverTypes::standard().parse("mail.toml", &file);
    let error = format!("{:?}", error.unwrap_err());
    assert!(error.contains("mail.toml:9:7"), "{error}");
    assert!(error.contains("TLS begins with the first byte"), "{error}");

    let mail = Mail::new(lines().on("GO", again()))?;
    let near = mail.near();
    near.send_text("GO\n")?;
    near.expect_text("again\n")?;
    near.start_tls()?;
    near.send_text("GO\n")?;
    let error = mail.server.wait_until(Seen::frames(3), LIMIT);
    let error = error.unwrap_err().to_string();
    let why = "TLS could not be started: the connection uses it already";
    assert!(error.contains(why), "{error}");
    drop(mail.env.stop());
    Ok(())
}

const FILE: &str = r#"
name = "mail"

[[driver]]
type = "tcp-server"
name = "smtp"
framing = "lines"
greeting = "220 standin ready\r\n"
tls = { on_request = true }

[[driver.on]]
match = '(?i)^EHLO '
reply = "250-hello\r\n250 STARTTLS\r\n"

[[driver.on]]
match = '(?i)^STARTTLS$'
reply = "220 go ahead\r\n"
then = "start-tls"
enter = "secure"
times = 1

[[driver.on]]
in = "secure"
match = '(?i)^EHLO (?<who>\S+)$'
reply = "250 hello again {{ who }}\r\n"
times = 1

[[driver.on]]
in_any_state = true
match = '(?i)^QUIT$'
reply = "221 bye\r\n"
then = "close"
"#;

/// The environment of the file, the port of its server, and the file of its authority.
fn served() -> Result<(RunningEnvironment, String, String)> {
    let env = DriverTypes::standard().parse("mail.toml", FILE)?;
    let server = env.get::<TcpServer>("smtp")?;
    let env = env.start()?;
    let context = server.context();
    let text = |name| context.text(name).expect("it is published");
    Ok((env, text("port"), text("ca_file")))
}

#[test]
fn the_file_of_the_guide_is_right() -> Result<()> {
    let page = include_str!("../../../../docs/tls.md");
    let files = page.split("```toml\n").skip(1);
    let mut files = files.filter_map(|rest| rest.split("```").next());
    let file = files.find(|file| file.contains("start-tls")).unwrap();
    let env = DriverTypes::standard().parse("mail.toml", file)?;
    assert!(env.get::<TcpServer>("smtp").is_ok());
    Ok(())
}

const PYTHON: &str = r#"
import smtplib, ssl, sys
with smtplib.SMTP("localhost", int(sys.argv[1]), "me.test", timeout=60) as smtp:
    smtp.starttls(context=ssl.create_default_context(cafile=sys.argv[2]))
    print(smtp.ehlo()[1].decode(), smtp.sock.version())
"#;

#[test]
fn a_file_serves_pythons_smtplib() -> Result<()> {
    let Some(python) = find("python3") else {
        return Ok(());
    };
    let (env, port, ca) = served()?;
    let mut client = Command::new(python);
    let output = client.args(["-c", PYTHON, &port, &ca]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("hello again me.test TLSv1.3"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(env.stop()?)
}

#[test]
fn a_file_serves_openssl() -> Result<()> {
    let Some(openssl) = find("openssl") else {
        return Ok(());
    };
    let (env, port, ca) = served()?;
    let output = Command::new(openssl)
        .args(["s_client", "-starttls", "smtp", "-name", "me.test"])
        .args(["-verify_return_error", "-CAfile", &ca])
        .args(["-quiet", "-crlf", "-connect", &format!("localhost:{port}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            use std::io::Write;
            if let Some(stdin) = &mut child.stdin {
                stdin.write_all(b"EHLO me.test\nquit\n")?;
            }
            child.wait_with_output()
        })
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("hello again me.test") && said.contains("221 bye"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(env.stop()?)
}
