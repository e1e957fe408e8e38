use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use standin_config::{Port, Setting};
use standin_entity::{Check, Error, Result};

use super::probe::Paced;
use super::{Probe, Progress, not_yet};
use crate::{Driver, Lifecycle};

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
    pub(super) fn probe(&self) -> Box<dyn Probe> {
        Box::new(PortProbe {
            condition: self.clone(),
            paced: Paced::default(),
        })
    }
}

#[derive(Debug)]
struct PortProbe {
    condition: PortAccepts,
    paced: Paced,
}

impl Probe for PortProbe {
    fn check(&mut self, driver: &dyn Driver, _progress: &mut Progress) -> Result<Check> {
        let PortAccepts {
            host,
            port,
            interval,
        } = &self.condition;
        self.paced.check(*interval, || attempt(driver, host, port))
    }
}

fn attempt(driver: &dyn Driver, host: &Setting<String>, port: &Setting<Port>) -> Result<Check> {
    let base = driver.base();
    let host = match host {
        Setting::Plain(host) => driver.render_template(host)?,
        setting => base.expand(setting)?,
    };
    let port = match port {
        Setting::Plain(Port::Service(text)) => Port::from(driver.render_template(text)?),
        setting => base.expand(setting)?,
    };
    let number = port.number().map_err(Error::other)?;
    let what = format!("port {number} of {host}");
    let addresses = match (host.as_str(), number).to_socket_addrs() {
        Ok(addresses) => addresses,
        // A name that is not known yet may be later.
        Err(error) => return Ok(not_yet(what, error)),
    };
    let mut seen = "the host has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, ATTEMPT) {
            // Without anybody behind it, the system may connect a port with itself.
            Ok(stream) if stream.local_addr().ok() == stream.peer_addr().ok() => {
                seen = "nobody listens".to_owned();
            }
            Ok(_) => return Ok(Check::Ready),
            Err(error) => seen = error.to_string(),
        }
    }
    Ok(not_yet(what, seen))
}
