//! What drivers leave behind that began TLS in the middle of a conversation. A process of its own:
//! other tests have connections and the reactor's thread.

#![cfg(feature = "tls")]

use std::time::Duration;

use standin_driver::{Driver, Lifecycle};
use standin_entity::Result;
use standin_socket::LeakCheck;
use standin_tcp::{TcpClient, TcpServer, Tls};

/// Longer than anything here takes: reached only by a hang.
const LIMIT: Duration = Duration::from_secs(60);

type End = fn(&dyn Driver) -> Result<()>;

/// Talks over TLS that began in the middle; gives both drivers, which have ended.
fn talk(end: End) -> Result<(TcpServer, TcpClient)> {
    let server = TcpServer::builder("mail").build()?;
    server.start()?;
    let port = server.port().expect("it is started");
    // Each has an authority of its own here.
    let tls = Tls::new().on_request(true).verify(false);
    let client = TcpClient::builder("client").host("localhost").port(port);
    let client = client.tls(tls).build()?;
    client.start()?;
    let (near, far) = (client.connection()?, server.accept_connection(LIMIT)?);
    far.start_tls()?;
    near.start_tls()?;
    far.send_text("welcome\n")?;
    assert_eq!(near.receive_line_text()?, "welcome");
    end(&client)?;
    end(&server)?;
    Ok((server, client))
}

#[test]
fn drivers_that_have_ended_leave_nothing() -> Result<()> {
    if !LeakCheck::is_supported() {
        return Ok(());
    }
    let stop: End = |driver| Ok(driver.stop()?);
    // A driver that is up keeps the folder of the run locked.
    let first = TcpServer::builder("first").build()?;
    first.start()?;
    for end in [stop, |driver| Ok(driver.abort()?)] {
        let check = LeakCheck::new()?;
        let _kept = talk(end)?;
        check.finish()?;
    }
    Ok(())
}
