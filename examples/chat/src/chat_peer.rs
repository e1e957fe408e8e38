//! A driver of your own: a peer that speaks a line-based chat protocol.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use standin::socket::Server;
use standin::{Attributes, BuildError, Check, Config, ConnectionInfo, Driver, DriverBase};
use standin::{DriverConfig, Error, FromOptions, Result};

/// The options of a [`ChatPeer`]. This is all there is to say of them: setters,
/// keys in files, checks and the editor's completion follow.
#[derive(Clone, Debug, Config)]
#[config(type_name = "chat-peer", builds = ChatPeer)]
pub struct ChatPeerConfig {
    /// The options that every driver has.
    #[config(include)]
    pub driver: DriverConfig,
    /// Room that guests are in.
    #[config(default = "lobby", non_empty)]
    pub room: String,
    /// What a guest hears first.
    #[config(default = "hello")]
    pub greeting: String,
    /// How often it repeats what a guest says.
    #[config(default = 1, range = 1..=10)]
    pub echoes: u32,
}

/// A peer that greets its guests and repeats what they say.
#[derive(Debug)]
pub struct ChatPeer {
    base: DriverBase,
    server: Mutex<Option<Server>>,
}

impl ChatPeer {
    /// Greets the next guest, and repeats one line of theirs.
    pub fn serve_one(&self, limit: Duration) -> Result<String> {
        let config: ChatPeerConfig = self.base.config()?;
        let guest = self.server()?.accept(limit)?;
        let greeting = format!("{} to the {}\n", config.greeting, config.room);
        guest.send(greeting.as_bytes(), limit)?;
        let line = String::from_utf8_lossy(&guest.receive_line(limit)?).into_owned();
        let echoes = format!("you said: {line}\n").repeat(config.echoes as usize);
        guest.send(echoes.as_bytes(), limit)?;
        Ok(line)
    }

    fn server(&self) -> Result<Server> {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let stopped = || Error::msg("the chat peer is not running");
        server.clone().ok_or_else(stopped)
    }
}

impl FromOptions<ChatPeerBuilder> for ChatPeer {
    type Error = BuildError;

    fn from_options(options: ChatPeerBuilder) -> Result<Self, BuildError> {
        let base = DriverBase::new("ChatPeer", options)?;
        Ok(ChatPeer {
            base,
            server: Mutex::default(),
        })
    }
}

impl Driver for ChatPeer {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn starting(&self) -> Result<()> {
        let server = Server::builder().label(self.base.name()).host("127.0.0.1");
        let server = server.record(self.base.tape());
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server.bind()?);
        Ok(())
    }

    fn started_check(&self) -> Result<Check> {
        Ok(Check::from(self.server()?.is_open()))
    }

    fn stopping(&self) -> Result<()> {
        self.server().into_iter().for_each(|server| server.close());
        Ok(())
    }

    fn attributes(&self) -> Attributes {
        let room = self.base.config().map(|config: ChatPeerConfig| config.room);
        let port = self.server().map(|server| server.port());
        let attributes = Attributes::new().with_known("room", room.ok());
        attributes.with_known("port", port.ok())
    }

    fn connections(&self) -> Vec<ConnectionInfo> {
        let info = |server: Server| ConnectionInfo::tcp_listening(server.port(), server.host());
        self.server().into_iter().map(info).collect()
    }
}
