//! Connections with a transform, next to a peer that reads the wire.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use miette::Diagnostic;
use standin_socket::{
    Client, Connection, ControlError, Received, SendError, Server, Transform, TransformError, Tried,
};

const LIMIT: Duration = Duration::from_secs(30);
const MEBIBYTE: usize = 1 << 20;

/// Flips all bits, keeps its output in many small pieces, and answers each `?` with a `!`.
#[derive(Debug, Default)]
struct Flip {
    received: VecDeque<u8>,
    output: VecDeque<Vec<u8>>,
}

impl Transform for Flip {
    fn read_wire(&mut self, wire: &mut &[u8]) -> Result<(), TransformError> {
        let asked = wire.iter().filter(|byte| **byte == !b'?').count();
        if asked > 0 {
            self.output.push_back(vec![!b'!'; asked]);
        }
        self.received.extend(wire.iter().map(|byte| !byte));
        *wire = &[];
        Ok(())
    }

    fn wire_ended(&mut self) -> Result<(), TransformError> {
        Ok(())
    }

    fn receive(&mut self, target: &mut [u8]) -> Result<Received, TransformError> {
        let count = self.received.read(target).expect("memory can be read");
        Ok(match count {
            0 => Received::Nothing,
            _ => Received::Bytes(count),
        })
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), TransformError> {
        let pieces = bytes.chunks(700);
        self.output
            .extend(pieces.map(|piece| piece.iter().map(|byte| !byte).collect()));
        Ok(())
    }

    fn close(&mut self) {}

    fn wants_write(&self) -> bool {
        !self.output.is_empty()
    }

    fn write_wire(&mut self, wire: &mut dyn Write) -> io::Result<()> {
        let pieces = self.output.iter().take(64);
        let pieces: Vec<_> = pieces.map(|piece| IoSlice::new(piece)).collect();
        let mut count = wire.write_vectored(&pieces)?;
        while let Some(first) = self.output.front_mut() {
            if count < first.len() {
                first.drain(..count);
                break;
            }
            count -= first.len();
            self.output.pop_front();
        }
        Ok(())
    }
}

/// A connection with the transform, and its peer, which reads what is on the wire.
fn pair() -> (Connection, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let client = Client::builder().host("127.0.0.1").send_buffer(8 << 10);
    let client = client.port(port).build();
    let connection = client.connect(LIMIT).expect("somebody listens");
    let upgrade = connection.upgrade().expect("nobody uses it");
    upgrade.finish(Flip::default(), |_| String::new());
    let (peer, _) = listener.accept().expect("somebody has connected");
    peer.set_read_timeout(Some(LIMIT)).expect("a limit");
    (connection, peer)
}

/// Bytes of which no two pieces are alike.
fn bytes(count: usize) -> Vec<u8> {
    (0..count as u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8 & 0x7f)
        .collect()
}

fn flipped(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| !byte).collect()
}

/// Reads so many bytes from the wire in a thread.
fn reads(mut peer: TcpStream, count: usize) -> thread::JoinHandle<(TcpStream, Vec<u8>)> {
    thread::spawn(move || {
        let mut wire = vec![0; count];
        peer.read_exact(&mut wire).expect("enough bytes");
        (peer, wire)
    })
}

#[test]
fn a_send_that_timed_out_continues_with_the_next() {
    let (connection, peer) = pair();
    let all = bytes(8 * MEBIBYTE);
    let error = connection
        .send(&all, Duration::from_millis(50))
        .unwrap_err();
    assert!(matches!(error, SendError::TimedOut(_)), "{error}");
    let sent = error.sent();
    assert!(sent > 0 && sent < all.len(), "{sent}");
    // Nothing is sent twice, and nothing is missing.
    let reader = reads(peer, all.len());
    connection.send(&all[sent..], LIMIT).unwrap();
    let (_, wire) = reader.join().unwrap();
    assert!(wire == flipped(&all));
}

