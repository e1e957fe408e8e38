//! The proxy as a driver: how it starts, is checked at the end, and stops.

use std::net::IpAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use standin_config::FromOptions;
use standin_connection::{ConnectionInfo, Direction as Side, Ends, Protocol};
use standin_driver::{Attributes, BuildError, Driver, DriverBase, WaitEnd};
use standin_entity::Result;
use standin_reactor::Reactor;
use standin_socket::{Address, Client, Server};
use standin_sync::Unpoisoned;

use crate::config::host_and_port;
use crate::control::{Control, Shared};
use crate::listener::Listener;
use crate::proxy::{ABORT_LIMIT, Running, State, TcpProxy};
use crate::random::Random;
use crate::rule::Rule;
use crate::{Links, ProxyError, TcpProxyBuilder, TcpProxyConfig};

impl FromOptions<TcpProxyBuilder> for TcpProxy {
    type Error = BuildError;

    fn from_options(options: TcpProxyBuilder) -> Result<Self, BuildError> {
        let base = DriverBase::new("TcpProxy", options)?;
        let control = Control::new(base.name());
        let config = base.options().shared::<TcpProxyConfig>()?;
        control.change(|state| {
            let links = [&config.up, &config.down];
            state.orders.links =
                links.map(|Links(links)| links.iter().cloned().map(Shared::from).collect());
            // What is wrong with a fault is a mistake of the options, which was found before.
            let rules = config.faults.iter().cloned().map(Rule::new);
            state.orders.rules = rules.flatten().map(Arc::new).collect();
            state.framing = config.new_framing();
            state.seed = config.seed.unwrap_or_else(Random::any_seed);
            state.connect_limit = config.connect_limit;
        });
        Ok(TcpProxy {
            base,
            control,
            state: RwLock::default(),
        })
    }
}

impl Driver for TcpProxy {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn starting(&self) -> Result<()> {
        let config: TcpProxyConfig = self.base.config()?;
        let host = self.base.expand(&config.host)?;
        let port = self.base.expand(&config.port)?;
        let port = port.number().map_err(|source| ProxyError::Port {
            proxy: self.base.name().to_owned(),
            source,
        })?;
        let to = self.base.expand(&config.to)?;
        let targets = self.targets(&to)?;
        self.control.begin_waits();
        let server = Server::builder()
            .label(self.base.name())
            .host(&host)
            .port(port)
            .record(self.base.tape())
            .bind()?;
        if targets.iter().any(|target| reaches(&server, target)) {
            return Err(ProxyError::Itself {
                proxy: self.base.name().to_owned(),
                to,
            }
            .into());
        }
        let client = Client::builder()
            .label(self.base.name())
            .record(self.base.tape());
        let reactor = Reactor::acquire().map_err(|source| ProxyError::NoReactor {
            proxy: self.base.name().to_owned(),
            source,
        })?;
        let group = Arc::new(reactor.group(self.base.name()));
        self.control.change(|state| {
            state.targets = targets;
            state.pairs.clear();
            state.unreached = None;
            state.orders.rules.iter().for_each(|rule| rule.renew());
        });
        if let Some(over) = WaitEnd::of(&self.base) {
            self.control.end_waits(over);
        }
        if config.refuse {
            server.refuse()?;
        }
        let port = server.port();
        tracing::info!(proxy = self.base.name(), host, port, to, "listening");
        let listener = Listener::new(&server, client, Arc::clone(&self.control));
        group.spawn(listener);
        let limit = config.driver.resource.limit_of_stop(Duration::ZERO).total();
        *self.state.write().unpoisoned() = State {
            running: Some(Running { server, group }),
            host: Some(host),
            port: Some(port),
            target: Some(to),
            limit: limit / 2,
        };
        Ok(())
    }

    fn verify(&self) -> Result<()> {
        let limit = self.state.read().unpoisoned().limit;
        if let Some(group) = self.group() {
            let settled = group.settle(limit);
            settled.map_err(|stuck| ProxyError::Stuck { stuck })?;
        }
        let faults = self.never_happened();
        if faults.is_empty() {
            return Ok(());
        }
        let mut connections = self.control.connections();
        connections.extend(self.control.chance());
        Err(ProxyError::NeverHappened {
            proxy: self.base.name().to_owned(),
            faults,
            connections,
        })?
    }

