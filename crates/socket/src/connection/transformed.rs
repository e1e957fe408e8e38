//! Sending what stands for the bytes of a send.

use std::{
    io::{self, IoSlice},
    time::Duration,
};

use standin_record::Place;

use super::{
    Inner,
    core::Outgoing,
    deadline,
    layer::{Layer, LayerOut},
    receiver::Receiver,
    send::{SendStop, end},
    waiting::Waits,
};
use crate::{
    recording::Recording,
    state::Outbound,
    sys::{Blocking, Interest, Stream},
    time::Deadline,
    turn_lock::{NotNow, Turn},
};

/// The largest piece that is made, and given to the system, at once: four records of TLS.
const PIECE: usize = 64 << 10;

/// How long closing waits for the system to take what says so. It does at once, unless the peer
/// does not read.
const CLOSING: Duration = Duration::from_secs(1);

/// How many pieces are read that nobody will receive, and how large each is.
const DISCARDED: (usize, usize) = (64, 4 << 10);

impl Inner {
    /// Sends bytes as their transform has them. Those count as sent that were given to the
    /// transform, as that cannot be undone; the next send continues with the wire.
    pub(super) fn send_transformed(
        &self,
        mut waits: Waits<'_>,
        layer: &mut LayerOut,
        bytes: &[u8],
        sent: &mut usize,
        deadline: &mut Deadline,
        place: Option<Place>,
    ) -> Result<(), SendStop> {
        let stand = self.core.stand();
        if stand.outbound != Outbound::Open {
            return Err(self.explained(end(stand), &layer.layer));
        }
        let explained = |stop| self.explained(stop, &layer.layer);
        self.flush(waits.again(), &layer.layer, deadline)
            .map_err(explained)?;
        let tried = std::mem::take(&mut layer.tried).min(bytes.len());
        *sent += tried;
        for piece in bytes[tried..].chunks(PIECE) {
            let began = self.recording.begin();
            layer.layer.send(piece).map_err(SendStop::Transform)?;
            *sent += piece.len();
            self.recording.sent(began, piece, place);
            self.flush(waits.again(), &layer.layer, deadline)
                .map_err(explained)?;
        }
        Ok(())
    }

    /// Why the peer takes nothing more, if it has said that through the transform before it went.
    /// A thread that receives currently finds it by itself.
    #[cold]
    fn explained(&self, stop: SendStop, layer: &Layer) -> SendStop {
        if !matches!(stop, SendStop::PeerClosed | SendStop::Reset) {
            return stop;
        }
        if let Some(turn) = self.core.receiving.try_enter() {
            Receiver::new(self, turn, deadline(Duration::ZERO), None).read_ahead();
        }
        layer.send(&[]).err().map_or(stop, SendStop::Transform)
    }

    /// Sends as much of `bytes` as the system takes at once. Of a transform, those count as sent
    /// whose record is on the wire as a whole: the others are tried again.
    pub(super) fn try_in_turn(
        &self,
        turn: &mut Turn<'_, Outgoing<Stream>>,
        bytes: &[u8],
        sent: &mut usize,
        deadline: &mut Deadline,
    ) -> Result<(), SendStop> {
        if turn.value().layer.is_none() {
            return self.send_in_turn(turn, bytes, sent, deadline, None);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let size = match &turn.value().layer {
                Some(layer) if layer.tried > 0 => layer.tried.min(rest.len()),
                _ => rest.len().min(PIECE),
            };
            let mut taken = 0;
            let outcome = self.send_in_turn(turn, &rest[..size], &mut taken, deadline, None);
            if let Err(stop) = outcome {
                // It is on its way, and will be the first of what is sent next.
                if let Some(layer) = &mut turn.value().layer {
                    layer.tried += taken;
                }
                return Err(stop);
            }
            *sent += taken;
            rest = &rest[size..];
        }
        Ok(())
    }

    /// Writes what there is for the wire.
    fn flush(
        &self,
        mut waits: Waits<'_>,
        layer: &Layer,
        deadline: &mut Deadline,
    ) -> Result<(), SendStop> {
        let mut is_all = false;
        while !is_all {
            let write = |stream: &Stream, _| {
                let recording = &self.recording;
                is_all = layer.write(&mut Wire { stream, recording })?;
                Ok(0)
            };
            // The others need the transform, too, so nothing waits for the wire with it.
            waits
                .again()
                .persist(deadline, None, Blocking::Never, write)
                .map_err(|failed| self.not_sent(failed, None))?;
            if !is_all {
                // There was not enough room: the rest has to wait.
                waits.waiting.tried(false);
            }
        }
        Ok(())
    }

    fn flush_in_turn(
        &self,
        turn: &mut Turn<'_, Outgoing<Stream>>,
        deadline: &mut Deadline,
    ) -> Result<(), SendStop> {
        let (outgoing, line) = turn.parts();
        let Outgoing {
            stream: Some(stream),
            waiting,
            layer: Some(layer),
        } = outgoing
        else {
            return Err(NotNow::Closed.into());
        };
        let waits = Waits {
            stream,
            interest: Interest::Writable,
            waiting,
            line,
        };
        self.flush(waits, &layer.layer, deadline)
    }

    /// Writes what a receive has left to send, unless another thread is sending, which will look
    /// for it afterwards.
    #[inline]
    pub(super) fn flush_if_free(&self) {
        if let Some(layer) = self.core.layer.get() {
            // What does not fit goes with what is sent next.
            layer.flush_if_free(&self.core.sending, |turn| {
                self.flush_in_turn(turn, &mut deadline(Duration::ZERO))
                    .is_ok()
            });
        }
    }

    /// Reads what has come from the wire and nobody will receive. With that left, the system would
    /// reset the connection, and the peer could lose what was sent last.
    pub(super) fn discard_wire(&self) {
        if self.core.layer.get().is_none() {
            return;
        }
        let Some(mut turn) = self.core.receiving.try_enter() else {
            return;
        };
        if let Some(stream) = &turn.value().stream {
            let mut wire = [0; DISCARDED.1];
            let read = || stream.receive(&mut wire, Blocking::Never);
            // A peer that continues sending is not listened to forever.
            let _ = std::iter::repeat_with(read)
                .take(DISCARDED.0)
                .find(|read| !read.as_ref().is_ok_and(|count| *count == DISCARDED.1));
        }
    }

    /// Says on the wire that nothing more will be sent, if there is a word for it and nobody sends
    /// currently.
    pub(super) fn say_end(&self) {
        let Some(layer) = self.core.layer.get() else {
            return;
        };
        let Some(mut turn) = self.core.sending.try_enter() else {
            return;
        };
        layer.close();
        let limit = if self.owner.is_one() {
            Duration::ZERO
        } else {
            CLOSING
        };
        // A peer that does not read does not notice.
        let _ = self.flush_in_turn(&mut turn, &mut deadline(limit));
    }
}

/// The wire, which takes what it can without a wait, and records it.
struct Wire<'a> {
    stream: &'a Stream,
    recording: &'a Recording,
}

impl io::Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let began = self.recording.begin();
        let count = self.stream.send_pieces(pieces)?;
        let mut left = count;
        for piece in pieces {
            let taken = &piece[..piece.len().min(left)];
            left -= taken.len();
            self.recording.on_wire(began, true, taken);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