#[test]
fn what_hinders_an_upgrade_is_named() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = Client::builder().host("127.0.0.1").port(port).build();
    let connection = client.connect(LIMIT).unwrap();
    let hindered_by = |expected: &str| {
        let error = connection.upgrade().unwrap_err();
        assert!(matches!(error, ControlError::Upgrade { .. }), "{error}");
        assert!(error.to_string().ends_with(expected), "{error}");
        let help = error.help().unwrap().to_string();
        assert!(help.contains("while nobody else uses it"), "{help}");
    };
    let upgrade = connection.upgrade().unwrap();
    hindered_by("cannot upgrade: it is being upgraded");
    upgrade.finish(Flip::default(), |_| String::new());
    hindered_by("cannot upgrade: it has been upgraded already");
}

#[test]
fn tries_to_send_count_what_is_on_the_wire() {
    let server = Server::builder()
        .host("127.0.0.1")
        .send_buffer(8 << 10)
        .bind()
        .unwrap();
    let mut peer = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    peer.set_read_timeout(Some(LIMIT)).unwrap();
    let mut owned = server.try_accept().unwrap().unwrap();
    let upgrade = owned.upgrade().unwrap();
    upgrade.finish(Flip::default(), |_| String::new());
    let all = bytes(4 * MEBIBYTE);
    let (mut sent, mut wire) = (0, Vec::new());
    let mut piece = vec![0; 300_000];
    while sent < all.len() {
        match owned.try_send(&all[sent..]) {
            Tried::Done(count) => sent += count,
            Tried::NotNow => {
                let count = peer.read(&mut piece).unwrap();
                wire.extend_from_slice(&piece[..count]);
            }
            Tried::Ended(end) => panic!("{end:?}"),
        }
    }
    let rest = all.len() - wire.len();
    let (_, last) = reads(peer, rest).join().unwrap();
    wire.extend(last);
    assert!(wire == flipped(&all));
}

#[test]
fn both_directions_are_used_at_once() {
    let (connection, peer) = pair();
    let all = bytes(4 * MEBIBYTE);
    let mut writer = peer.try_clone().unwrap();
    let (down, expected) = (flipped(&all), all.clone());
    let receiver = {
        let connection = connection.clone();
        thread::spawn(move || {
            connection.receive_exactly(expected.len(), LIMIT).unwrap() == expected
        })
    };
    // Each question is answered in between, in whichever turn there is.
    let asked = all.iter().filter(|byte| **byte == b'?').count();
    let reader = reads(peer, all.len() + asked);
    let sender = thread::spawn(move || writer.write_all(&down).unwrap());
    connection.send(&all, LIMIT).unwrap();
    sender.join().unwrap();
    assert!(receiver.join().unwrap());
    let (_, wire) = reader.join().unwrap();
    let (answers, sent): (Vec<u8>, Vec<u8>) = wire.into_iter().partition(|byte| *byte == !b'!');
    let own = all.iter().filter(|byte| **byte == b'!').count();
    assert_eq!(answers.len(), asked + own);
    let without: Vec<u8> = all.iter().copied().filter(|byte| *byte != b'!').collect();
    assert!(sent == flipped(&without));
}

#[test]
fn an_answer_that_does_not_fit_goes_with_what_comes_next() {
    let (connection, mut peer) = pair();
    let all = bytes(8 * MEBIBYTE);
    let error = connection
        .send(&all, Duration::from_millis(50))
        .unwrap_err();
    let sent = error.sent();
    // The answer to this has no room.
    peer.write_all(&flipped(b"?")).unwrap();
    assert_eq!(connection.receive_exactly(1, LIMIT).unwrap(), b"?");
    let reader = reads(peer, sent + 1);
    // The next receive finds room for it.
    let (mut peer, wire) = loop {
        let _ = connection.receive_exactly(1, Duration::from_millis(5));
        if reader.is_finished() {
            break reader.join().unwrap();
        }
    };
    assert!(wire == flipped(&[&all[..sent], b"!"].concat()));
    peer.write_all(&flipped(b"done")).unwrap();
    assert_eq!(connection.receive_exactly(4, LIMIT).unwrap(), b"done");
}
