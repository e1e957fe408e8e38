//! The blocks of a pcapng file
//! (<https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html>), in little endian.

use std::net::IpAddr;
use std::time::Duration;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const NAMES: u32 = 4;
const PACKET: u32 = 6;
const SECRETS: u32 = 10;

const COMMENT: u16 = 1;
const APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const RESOLUTION: u16 = 9;

/// Packets begin with their IP header.
const LINK_RAW: u16 = 101;

/// A file to be, with everything that stands before its first packet.
pub(super) struct Blocks(Vec<u8>);

impl Blocks {
    pub(super) fn new(name: &str) -> Self {
        let mut out = Self(Vec::new());
        out.block(SECTION, |out| {
            out.extend(0x1a2b_3c4d_u32.to_le_bytes());
            out.extend([1, 0, 0, 0]); // version 1.0
            out.extend(u64::MAX.to_le_bytes()); // as long as it is
            option(out, COMMENT, name.as_bytes());
            option(out, APPLICATION, b"standin");
            end_of_options(out);
        });
        out.block(INTERFACE, |out| {
            out.extend(LINK_RAW.to_le_bytes());
            out.extend([0; 2]);
            out.extend([0; 4]); // no limit for a packet
            option(out, INTERFACE_NAME, b"standin");
            option(out, RESOLUTION, &[9]); // nanoseconds
            end_of_options(out);
        });
        out
    }

    /// Secrets have to stand before the packets that they are for.
    pub(super) fn secrets(&mut self, key_log: &[u8]) {
        self.block(SECRETS, |out| {
            out.extend(0x544c_534b_u32.to_le_bytes()); // TLSK: a key log of TLS
            out.extend(length(key_log).to_le_bytes());
            padded(out, key_log);
        });
    }

    pub(super) fn names<'n>(&mut self, names: impl Iterator<Item = (IpAddr, &'n str)>) {
        self.block(NAMES, |out| {
            for (address, name) in names {
                let (kind, mut value) = match address {
                    IpAddr::V4(address) => (1_u16, address.octets().to_vec()),
                    IpAddr::V6(address) => (2, address.octets().to_vec()),
                };
                value.extend(name.as_bytes());
                value.push(0);
                option(out, kind, &value);
            }
            end_of_options(out);
        });
    }

    pub(super) fn packet(&mut self, time: Duration, bytes: &[u8], full: u32, comments: &[String]) {
        // What does not fit is after the year 2500.
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.block(PACKET, |out| {
            out.extend([0; 4]); // the one interface
            out.extend(((time >> 32) as u32).to_le_bytes());
            out.extend((time as u32).to_le_bytes());
            out.extend(length(bytes).to_le_bytes());
            out.extend(full.to_le_bytes());
            padded(out, bytes);
            if !comments.is_empty() {
                for comment in comments {
                    option(out, COMMENT, comment.as_bytes());
                }
                end_of_options(out);
            }
        });
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    /// The length of a block stands in front of it and behind it.
    fn block(&mut self, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.0.len();
        self.0.extend(kind.to_le_bytes());
        self.0.extend([0; 4]);
        body(&mut self.0);
        let total = length(&self.0[start..]) + 4;
        self.0.extend(total.to_le_bytes());
        self.0[start + 4..start + 8].copy_from_slice(&total.to_le_bytes());
    }
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    // Texts are cut long before that.
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    out.extend(code.to_le_bytes());
    out.extend((value.len() as u16).to_le_bytes());
    padded(out, value);
}

fn end_of_options(out: &mut Vec<u8>) {
    out.extend([0; 4]);
}

fn padded(out: &mut Vec<u8>, value: &[u8]) {
    out.extend(value);
    out.resize(out.len() + value.len().next_multiple_of(4) - value.len(), 0);
}

fn length(bytes: &[u8]) -> u32 {
    // A block has what was kept of one packet, or names and secrets in memory.
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
