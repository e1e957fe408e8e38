//! The first example of the README, as it stands there.

use std::time::Duration;

use standin::{Environment, TcpClient, TcpServer};

#[test]
fn greets_its_client() -> standin::Result<()> {
    let mut env = Environment::new("greeting");
    let server = env.add(TcpServer::builder("server").build()?)?;
    let client = env.add(TcpClient::builder("client").connect_to("server").build()?)?;
    let _env = env.start()?; // stops everything when dropped

    server.accept_connection(Duration::from_secs(10))?;
    client.send_text("hello")?;
    assert_eq!(server.receive_exactly_text(5)?, "hello");
    server.send_text("hello yourself\n")?;
    assert_eq!(client.receive_line_text()?, "hello yourself");
    Ok(())
}
