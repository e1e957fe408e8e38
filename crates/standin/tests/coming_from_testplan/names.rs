//! Everything that the page "Coming from testplan" names, in use.

use std::time::Duration;

use standin::driver::Level;
use standin::testplan::{ClientNames, DriverNames, ServerNames};
use standin::{
    Attributes, BuildError, Check, Driver, DriverBase, Environment, FromOptions, InstallFile,
    Lifecycle, Readiness, Result, Status, TcpClient, TcpClientBuilder, TcpClientConfig,
    TcpConnection, TcpServer, TcpServerBuilder, TcpServerConfig, context,
};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_conversation_has_all_names() -> Result<()> {
    let mut env: Environment = Environment::builder("names").start_limit(SOON).build()?;
    let options: TcpServerBuilder = TcpServer::builder("server").file_logger("server.log");
    let options = options
        .unset("file_logger")
        .io_timeout(SOON)
        .encoding(standin::Encoding::UTF_8);
    let server = env.add(options.timeout(SOON).build()?)?;
    let options: TcpClientBuilder = TcpClient::builder("client")
        .host(context("server", "{{ host }}"))
        .port(context("server", "{{ connection_identifier }}"));
    let client = env.add(options.build()?)?;
    let other = TcpClient::builder("other").connect_to("server");
    let other = env.add(other.connect_at_start(false).build()?)?;
    env.register_failover("client", || {
        Ok(TcpClient::builder("client").connect_to("server").build()?)
    })?;
    let abort_handle = env.abort_handle();
    let env = env.start()?;

    let handle: TcpConnection = server.accept_connection(SOON)?;
    client.send(b"bytes")?;
    assert_eq!(handle.receive_exactly(5)?, b"bytes");
    client.send_text("text")?;
    assert_eq!(server.receive_exactly_text(4)?, "text");
    server.send(b"bytes")?;
    assert_eq!(client.receive_exactly(5)?, b"bytes");
    handle.send(b"bytes")?;
    handle.with_encoding("latin-1")?.send_text("é")?;
    server.send_text("text")?;
    assert_eq!(client.receive_exactly(6)?, b"bytes\xe9");
    assert_eq!(client.receive_some_text(4)?, "text");
    handle.send_text("more")?;
    assert_eq!(client.receive_exactly_text(4)?, "more");
    assert!(handle.with_timeout(Duration::ZERO).receive_some(1).is_err());

    client.send(b"fourfour")?;
    assert_eq!(ServerNames::receive(&*server, 4)?, b"four");
    assert_eq!(ServerNames::receive_text(&*server, 4)?, "four");
    server.send(b"more")?;
    assert_eq!(ClientNames::receive(&*client, 4)?, b"more");
    server.send(b"more")?;
    assert_eq!(ClientNames::receive_text(&*client, 4)?, "more");
    assert_eq!(ClientNames::send_tsp(&*client, b"x")?.1, 1);

    let port = server.port();
    assert_eq!(ServerNames::local_port(&*server), port);
    assert_eq!(ServerNames::local_host(&*server), server.host());
    assert_eq!(ServerNames::connection_identifier(&*server), port);
    assert_eq!(ClientNames::connection_identifier(&*other), port);
    assert_eq!(ClientNames::host(&*client), client.server_host());
    assert_eq!(ClientNames::port(&*client), client.local_port());
    assert_eq!(client.server_port(), port);
    assert!(client.local_host().is_some());
    assert_eq!(DriverNames::get_connections(&*server), server.connections());
    assert_eq!(DriverNames::get_connections(&*client), client.connections());

    let socket: standin::socket::Server = server.socket()?;
    assert!(socket.is_open());
    server.connection(0)?;
    ClientNames::reconnect(&*client)?;
    client.connect()?;
    let gone = server.connection(0)?.receive_to_end()?;
    assert_eq!(gone, b"x");
    let error = server.connection(0)?.receive_some(1).unwrap_err();
    assert!(error.is_peer_closed());
    server.close_connection(0)?;
    handle.close();
    client.close();
    env.abort();
    abort_handle.abort();
    Ok(())
}

