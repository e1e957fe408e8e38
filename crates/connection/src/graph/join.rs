//! Which reported ends belong together.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use crate::group::label;
use crate::{ConnectionInfo, Direction, Ends, Identifier, Protocol};

/// One end of a connection, and whose it is.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) driver: String,
    pub(super) info: ConnectionInfo,
}

/// How it is known that two drivers are connected, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// Both name the same connection; neither reported its addresses.
    Name,
    /// The addresses that one end reported fit the port and host of the other.
    OneEnd,
    /// Both ends reported the addresses of the same established connection.
    BothEnds,
}

/// A connecting and a listening report that belong together, by their places.
pub(super) struct Join {
    pub(super) client: usize,
    pub(super) server: usize,
    pub(super) start: String,
    pub(super) end: String,
    pub(super) evidence: Evidence,
    /// The listening end's established connection, when it reported one.
    accepted: Option<Ends>,
}

/// A listening report, by its place.
type Listener<'r> = (usize, &'r ConnectionInfo);

/// A connection of a listening report, as its other end sees it.
type Mirror<'r> = (&'r Protocol, SocketAddr, SocketAddr);

/// The listening reports by everything that a client may know of them.
#[derive(Default)]
struct Listeners<'r> {
    by_ends: HashMap<Mirror<'r>, Vec<(usize, Ends)>>,
    by_port: HashMap<(&'r Protocol, u16), Vec<Listener<'r>>>,
    by_name: HashMap<String, Vec<Listener<'r>>>,
}

pub(super) fn joins(reports: &[Report]) -> Vec<Join> {
    let listeners = Listeners::of(reports);
    let mut found = Vec::new();
    for (client, Report { info, .. }) in reports.iter().enumerate() {
        if info.direction() != Direction::Connecting || info.is_closed() {
            continue;
        }
        if info.ends().is_empty() {
            found.extend(listeners.by_name(client, info));
        }
        for ends in info.ends() {
            found.extend(listeners.by_addresses(client, info, *ends));
        }
    }
    found
}

/// The accepted connections that no reported end explains, and whose they are.
/// One that is half-closed may be all that is left of a driver's.
pub(super) fn unexplained<'r>(reports: &'r [Report], joins: &[Join]) -> Vec<(&'r str, Ends)> {
    // A client that does not know its port may be any of them.
    let vague: HashSet<usize> = joins
        .iter()
        .filter(|join| is_vague(&reports[join.client].info))
        .map(|join| join.server)
        .collect();
    let explained: HashSet<(&str, Ends)> = joins
        .iter()
        .filter_map(|join| Some((reports[join.server].driver.as_str(), join.accepted?)))
        .collect();
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for (place, Report { driver, info }) in reports.iter().enumerate() {
        if info.direction() != Direction::Listening || vague.contains(&place) {
            continue;
        }
        for ends in info.ends().iter().filter(|ends| !ends.is_half_closed()) {
            let accepted = (driver.as_str(), *ends);
            if !explained.contains(&accepted) && seen.insert(accepted) {
                found.push(accepted);
            }
        }
    }
    found
}

impl<'r> Listeners<'r> {
    fn of(reports: &'r [Report]) -> Self {
        let mut listeners = Self::default();
        for (place, Report { info, .. }) in reports.iter().enumerate() {
            if info.direction() != Direction::Listening || info.is_closed() {
                continue;
            }
            let protocol = info.protocol();
            for ends in info.ends() {
                let (local, peer) = ends.plain();
                let connection = listeners.by_ends.entry((protocol, peer, local));
                connection.or_default().push((place, *ends));
            }
            if let Some(port) = listening_port(info) {
                let port = listeners.by_port.entry((protocol, port));
                port.or_default().push((place, info));
            }
            // Nobody is known by not being known.
            if info.identifier().is_some() {
                let name = listeners.by_name.entry(info.connection_rep());
                name.or_default().push((place, info));
            }
        }
        listeners
    }

