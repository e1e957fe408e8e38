//! One packet: IP and TCP headers before what was kept of a piece.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;

/// The most that one packet carries: an IP packet has a length of sixteen bits.
pub(super) const MOST: u64 = 65_000;

const TCP: u8 = 6;
const TCP_HEADER: usize = 20;

/// A window of a gigabyte: it is never full.
const WINDOW_SCALE: [u8; 4] = [3, 3, 14, 1];

pub(super) struct Packet<'t> {
    pub(super) at: Duration,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) sequence: u32,
    pub(super) acknowledged: u32,
    pub(super) flags: u8,
    /// What is known of what it carries.
    pub(super) bytes: &'t [u8],
    /// How many bytes it carries.
    pub(super) length: u32,
    pub(super) comments: Vec<String>,
}

impl Packet<'_> {
    pub(super) fn full_length(&self) -> u32 {
        let ip = if self.from.is_ipv4() { 20 } else { 40 };
        ip + self.tcp_length()
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let start = out.len();
                out.extend([0x45, 0]);
                out.extend((self.full_length() as u16).to_be_bytes());
                out.extend([0, 0, 0x40, 0, 64, TCP, 0, 0]); // not to be cut, 64 hops
                out.extend(from.octets());
                out.extend(to.octets());
                let sum = checksum(&[&out[start..]]);
                out[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
                self.write_tcp(out, &[&from.octets()[..], &to.octets()[..]].concat());
            }
            (from, to) => {
                let [from, to] = [from, to].map(six);
                out.extend([0x60, 0, 0, 0]);
                out.extend((self.tcp_length() as u16).to_be_bytes());
                out.extend([TCP, 64]);
                out.extend(from);
                out.extend(to);
                self.write_tcp(out, &[from, to].concat());
            }
        }
    }

    fn options(&self) -> &'static [u8] {
        if self.flags & SYN == 0 {
            &[]
        } else {
            &WINDOW_SCALE
        }
    }

    fn tcp_length(&self) -> u32 {
        (TCP_HEADER + self.options().len()) as u32 + self.length
    }

    fn write_tcp(&self, out: &mut Vec<u8>, addresses: &[u8]) {
        let start = out.len();
        let options = self.options();
        out.extend(self.from.port().to_be_bytes());
        out.extend(self.to.port().to_be_bytes());
        out.extend(self.sequence.to_be_bytes());
        out.extend(self.acknowledged.to_be_bytes());
        let words = ((TCP_HEADER + options.len()) / 4) as u8;
        out.extend([words << 4, self.flags]);
        out.extend(u16::MAX.to_be_bytes()); // the window
        out.extend([0; 4]); // checksum, urgent pointer
        out.extend(options);
        out.extend(self.bytes);
        // Of a packet that is not whole nobody can check it.
        let length = self.tcp_length().to_be_bytes();
        let sum = checksum(&[addresses, &[0, TCP], &length, &out[start..]]);
        out[start + 16..start + 18].copy_from_slice(&sum.to_be_bytes());
    }
}

fn six(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The checksum of the Internet protocols. All parts but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        for pair in part.chunks(2) {
            let high = u64::from(pair[0]) << 8;
            sum += high + pair.get(1).copied().map_or(0, u64::from);
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_with_its_checksum_sums_up_to_nothing() {
        for ip in ["127.0.0.1", "::1"] {
            let ip: IpAddr = ip.parse().unwrap();
            let packet = Packet {
                at: Duration::ZERO,
                from: (ip, 8080).into(),
                to: (ip, 41234).into(),
                sequence: 1,
                acknowledged: 7,
                flags: PSH | ACK,
                bytes: b"hello",
                length: 5,
                comments: Vec::new(),
            };
            let mut out = Vec::new();
            packet.write(&mut out);
            assert_eq!(out.len(), packet.full_length() as usize);
            let (header, addresses) = if ip.is_ipv4() {
                assert_eq!(checksum(&[&out[..20]]), 0);
                (20, &out[12..20])
            } else {
                (40, &out[8..40])
            };
            let length = ((out.len() - header) as u32).to_be_bytes();
            let all = [addresses, &[0, TCP], &length, &out[header..]];
            assert_eq!(checksum(&all), 0);
        }
    }
}
