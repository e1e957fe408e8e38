//! The address of each end in a capture, which identifies its name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::flow::{End, Flow};
use crate::address::Address;

/// What ends without an address are shown at: addresses for documentation.
const UNIX: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// How long a name may be: names of hosts are shorter still.
const LONGEST: usize = 63;

pub(super) struct Names<'t> {
    addresses: HashMap<(IpAddr, Option<&'t str>), IpAddr>,
    shown: BTreeMap<IpAddr, String>,
}

impl<'t> Names<'t> {
    pub(super) fn of(flows: &[Flow<'t>]) -> Self {
        let ends = flows.iter().flat_map(|flow| &flow.ends);
        let mut named: Vec<(IpAddr, Option<&str>)> = ends.map(|end| (ip(end), end.name)).collect();
        named.sort();
        named.dedup();
        let mut free = Free {
            taken: named.iter().map(|(address, _)| *address).collect(),
            next: 1,
        };
        let mut all = Self {
            addresses: HashMap::new(),
            shown: BTreeMap::new(),
        };
        for names in named.chunk_by(|a, b| a.0 == b.0) {
            for &(address, name) in names {
                let shared = names.len() > 1 && name.is_some();
                let own = if shared { free.like(address) } else { address };
                all.addresses.insert((address, name), own);
                if let Some(name) = name {
                    all.shown.insert(own, shown(name));
                }
            }
        }
        all
    }

    /// The ends of a flow as they stand in its packets.
    pub(super) fn ends(&self, flow: &Flow<'t>, number: usize) -> [SocketAddr; 2] {
        // Ends without a port get one that no other of them has.
        let ports = [
            (number / 60_000 + 1) as u16,
            (number % 60_000 + 1024) as u16,
        ];
        let mut ends = [(&flow.ends[0], ports[1]), (&flow.ends[1], ports[0])].map(|(end, port)| {
            let ip = self.addresses[&(ip(end), end.name)];
            match &end.address {
                Address::Tcp(address) => SocketAddr::new(ip, address.port()),
                Address::Unix(_) | Address::Unnamed => SocketAddr::new(ip, port),
            }
        });
        // A packet is of one family.
        if ends[0].is_ipv4() != ends[1].is_ipv4() {
            for end in &mut ends {
                if let IpAddr::V4(address) = end.ip() {
                    end.set_ip(address.to_ipv6_mapped().into());
                }
            }
        }
        ends
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (IpAddr, &str)> {
        self.shown.iter().map(|(ip, name)| (*ip, name.as_str()))
    }
}

fn ip(end: &End<'_>) -> IpAddr {
    match &end.address {
        Address::Tcp(address) => address.ip(),
        Address::Unix(_) | Address::Unnamed => UNIX.into(),
    }
}

/// Addresses that nobody has.
struct Free {
    taken: HashSet<IpAddr>,
    next: u32,
}

impl Free {
    fn like(&mut self, address: IpAddr) -> IpAddr {
        loop {
            self.next += 1;
            let own = match address {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(0x7f00_0000 | self.next)),
                IpAddr::V6(_) => {
                    IpAddr::V6(Ipv6Addr::from_bits(0xfd << 120 | u128::from(self.next)))
                }
            };
            if self.taken.insert(own) {
                return own;
            }
        }
    }
}

/// A name as that of a host: without spaces and what moves a cursor.
fn shown(name: &str) -> String {
    let plain = |c: char| {
        if c.is_alphanumeric() || "-_.:@/+".contains(c) {
            c
        } else {
            '_'
        }
    };
    let mut out = String::new();
    for character in name.chars().map(plain) {
        if out.len() + character.len_utf8() > LONGEST {
            break;
        }
        out.push(character);
    }
    if out.is_empty() { "_".to_owned() } else { out }
}
