//! A transcript as a capture in the format pcapng, which Wireshark opens.
//!
//! Nothing was captured, so packets are made up: of each connection a handshake, each piece as
//! a segment with the time and place of its record, and how it ended. Drivers on one address
//! get addresses of their own, as a capture has names for addresses only, not for ports.

mod blocks;
mod flow;
mod names;
mod packet;

use std::borrow::Cow;
use std::fmt::Write;

use crate::event::Event;
use crate::shown::one_line;
use crate::transcript::{Conversation, Dropped, Record, Transcript};
use blocks::Blocks;
use flow::Flow;
use names::Names;

impl Transcript {
    /// Returns the transcript as a capture in the format pcapng, for Wireshark and `tshark`: times
    /// in nanoseconds, drivers by name, places in the test as comments on packets, and secrets with
    /// which encrypted bytes can be read.
    ///
    /// A connection whose ends are both recorded appears once. Pieces that were not kept whole
    /// appear with their beginning and their length. Ends that share an address, as all on
    /// `127.0.0.1` do, have different addresses here (`127.0.0.2`, ...), so that each can have its
    /// name; a comment on the first packet has the real ones. Unix sockets are shown as if they
    /// were TCP. TLS connections appear as they were on the wire, which Wireshark decrypts.
    pub fn to_pcapng(&self) -> Vec<u8> {
        let wire = on_the_wire(self);
        let flows = flow::flows(&wire);
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

/// The transcript with what went over the wire in the place of what was said, where that is known
/// to be something else.
fn on_the_wire(transcript: &Transcript) -> Cow<'_, Transcript> {
    let has_wire = |conversation: &Conversation| !conversation.wire.is_empty();
    if !transcript.conversations.iter().any(has_wire) {
        return Cow::Borrowed(transcript);
    }
    let mut transcript = transcript.clone();
    for conversation in &mut transcript.conversations {
        let wire = std::mem::take(&mut conversation.wire);
        let Some(first) = wire.first().map(|record| record.at) else {
            continue;
        };
        // What was said before is what was on the wire then.
        conversation.records.retain(|record| {
            let is_said = matches!(record.event, Event::Sent(_) | Event::Received(_));
            !is_said || record.at < first
        });
        conversation.records.extend(wire);
        Record::sort(&mut conversation.records);
        conversation.dropped = Dropped::default();
    }
    Cow::Owned(transcript)
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
