//! Drivers that do what a TCP driver does, and a little more.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::net::TcpStream;
use std::time::Duration;

use standin_config::{Config, FromOptions};
use standin_connection::ConnectionInfo;
use standin_driver::{Attributes, BuildError, Driver, DriverBase, Lifecycle};
use standin_entity::Result;
use standin_reply::{Replies, equals};
use standin_socket::framing::Lines;
use standin_tcp::{TcpClient, TcpServer, TcpServerConfig};
use test_port::TestPort;

const SOON: Duration = Duration::from_secs(60);

/// A server that greets.
#[derive(Clone, Debug, Config)]
#[config(type_name = "greeter", builds = Greeter)]
pub struct GreeterConfig {
    /// The options of the server.
    #[config(include)]
    pub server: TcpServerConfig,

    /// What it says first, to a peer that the test greets.
    #[config(default = "hello")]
    pub greeting: String,
}

#[derive(Debug)]
struct Greeter {
    server: TcpServer,
}

impl Greeter {
    fn greet(&self) -> Result<()> {
        let config: GreeterConfig = self.base().config()?;
        self.server
            .accept_connection(SOON)?
            .send_text(config.greeting)?;
        Ok(())
    }
}

impl FromOptions<GreeterBuilder> for Greeter {
    type Error = BuildError;

    fn from_options(options: GreeterBuilder) -> Result<Self, BuildError> {
        let server = TcpServer::of_kind("Greeter", options)?;
        Ok(Greeter { server })
    }
}

impl Driver for Greeter {
    fn base(&self) -> &DriverBase {
        self.server.base()
    }

    fn extends(&self) -> Option<&dyn Driver> {
        Some(&self.server)
    }

    fn attributes(&self) -> Attributes {
        self.server.attributes().with("language", "English")
    }

    fn connections(&self) -> Vec<ConnectionInfo> {
        let mut connections = self.server.connections();
        connections.push(ConnectionInfo::file_written("/var/log/greetings"));
        connections
    }
}

#[test]
fn a_driver_that_extends_another_does_what_that_does() {
    let claim = TestPort::claim();
    let port = claim.number();
    let greeter = GreeterBuilder::new().name("greeter").host("127.0.0.1");
    let greeter = greeter.port(port).greeting("good morning").build();
    let greeter: Greeter = greeter.unwrap();
    assert_eq!(greeter.base().kind(), "Greeter");
    greeter.start().unwrap();
    assert_eq!(greeter.context().get("port"), Some(&port.into()));
    assert_eq!(greeter.context().get("language"), Some(&"English".into()));
    assert_eq!(greeter.connections().len(), 2);

    let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    greeter.greet().unwrap();
    greeter.stop().unwrap();
    let greeting = std::io::read_to_string(&mut peer).unwrap();
    assert_eq!(greeting, "good morning");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

/// Forgets the server in some of its steps.
struct Forgetful {
    server: TcpServer,
    fails: bool,
}

impl Driver for Forgetful {
    fn base(&self) -> &DriverBase {
        self.server.base()
    }

    fn extends(&self) -> Option<&dyn Driver> {
        Some(&self.server)
    }

    fn post_start(&self) -> Result<()> {
        if self.fails {
            return Err(standin_entity::Error::msg("it fails"));
        }
        Ok(())
    }

    fn stopping(&self) -> Result<()> {
        Ok(())
    }

    fn aborting(&self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_driver_that_forgets_the_one_it_extends_leaves_no_listener_open() {
    let ends: [fn(&Forgetful); 3] = [
        |driver| driver.stop().unwrap(),
        |driver| driver.abort().unwrap(),
        |_| {},
    ];
    for (nth, end) in ends.into_iter().enumerate() {
        let fails = nth == 2;
        let claim = TestPort::claim();
        let port = claim.number();
        let server = TcpServer::builder("server")
            .host("127.0.0.1")
            .port(port)
            .build()
            .unwrap();
        let driver = Forgetful { server, fails };
        assert_eq!(driver.start().is_err(), fails);
        end(&driver);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "{nth}");
    }
}

#[test]
fn a_driver_that_extends_another_answers_as_that_does() {
    let replies = Replies::framed(Lines::new()).on(equals("PING").times(1..), "PONG\n");
    let greeter = GreeterBuilder::new().name("greeter").replies(replies);
    let greeter: Greeter = greeter.build().unwrap();
    greeter.start().unwrap();
    let port = greeter.server.port().unwrap();
    let client = TcpClient::builder("client").host("localhost").port(port);
    let client = client.build().unwrap();
    client.start().unwrap();
    client.send_text("PING\n").unwrap();
    assert_eq!(client.receive_line_text().unwrap(), "PONG");
    greeter.restart().unwrap();
    let error = format!("{:?}", greeter.stop().unwrap_err());
    assert!(error.contains("never did"), "{error}");
}
