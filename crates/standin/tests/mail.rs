//! The second example of the README, as it stands there.

use standin::reply::{Replies, Then, pattern, prefix, reply};
use standin::socket::framing::Lines;
use standin::{Environment, TcpClient, TcpServer};

#[test]
fn is_greeted_by_a_mail_server() -> standin::Result<()> {
    let replies = Replies::framed(Lines::new())
        .greeting("220 standin ready\r\n")
        .on(
            pattern(r"^(EHLO|HELO) (?<who>\S+)$"),
            "250 hello {{ who }}\r\n",
        )
        .on(
            prefix("QUIT").times(1..),
            reply("221 bye\r\n").then(Then::Close),
        );
    let mut env = Environment::new("mail");
    env.add(TcpServer::builder("smtp").replies(replies).build()?)?;
    let program = env.add(TcpClient::builder("program").connect_to("smtp").build()?)?;
    env.start()?.run(|_| {
        program.expect_text("220 standin ready\r\n")?;
        program.send_text("EHLO example.org\r\nQUIT\r\n")?;
        program.expect_text("250 hello example.org\r\n221 bye\r\n")?;
        Ok(())
    })
}
