//! A transcript as a capture in the format pcapng, which Wireshark opens.
//!
//! Nothing was captured, so packets are made up: of each connection a handshake, each piece as
//! a segment with the time and place of its record, and how it ended. Drivers on one address
//! get addresses of their own, as a capture has names for addresses only, not for ports.

mod blocks;
mod flow;
mod names;
mod packet;

use std::fmt::Write;

use crate::shown::one_line;
use crate::transcript::Transcript;
use blocks::Blocks;
use flow::Flow;
use names::Names;

impl Transcript {
    /// The transcript as a capture in the format pcapng, for Wireshark and `tshark`: times in
    /// nanoseconds, drivers by name, places in the test as comments on packets, and secrets
    /// with which encrypted bytes can be read.
    ///
    /// A connection both of whose ends are recorded is in it once. Of pieces that were not
    /// kept whole the capture has the beginning and says how long they were. Ends that share
    /// an address, as all on `127.0.0.1` do, have addresses of their own here (`127.0.0.2`,
    /// ...), so that each can have its name; a comment on the first packet has the real ones.
    /// Unix sockets are shown as if they were TCP.
    pub fn to_pcapng(&self) -> Vec<u8> {
        let flows = flow::flows(self);
        let names = Names::of(&flows);
        let mut packets = Vec::new();
        for (number, flow) in flows.iter().enumerate() {
            flow::packets(flow, names.ends(flow, number), number, &mut packets);
        }
        packets.sort_by_key(|packet| packet.at);
        let mut out = Blocks::new(&format!("standin: {}", one_line(&self.name, 200)));
        if !self.secrets.is_empty() {
            out.secrets(self.secrets.as_bytes());
        }
        out.names(names.all());
        let mut bytes = Vec::new();
        for packet in &packets {
            bytes.clear();
            packet.write(&mut bytes);
            let time = (self.started + packet.at).duration_since(std::time::UNIX_EPOCH);
            // Nobody tests before 1970; a clock that says so gives times from then on.
            let time = time.unwrap_or(packet.at);
            out.packet(time, &bytes, packet.full_length(), &packet.comments);
        }
        out.finish()
    }
}

/// What the first packet of a connection says about it.
fn heading(flow: &Flow<'_>) -> String {
    let mut out = String::new();
    for (end, arrow) in flow.ends.iter().zip(["", " -> "]) {
        let name = end.name.map(|name| format!("{} ", one_line(name, 60)));
        let _ = write!(out, "{arrow}{}{}", name.unwrap_or_default(), end.address);
    }
    out
}