    fn trouble(&self) -> Option<String> {
        let not_reached = self.control.state().not_reached();
        let troubles = [not_reached, self.control.chance()];
        let troubles: Vec<String> = troubles.into_iter().flatten().collect();
        (!troubles.is_empty()).then(|| troubles.join("; "))
    }

    fn stopping(&self) -> Result<()> {
        let limit = self.state.read().unpoisoned().limit;
        Ok(self.end(limit, WaitEnd::Stopped, Server::close)?)
    }

    fn interrupting(&self) {
        self.control.end_waits(WaitEnd::Interrupted);
        if let Ok(server) = self.server() {
            server.abort();
        }
    }

    fn aborting(&self) -> Result<()> {
        Ok(self.end(ABORT_LIMIT, WaitEnd::Aborted, Server::abort)?)
    }

    fn attributes(&self) -> Attributes {
        let state = self.state.read().unpoisoned();
        Attributes::new()
            .with_known("host", state.host.clone())
            .with_known("port", state.port)
            .with_known("target", state.target.clone())
            .with_known("connection_identifier", state.port)
    }

    fn connections(&self) -> Vec<ConnectionInfo> {
        let (host, port, server) = {
            let state = self.state.read().unpoisoned();
            let server = state.running.as_ref().map(|running| running.server.clone());
            (state.host.clone(), state.port, server)
        };
        let near = match (host, port) {
            (Some(host), Some(port)) => match host.strip_prefix("unix:") {
                Some(path) => {
                    ConnectionInfo::new(Protocol::Unix, Side::Listening).with_identifier(path)
                }
                None => ConnectionInfo::tcp_listening(port, host),
            },
            _ => ConnectionInfo::new(Protocol::Tcp, Side::Listening),
        };
        let Some(server) = server else {
            return vec![near.closed()];
        };
        let near = match server.local_socket_addr() {
            Some(bound) => near.with_bound(bound),
            None => return vec![near],
        };
        let state = self.control.state();
        let open = server.all_connections();
        let ends = open
            .iter()
            .filter(|near| near.is_connected())
            .filter_map(|near| {
                let local = near.local_address().socket_addr()?;
                Some(Ends::new(local, near.peer_address().socket_addr()?))
            });
        let near = ends.fold(near, ConnectionInfo::with_connection);
        let far = state.pairs.values().filter_map(|pair| pair.far_ends);
        let far = far.map(|ends| {
            let local = ends.local();
            let port = ends.peer().port();
            ConnectionInfo::tcp_connecting(port, local.ip().to_string(), local.port())
                .with_connection(ends)
        });
        std::iter::once(near).chain(far).collect()
    }
}

impl TcpProxy {
    fn targets(&self, to: &str) -> Result<Vec<Address>, ProxyError> {
        let wrong = || ProxyError::Target {
            proxy: self.base.name().to_owned(),
            to: to.to_owned(),
        };
        let (host, port) = host_and_port(to).ok_or_else(wrong)?;
        Address::resolve(host, port).map_err(|source| ProxyError::Resolve {
            proxy: self.base.name().to_owned(),
            to: to.to_owned(),
            source,
        })
    }

    /// Ends everything at once, or the connections as they are.
    fn end(
        &self,
        limit: Duration,
        over: WaitEnd,
        how: impl FnOnce(&Server),
    ) -> Result<(), ProxyError> {
        // Before the connections: nobody is to take their end for the program's.
        self.control.end_waits(over);
        // In a `let`: nothing is locked while it ends.
        let running = self.state.write().unpoisoned().running.take();
        let Some(running) = running else {
            return Ok(());
        };
        how(&running.server);
        let ended = running.group.end(limit);
        ended.map_err(|stuck| ProxyError::Stuck { stuck })
    }

    /// The faults that should have happened, and have not.
    fn never_happened(&self) -> Vec<String> {
        let state = self.control.state();
        let rules = state.orders.rules.iter();
        let missing = rules.filter(|rule| rule.fired() == 0 && !rule.fault.optional);
        missing.map(|rule| rule.fault.to_string()).collect()
    }
}

/// Whether who connects to `target` is accepted by `server`.
fn reaches(server: &Server, target: &Address) -> bool {
    let bound = server.local_address();
    let is_here = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    let is_on_all = bound.ip().is_some_and(|ip| ip.is_unspecified());
    bound == target
        || is_on_all && bound.port() == target.port() && target.ip().is_some_and(is_here)
}