#[test]
fn a_driver_has_all_names() -> Result<()> {
    let server = TcpServer::builder("server");
    let server = server
        .install_files(Vec::<InstallFile>::new())
        .ready(Vec::<Readiness>::new())
        .async_start(false)
        .auto_start(true)
        .pre_start(|_| Ok(()))
        .post_start(|_| Ok(()))
        .pre_stop(|_| Ok(()))
        .post_stop(|_| Ok(()));
    let directory = tempfile::tempdir()?;
    let root = directory.path().to_owned();
    let server: TcpServer = server
        .start_limit(SOON)
        .stop_limit(SOON)
        .runpath_of(move |driver| root.join(driver.name()))
        .build()?;
    let driver = Wrapped { server };
    driver.start()?;
    driver.wait(Status::Started, SOON)?;
    assert_eq!(driver.status(), Status::Started);
    assert_eq!(driver.name(), "server");

    let resource = driver.base().resource();
    assert!(resource.is_active() && !resource.is_aborted());
    assert!(resource.timers().iter().next().is_some());
    let entity = driver.base().resource().entity();
    assert_eq!(entity.uid(), "server");
    assert!(entity.parent().is_none());
    assert_eq!(entity.runpath(), Some(directory.path().join("server")));
    assert!(entity.scratch().is_some());

    let config: TcpServerConfig = driver.base().config::<TcpServerConfig>()?;
    assert!(config.driver.resource.auto_start);
    assert!(driver.context().get("port").is_some());
    assert!(driver.context_input(&["name"]).get("name").is_none());
    assert!(driver.base().extracts().is_empty());
    driver.extract_values()?;
    driver.fetch_error_log()?;
    driver.base().log(Level::INFO, "a message");
    assert_eq!(
        (driver.log_path(), driver.out_path(), driver.err_path()),
        (None, None, None)
    );
    assert!(driver.is_alive());
    let _ = driver.report();

    driver.pause()?;
    driver.resume()?;
    driver.restart()?;
    driver.stop()?;
    driver.base().resource().force_started();
    driver.base().resource().force_stop();
    driver.start()?;
    driver.abort()?;
    let _: fn(TcpClientBuilder) -> Result<TcpClient, BuildError> = TcpClient::from_options;
    let _: Option<TcpClientConfig> = None;
    Ok(())
}

/// Every step of a driver, each of which does what the extended driver does.
struct Wrapped {
    server: TcpServer,
}

impl Driver for Wrapped {
    fn base(&self) -> &DriverBase {
        self.server.base()
    }

    fn extends(&self) -> Option<&dyn Driver> {
        Some(&self.server)
    }

    fn pre_start(&self) -> Result<()> {
        Driver::pre_start(&self.server)
    }

    fn starting(&self) -> Result<()> {
        Driver::starting(&self.server)
    }

    fn started_check(&self) -> Result<Check> {
        let _ = Driver::started_check_interval(&self.server);
        Driver::started_check(&self.server)
    }

    fn post_start(&self) -> Result<()> {
        Driver::post_start(&self.server)
    }

    fn pre_stop(&self) -> Result<()> {
        Driver::pre_stop(&self.server)
    }

    fn stopping(&self) -> Result<()> {
        Driver::stopping(&self.server)
    }

    fn stopped_check(&self) -> Result<Check> {
        let _ = Driver::stopped_check_interval(&self.server);
        Driver::stopped_check(&self.server)
    }

    fn post_stop(&self) -> Result<()> {
        Driver::post_stop(&self.server)
    }

    fn stop_grace(&self) -> Duration {
        Driver::stop_grace(&self.server)
    }

    fn aborting(&self) -> Result<()> {
        Driver::aborting(&self.server)
    }

    fn pausing(&self) -> Result<()> {
        Driver::pausing(&self.server)
    }

    fn resuming(&self) -> Result<()> {
        Driver::resuming(&self.server)
    }

    fn attributes(&self) -> Attributes {
        self.server.attributes()
    }
}
