use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use standin_config::{OptionValue, Port, Setting, Value, ValueError};
use standin_entity::{Error, Result};

use super::Progress;
use super::listening::{is_local, listens};
use super::probe::{Answer, Paced, Question};
use crate::{Driver, ImpossibleCondition, Lifecycle, PortInUse};

pub(super) const INTERVAL: Duration = Duration::from_millis(20);

/// How long one attempt may take: a port that answers does it at once, and an
/// abort of the start waits for it.
const ATTEMPT: Duration = Duration::from_millis(250);

/// A TCP port accepts connections; see [`Readiness::port`](super::Readiness::port).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortAccepts {
    pub(super) host: Setting<String>,
    pub(super) port: Setting<Port>,
    pub(super) interval: Duration,
}

impl PortAccepts {
    pub(super) fn question(&self) -> impl Question + use<> {
        PortProbe {
            condition: self.clone(),
            paced: Paced::default(),
        }
    }
}

#[derive(Debug)]
struct PortProbe {
    condition: PortAccepts,
    paced: Paced,
}

impl Question for PortProbe {
    fn ask(&mut self, driver: &dyn Driver, progress: &mut Progress) -> Result<Answer> {
        let condition = &self.condition;
        let check = || condition.attempt(driver, progress);
        self.paced.check(condition.interval, check)
    }
}

/// Begins a host that is the path of a Unix socket.
const UNIX: &str = "unix:";

impl PortAccepts {
    /// Refuses a host that has no ports, one that is not a name or an address, and a port that
    /// nothing listens on: the start would wait for them until its limit. A template is checked
    /// when it is rendered.
    pub(super) fn check(&self) -> std::result::Result<(), ValueError> {
        if let Setting::Plain(host) = &self.host
            && !is_template(host)
            && let Some(error) = wrong_host(host)
        {
            return Err(error.at_key("host"));
        }
        match &self.port {
            Setting::Plain(Port::Number(0)) => {
                let error = ValueError::saying("nothing listens on port 0");
                let hint = "0 asks the system for a free port: wait for the port that it has chosen, \
                            such as { port = \"{{ port }}\" }";
                Err(error.hint(hint).at_key("port"))
            }
            Setting::Plain(Port::Service(text)) if is_template(text) => Ok(()),
            port => port.check().map_err(|error| error.at_key("port")),
        }
    }

    fn attempt(&self, driver: &dyn Driver, progress: &Progress) -> Result<Answer> {
        let (host, number) = self.place(driver)?;
        let what = format!("port {number} of {host}");
        let addresses = match (host.as_str(), number).to_socket_addrs() {
            Ok(addresses) => addresses,
            // A name that is not known yet may be later.
            Err(error) => return Ok(Answer::not_yet(what, error)),
        };
        let mut seen = "the host has no address".to_owned();
        for address in addresses {
            match accepts(address) {
                Ok(()) => {
                    // A peer that connects there talks to this driver.
                    let recorder = driver.base().recorder();
                    recorder.name_address(address, progress.tape.name());
                    return Ok(Answer::Met);
                }
                Err(why) => seen = why,
            }
        }
        Ok(Answer::not_yet(what, seen))
    }

    /// Refuses a port of this machine that is in use before the start.
    /// One that is known only later is the driver's own.
    pub(super) fn check_before(&self, driver: &dyn Driver) -> std::result::Result<(), PortInUse> {
        let Ok((host, port)) = self.place(driver) else {
            return Ok(());
        };
        let addresses = (host.as_str(), port).to_socket_addrs();
        let mut addresses = addresses.into_iter().flatten();
        let is_taken = |address: SocketAddr| is_local(address.ip()) && accepts(address).is_ok();
        if addresses.any(is_taken) {
            return Err(PortInUse {
                driver: driver.name().to_owned(),
                host,
                port,
            });
        }
        Ok(())
    }

    /// The host and the port, if they are known.
    fn place(&self, driver: &dyn Driver) -> Result<(String, u16)> {
        let base = driver.base();
        let host = match &self.host {
            Setting::Plain(host) => driver.render_template(host)?,
            setting => base.expand(setting)?,
        };
        let port = match &self.port {
            Setting::Plain(Port::Service(text)) => Port::from(driver.render_template(text)?),
            setting => base.expand(setting)?,
        };
        let port = port.number().map_err(Error::other)?;
        if port == 0 || host.starts_with(UNIX) {
            return Err(ImpossibleCondition::NoPort {
                driver: driver.name().to_owned(),
                host,
                port,
            }
            .into());
        }
        Ok((host, port))
    }
}

fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// Why a text cannot be a host that has ports.
fn wrong_host(host: &str) -> Option<ValueError> {
    if host.starts_with(UNIX) {
        let error = ValueError::saying("a Unix socket has no port to wait for");
        return Some(error.hint(
            "wait for the file of the socket, such as { file = \"/run/app.sock\" }, or for what the \
             program prints, { log = \"ready\" }",
        ));
    }
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    let (address, _zone) = host.split_once('%').unwrap_or((host, ""));
    if is_address(address) {
        return None;
    }
    let stray = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | '/' | '[' | ']');
    (host.is_empty() || host.contains(stray)).then(|| {
        let hint = match host.starts_with('[') {
            true => "write the address without brackets: { host = \"::1\", port = 8080 }",
            false => "write the port beside it: { host = \"localhost\", port = 8080 }",
        };
        ValueError::new("a host name or an address", Value::from(host).to_string()).hint(hint)
    })
}

/// Whether a connection would be accepted, or why not. Only an address that the
/// system knows nothing of is connected to.
fn accepts(address: SocketAddr) -> std::result::Result<(), String> {
    if is_local(address.ip()) {
        match listens(address) {
            Some(true) => return Ok(()),
            Some(false) if address.ip().is_loopback() => {
                return Err("nothing listens there".to_owned());
            }
            _ => {}
        }
    }
    match TcpStream::connect_timeout(&address, ATTEMPT) {
        // Without anybody behind it, the system may connect a port with itself.
        Ok(stream) if stream.local_addr().ok() == stream.peer_addr().ok() => {
            Err("nothing listens there".to_owned())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