    /// For a client that reported where its connection goes.
    fn by_addresses(&self, client: usize, info: &'r ConnectionInfo, ends: Ends) -> Vec<Join> {
        let start = ends.local().port().to_string();
        let (local, peer) = ends.plain();
        let mirrored = (info.protocol(), local, peer);
        if let Some(mirrored) = self.by_ends.get(&mirrored) {
            let join = |(server, accepted): &(usize, Ends)| Join {
                client,
                server: *server,
                start: start.clone(),
                end: accepted.local().port().to_string(),
                evidence: Evidence::BothEnds,
                accepted: Some(*accepted),
            };
            return mirrored.iter().map(join).collect();
        }
        // A server that has not accepted the connection yet does not report it.
        // Nor does one that has closed it, and then the client has seen the end.
        if ends.is_half_closed() {
            return Vec::new();
        }
        let at_port = self.by_port.get(&(info.protocol(), peer.port()));
        let named = self.by_name.get(&info.connection_rep());
        let named = named.into_iter().flatten();
        let portless = named.filter(|(_, listening)| listening_port(listening).is_none());
        at_port
            .into_iter()
            .flatten()
            .chain(portless)
            .filter(|(_, listening)| match listening.bound() {
                Some(bound) => leads_to(ends, bound),
                None => host_may_be(listening.host(), peer.ip()),
            })
            .map(|(server, listening)| Join {
                client,
                server: *server,
                start: start.clone(),
                end: label(listening),
                evidence: Evidence::OneEnd,
                accepted: None,
            })
            .collect()
    }

    /// For a client that reported its own port at most.
    fn by_name(&self, client: usize, info: &ConnectionInfo) -> Vec<Join> {
        if info.identifier().is_none() {
            return Vec::new();
        }
        let Some(named) = self.by_name.get(&info.connection_rep()) else {
            return Vec::new();
        };
        let mut accepted = Vec::new();
        for (server, listening) in named {
            for ends in listening
                .ends()
                .iter()
                .filter(|ends| is_own(info, ends.peer()))
            {
                accepted.push(Join {
                    client,
                    server: *server,
                    start: label(info),
                    end: ends.local().port().to_string(),
                    evidence: Evidence::OneEnd,
                    accepted: Some(*ends),
                });
            }
        }
        if !accepted.is_empty() {
            return accepted;
        }
        named
            .iter()
            .map(|(server, listening)| Join {
                client,
                server: *server,
                start: label(info),
                end: label(listening),
                evidence: Evidence::Name,
                accepted: None,
            })
            .collect()
    }
}

fn listening_port(server: &ConnectionInfo) -> Option<u16> {
    if let Some(bound) = server.bound() {
        return Some(bound.port());
    }
    match server.identifier() {
        Some(Identifier::Port(port)) => server.port().or(Some(*port)),
        _ => server.port(),
    }
}

/// Whether `address` is the client's own end, as far as it reported.
fn is_own(client: &ConnectionInfo, address: SocketAddr) -> bool {
    client.port() == Some(address.port()) && host_may_be(client.host(), address.ip())
}

/// Whether a client's connection leads to a listener at `bound`.
fn leads_to(ends: Ends, bound: SocketAddr) -> bool {
    let (local, peer) = ends.plain();
    if !bound.ip().is_unspecified() {
        return peer.ip() == bound.ip();
    }
    // Of this machine: a connection to one of its own addresses comes from there.
    let is_own = peer.ip().is_loopback() || peer.ip() == local.ip();
    // A listener on IPv6 may take both families.
    is_own && (bound.is_ipv6() || peer.is_ipv4())
}

/// A name other than `localhost` could be any address: asking the resolver
/// here could give another answer than the driver got.
fn host_may_be(host: Option<&str>, address: IpAddr) -> bool {
    match host {
        None => true,
        Some("localhost") => address.is_loopback(),
        Some(host) => match host.parse::<IpAddr>() {
            Ok(ip) => ip.is_unspecified() || ip.to_canonical() == address,
            Err(_) => true,
        },
    }
}

fn is_vague(client: &ConnectionInfo) -> bool {
    let has_ports = *client.protocol() != Protocol::File;
    has_ports && client.ends().is_empty() && client.port().is_none()
}
