//! A mailbox with one mail, for who knows its password.

use standin::reply::{Dialogue, Replies, Then, equals, pattern, prefix, reply, reply_bytes};
use standin::socket::framing::Lines;

/// The server of the mailbox. The mail has lines that end with CRLF.
pub fn server(password: &str, mail: &str) -> Replies {
    let login = Dialogue::new()
        .expect(pattern(r"^USER (?<user>\w+)$"))
        .send("+OK now the password of {{ user }}\r\n")
        .branch([
            (
                equals(format!("PASS {password}")),
                Dialogue::new().send("+OK {{ user }} has a mail\r\n"),
            ),
            (prefix("PASS "), Dialogue::new().send("-ERR no\r\n").close()),
        ]);
    Replies::framed(Lines::new())
        .greeting("+OK standin ready\r\n")
        .connections(1)
        .dialogue(login)
        // Who has logged in may ask, in any order.
        .on("STAT", format!("+OK 1 {}\r\n", mail.len()))
        .on(
            equals("RETR 1").named("read").times(1..),
            reply("+OK\r\n").and(reply_bytes(mail)).and(".\r\n"),
        )
        .on(
            equals("QUIT").times(1),
            reply("+OK bye\r\n").then(Then::Close),
        )
}
