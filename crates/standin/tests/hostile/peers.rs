//! What the other end of a connection can do to a driver.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use standin::socket::{Connection, ReceiveError, SendError};
use standin::{Error, TcpError};

use crate::support::{SHORT, SOON, alone, connect, one_server, told};

#[test]
fn one_that_resets_is_told_from_one_that_closes() {
    alone(|_| {
        let (env, server) = one_server()?;
        let peer = Connection::from_stream(connect(&server)?).map_err(Error::other)?;
        let ours = server.accept_connection(SOON)?;
        peer.send(b"abc", SOON)?;
        assert_eq!(ours.receive_exactly(3)?, b"abc");
        peer.reset().map_err(Error::other)?;
        let error = ours.with_timeout(SOON).receive_some(1).unwrap_err();
        assert!(
            matches!(error, TcpError::Receive(ReceiveError::Reset(_))),
            "{error:?}"
        );
        let told = told(error);
        assert!(told.contains("server"), "{told}");
        // The server itself is as good as before.
        let mut next = connect(&server)?;
        next.write_all(b"next").map_err(Error::other)?;
        assert_eq!(server.accept_connection(SOON)?.receive_exactly(4)?, b"next");
        env.stop()?;
        Ok(())
    });
}

#[test]
fn one_that_closes_its_half_still_gets_its_answer() {
    alone(|_| {
        let (env, server) = one_server()?;
        let mut peer = connect(&server)?;
        peer.write_all(b"the question").map_err(Error::other)?;
        peer.shutdown(Shutdown::Write).map_err(Error::other)?;
        let ours = server.accept_connection(SOON)?;
        assert_eq!(ours.with_timeout(SOON).receive_to_end()?, b"the question");
        assert!(
            ours.receive_some(1).unwrap_err().is_peer_closed(),
            "the end stays the end"
        );
        ours.send("the answer")?;
        ours.close();
        let mut answer = String::new();
        peer.read_to_string(&mut answer).map_err(Error::other)?;
        assert_eq!(answer, "the answer");
        env.stop()?;
        Ok(())
    });
}

#[test]
fn one_that_sends_in_pieces_is_waited_for_and_loses_no_byte() {
    alone(|_| {
        let (env, server) = one_server()?;
        let peer = connect(&server)?;
        peer.set_nodelay(true).map_err(Error::other)?;
        let peer = Connection::from_stream(peer).map_err(Error::other)?;
        let ours = server.accept_connection(SOON)?;
        let text: Vec<u8> = (0..200).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| peer.send_in_pieces(&text, 1, Duration::from_millis(1), SOON));
            let mut received = Vec::new();
            // Many of these time out half-way, and have to give back what came.
            while received.len() < text.len() {
                match ours
                    .with_timeout(Duration::from_millis(3))
                    .receive_exactly(7)
                {
                    Ok(bytes) => received.extend(bytes),
                    Err(error) => {
                        let told = told(error);
                        assert!(told.contains("timed out"), "{told}");
                        if text.len() - received.len() < 7 {
                            received
                                .extend(ours.receive_exactly(text.len() - received.len()).unwrap());
                        }
                    }
                }
            }
            assert_eq!(received, text);
        });
        env.stop()?;
        Ok(())
    });
}

#[test]
fn one_that_floods_is_held_back_and_not_bought_memory_for() {
    alone(|_| {
        let (env, server) = one_server()?;
        let mut peer = connect(&server)?;
        let ours = server.accept_connection(SOON)?;
        peer.set_nonblocking(true).map_err(Error::other)?;
        let block = vec![b'x'; 1 << 16];
        let mut flooded = 0;
        // Ends by itself: what nobody receives stays in the system's buffers.
        while flooded < 1 << 28 {
            match peer.write(&block) {
                Ok(count) => flooded += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(Error::other(error)),
            }
        }
        assert!(flooded < 1 << 28, "nothing held it back");
        let some = ours.receive_some(1000)?;
        assert_eq!(some, &block[..1000]);
        // An end that never comes is looked for within limits.
        let limit = 1 << 16;
        ours.set_receive_limit(limit);
        let error = ours.with_timeout(SOON).receive_until(b"\n").unwrap_err();
        assert!(
            matches!(error, TcpError::Receive(ReceiveError::Limit(_))),
            "{error:?}"
        );
        ours.set_receive_limit(usize::MAX);
        assert_eq!(ours.receive_exactly(flooded - 1000)?.len(), flooded - 1000);
        // A stop does not wait for what is unread.
        peer.set_nonblocking(false).map_err(Error::other)?;
        peer.write_all(&block).map_err(Error::other)?;
        env.stop()?;
        Ok(())
    });
}

#[test]
fn those_that_connect_and_leave_do_not_keep_out_the_one_that_stays() {
    alone(|_| {
        let (env, server) = one_server()?;
        for number in 0..100 {
            let mut peer = connect(&server)?;
            if number % 2 == 0 {
                peer.write_all(b"bye").map_err(Error::other)?;
            }
        }
        let mut peer = connect(&server)?;
        peer.write_all(b"stay").map_err(Error::other)?;
        let mut stays = None;
        for _ in 0..=100 {
            let connection = server.accept_connection(SOON)?;
            match connection.receive_some(4) {
                Ok(first) if first == b"stay" => stays = Some(connection),
                Ok(first) => assert_eq!(first, b"bye"),
                Err(error) => assert!(error.is_peer_closed(), "{error:?}"),
            }
        }
        let stays = stays.ok_or_else(|| Error::msg("it was never accepted"))?;
        stays.send("welcome")?;
        let mut answer = [0; 7];
        peer.read_exact(&mut answer).map_err(Error::other)?;
        assert_eq!(&answer, b"welcome");
        env.stop()?;
        Ok(())
    });
}

#[test]
fn one_that_never_reads_ends_a_send_at_its_deadline_or_with_an_abort() {
    alone(|_| {
        let (env, server) = one_server()?;
        let _peer = connect(&server)?;
        let ours = server.accept_connection(SOON)?;
        let much = vec![0; 1 << 26];
        let error = ours.with_timeout(SHORT).send(&much).unwrap_err();
        assert!(
            matches!(error, TcpError::Send(SendError::TimedOut(_))),
            "{error:?}"
        );
        let abort = env.abort_handle();
        let begin = Instant::now();
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| ours.with_timeout(None).send(&much).unwrap_err());
            std::thread::sleep(SHORT);
            abort.abort();
            let error = sending.join().unwrap();
            assert!(
                matches!(
                    error,
                    TcpError::Send(SendError::Aborted(_) | SendError::Closed(_))
                ),
                "{error:?}"
            );
        });
        assert!(begin.elapsed() < SOON);
        drop(env);
        Ok(())
    });
}

#[test]
fn one_that_sends_no_text_is_shown_and_its_bytes_are_kept() {
    alone(|_| {
        let (env, server) = one_server()?;
        let mut peer = connect(&server)?;
        let garbage: Vec<u8> = (0..=255).rev().collect();
        peer.write_all(&garbage).map_err(Error::other)?;
        let ours = server.accept_connection(SOON)?;
        let error = ours.receive_exactly_text(garbage.len()).unwrap_err();
        assert!(told(error).contains("UTF-8"));
        assert_eq!(ours.receive_exactly(garbage.len())?, garbage);
        env.stop()?;
        Ok(())
    });
}
