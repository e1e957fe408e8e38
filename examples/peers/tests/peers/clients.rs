//! Clients that do what is expected.

use example_peers::client::{SOON, finish, python, redis_cli};
use example_peers::smtp::Mail;
use example_peers::{environment, file, pop3, redis, run, smtp};
use standin::reply::Seen;
use standin::{DriverTypes, Environment, Lifecycle, Result, TcpServer};

use crate::{SMALLEST, is_here};

fn from_file(name: &str) -> Result<Environment> {
    Ok(Environment::from_file(file(name))?)
}

#[test]
fn smtplib_says_hello_to_the_smallest_server() -> Result<()> {
    if !is_here("python3") {
        return Ok(());
    }
    let env = DriverTypes::standard().parse("mail.toml", SMALLEST)?;
    let said = run(env, python("say_hello.py", "smtp"))?;
    assert_eq!(said, "250 b'hello example.org'\n221 b'bye'\n");
    Ok(())
}

#[test]
fn smtplib_delivers_a_mail_to_the_file() -> Result<()> {
    if !is_here("python3") {
        return Ok(());
    }
    let mut env = from_file("smtp.toml")?;
    let server = env.get::<TcpServer>("smtp")?;
    let client = env.add(python("send_mail.py", "smtp").build()?)?;
    env.start()?.run(|_| -> Result<()> {
        server.wait_until(Seen::rule("subject"), SOON)?;
        assert_eq!(finish(&client)?, "sent\n");
        assert_eq!(server.ledger()?.matched("recipient"), Some(2));
        Ok(())
    })
}

#[test]
fn smtplib_delivers_a_mail_to_the_server_in_rust() -> Result<()> {
    if !is_here("python3") {
        return Ok(());
    }
    let (server, mails) = smtp::server();
    run(environment("smtp", server)?, python("send_mail.py", "smtp"))?;
    let Mail {
        sender,
        recipients,
        lines,
    } = mails.try_recv()?;
    assert_eq!(sender, "alice@example.com");
    assert_eq!(recipients, ["bob@example.com", "carol@example.com"]);
    assert!(
        lines.iter().any(|line| line == "Subject: Lunch"),
        "{lines:?}"
    );
    // What would be a command elsewhere, and the end of the mail.
    assert!(lines.ends_with(&["At noon?", "QUIT", ".", "Yours, Alice"].map(str::to_owned)));
    assert!(mails.try_recv().is_err(), "there was one mail");
    Ok(())
}

/// The test holds the conversation where the mail comes, reads that by hand, and hands it back.
#[test]
fn smtplib_delivers_a_mail_to_the_test_itself() -> Result<()> {
    if !is_here("python3") {
        return Ok(());
    }
    let file = SMALLEST
        .replace("^(EHLO", "(?i)^(EHLO")
        .replace(r#"prefix = "QUIT""#, "match = '(?i)^QUIT$'")
        + r#"
[[driver.on]]
match = '(?i)^(MAIL|RCPT) '
reply = "250 ok\r\n"

[[driver.on]]
match = '(?i)^DATA$'
reply = "354 go on\r\n"
then = { hold = "mail" }
times = 1
"#;
    let mut env = DriverTypes::standard().parse("mail.toml", &file)?;
    let server = env.get::<TcpServer>("smtp")?;
    let client = env.add(python("send_mail.py", "smtp").build()?)?;
    env.start()?.run(|_| -> Result<()> {
        let mut held = server.held("mail", SOON)?;
        assert_eq!(held.frame(), Some(&b"data"[..]));
        let mail = String::from_utf8(held.receive_until(b"\r\n.\r\n")?)?;
        assert!(mail.contains("\r\nSubject: Lunch\r\n"), "{mail}");
        held.send_text("250 accepted\r\n")?;
        held.hand_back();
        assert_eq!(finish(&client)?, "sent\n");
        Ok(())
    })
}

#[test]
fn poplib_reads_the_mailbox_of_the_file() -> Result<()> {
    if !is_here("python3") {
        return Ok(());
    }
    let said = run(from_file("pop3.toml")?, python("read_mail.py", "pop3"))?;
    assert_eq!(
        said,
        "+OK standin ready\n1 mail of 24 bytes\nSubject: Lunch\n\nAt noon?\n"
    );
    Ok(())
}

#[test]
fn poplib_reads_the_mailbox_in_rust() -> Result<()> {
    if !is_here("python3") {
        return Ok(());
    }
    let server = pop3::server("secret", "Subject: Dinner\r\n\r\nAt eight?\r\n");
    let said = run(environment("pop3", server)?, python("read_mail.py", "pop3"))?;
    assert_eq!(
        said,
        "+OK standin ready\n1 mail of 30 bytes\nSubject: Dinner\n\nAt eight?\n"
    );
    Ok(())
}

#[test]
fn redis_cli_talks_to_the_file() -> Result<()> {
    if !is_here("redis-cli") {
        return Ok(());
    }
    let commands = "PING\nGET colour\nSET colour green\nGET colour\n";
    let said = run(from_file("redis.toml")?, redis_cli(commands, "redis"))?;
    assert_eq!(said, "PONG\n\nOK\ngreen\n");
    Ok(())
}

#[test]
fn redis_cli_talks_to_the_server_in_rust() -> Result<()> {
    if !is_here("redis-cli") {
        return Ok(());
    }
    let mut env = environment("redis", redis::server())?;
    let commands = "PING\nGET colour\nSET colour \"dark\\tblue\"\n";
    let client = env.add(redis_cli(commands, "redis").build()?)?;
    env.start()?.run(|_| -> Result<()> {
        assert_eq!(finish(&client)?, "PONG\n\nOK\n");
        // Another connection finds what the first one has left.
        client.restart()?;
        assert_eq!(finish(&client)?, "PONG\ndark\tblue\nOK\n");
        Ok(())
    })
}
