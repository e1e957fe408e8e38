//! A server that goes and comes back, and what its clients make of it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::time::Duration;

use standin::tcp::TcpError;
use standin::{Environment, Lifecycle, Result, TcpClient, TcpServer};
use test_port::TestPort;

const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_client_finds_its_server_by_its_name_alone() -> Result<()> {
    let mut env = Environment::new("by name");
    let server = env.add(TcpServer::builder("server").build()?)?;
    let client = env.add(TcpClient::builder("client").connect_to("server").build()?)?;
    let env = env.start()?;
    server.accept_connection(SOON)?;
    assert_eq!(client.server_host().as_deref(), Some("localhost"));
    assert_eq!(client.server_port(), server.port());
    env.connections()
        .connected("client", "server")?
        .and_nobody_else()?;
    Ok(())
}

#[test]
fn a_server_that_goes_away_comes_back_to_its_clients() -> Result<()> {
    let mut env = Environment::new("comes back");
    let server = env.add(TcpServer::builder("server").build()?)?;
    let client = env.add(TcpClient::builder("client").connect_to("server").build()?)?;
    let _env = env.start()?;
    let port = server.port();
    server.accept_connection(SOON)?;

    server.go_away()?;
    assert_eq!(client.receive_to_end()?, b"");
    let refused = client.connect().unwrap_err();
    assert!(matches!(refused, TcpError::Connect(_)), "{refused}");
    server.come_back()?;
    assert_eq!(server.port(), port);
    client.connect()?;
    server.accept_connection(SOON)?;

    server.refuse()?;
    client.send_text("still here")?;
    assert_eq!(server.receive_exactly_text(10)?, "still here");
    client.connect().unwrap_err();
    server.come_back()?;

    let full = server.fill_queue()?;
    let late = server.accept_connection(Duration::from_millis(30));
    assert!(late.unwrap_err().is_timeout());
    drop(full);
    client.connect()?;
    server.accept_connection(SOON)?;
    Ok(())
}

#[test]
fn a_server_that_has_another_port_after_a_restart_says_so() -> Result<()> {
    let mut env = Environment::new("moves");
    let server = env.add(TcpServer::builder("server").build()?)?;
    let client = env.add(TcpClient::builder("client").connect_to("server").build()?)?;
    let _env = env.start()?;
    server.accept_connection(SOON)?;
    let before = server.port().unwrap();

    server.restart()?;
    while server.port() == Some(before) {
        server.restart()?;
    }
    let now = server.port().unwrap();

    let told =
        format!("\"server\" had the port {before} until it was started again, and has {now} now");
    for error in [
        client.connect().unwrap_err(),
        server.accept_connection(Duration::ZERO).unwrap_err(),
    ] {
        assert!(matches!(error, TcpError::Moved { .. }), "{error}");
        assert!(error.to_string().starts_with(&told), "{error}");
        let report = format!("{error:?}");
        assert!(report.contains("go_away"), "{report}");
    }
    let nobody = server.accept_connection(Duration::ZERO).unwrap_err();
    let nobody = standin::Error::from(nobody);
    assert!(nobody.find::<standin::socket::AcceptError>().is_some());

    // A client that is started again finds it, and then there is nothing to explain.
    client.stop()?;
    client.start()?;
    server.accept_connection(SOON)?;
    let nobody = server.accept_connection(Duration::ZERO).unwrap_err();
    assert!(matches!(nobody, TcpError::Accept(_)), "{nobody}");
    Ok(())
}

#[test]
fn a_server_that_keeps_its_port_says_nothing_of_it() -> Result<()> {
    let port = TestPort::claim();
    let server = TcpServer::builder("server").port(port.number()).build()?;
    server.start()?;
    server.stop()?;
    server.start()?;
    let nobody = server.accept_connection(Duration::ZERO).unwrap_err();
    assert!(matches!(nobody, TcpError::Accept(_)), "{nobody}");
    Ok(())
}
