//! A mail server that takes every mail and gives it to the test.

use std::sync::mpsc::{Receiver, Sender, channel};

use standin::reply::{Answer, Frame, Replies, Then, no_reply, pattern, reply};
use standin::socket::framing::Lines;

/// A mail as it has arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// Who has sent it.
    pub sender: String,
    /// Who is to have it.
    pub recipients: Vec<String>,
    /// Its lines, head and body.
    pub lines: Vec<String>,
}

/// The server, and the mails that arrive at it.
pub fn server() -> (Replies, Receiver<Mail>) {
    let (mails, arrived) = channel();
    let replies = Replies::framed(Lines::new())
        .greeting("220 standin ready\r\n")
        .on(
            pattern(r"(?i)^(EHLO|HELO) (?<who>\S+)$"),
            "250 hello {{ who }}\r\n",
        )
        .on(
            pattern("(?i)^DATA$").named("data").times(1..),
            reply("354 go on\r\n").enter("mail"),
        )
        .on(
            pattern("(?i)^QUIT$"),
            reply("221 bye\r\n").then(Then::Close),
        )
        // The mail that is being sent is the state of the connection.
        .with(
            move |frame: &Frame<'_>, mail: &mut Mail| match frame.state() {
                Some(_) => line(frame, mail, &mails),
                None => command(frame, mail),
            },
        );
    (replies, arrived)
}

/// A line of a mail.
fn line(frame: &Frame<'_>, mail: &mut Mail, mails: &Sender<Mail>) -> Option<Answer> {
    let line = frame.text();
    if line != "." {
        // A dot at the beginning is doubled, for one alone is the end.
        mail.lines
            .push(line.strip_prefix('.').unwrap_or(&line).to_owned());
        return Some(no_reply());
    }
    let sent = mails.send(std::mem::take(mail));
    let answer = match sent {
        Ok(()) => "250 accepted\r\n",
        Err(_) => "451 the test takes no more mails\r\n",
    };
    Some(reply(answer).leave_state())
}

/// A command about the mail that is to come; `None` if it is another one, which fails the test.
fn command(frame: &Frame<'_>, mail: &mut Mail) -> Option<Answer> {
    let line = frame.text();
    let (what, address) = line.strip_suffix('>')?.split_once(":<")?;
    match &*what.to_ascii_uppercase() {
        "MAIL FROM" => address.clone_into(&mut mail.sender),
        "RCPT TO" => mail.recipients.push(address.to_owned()),
        _ => return None,
    }
    Some(reply("250 ok\r\n"))
}
