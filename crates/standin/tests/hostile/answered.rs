//! Odd and hostile peers of drivers that answer by themselves: bytes one by one, floods against
//! delays, surprises without end, resets in the middle of an answer, thousands at once.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use standin::reply::{
    Dialogue, Otherwise, Replies, Seen, anything, equals, hold, no_reply, prefix, reply,
    reply_bytes,
};
use standin::socket::Connection;
use standin::socket::framing::{Delimiter, Endian, FixedSize, LengthPrefix, Lines, Width};
use standin::{Driver, Environment, Error, Result, RunningEnvironment, TcpClient, TcpServer};

use crate::support::{SOON, alone, connect, server, told};

/// Much longer than any test takes.
const AGES: Duration = Duration::from_secs(3600);
/// More than the system keeps of a connection that nobody reads.
const FLOOD: usize = 1 << 28;
/// What a process may grow by that is not bought memory for a flood.
const LITTLE: usize = 64 << 20;

fn lines() -> Replies {
    Replies::framed(Lines::new())
}

fn one_that_answers(replies: Replies) -> Result<(RunningEnvironment, Arc<TcpServer>)> {
    let mut env = Environment::new("hostile");
    let server = env.add(server("server").replies(replies).build()?)?;
    Ok((env.start()?, server))
}

fn peer_of(server: &TcpServer) -> Result<TcpStream> {
    let peer = connect(server)?;
    peer.set_nodelay(true)?;
    peer.set_read_timeout(Some(SOON))?;
    Ok(peer)
}

/// The bytes that this process has in memory.
fn memory() -> Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.unwrap_or_default().parse::<usize>()? << 10)
}

/// Sends until the system takes no more, which it has to do at some time.
fn flood(peer: &mut TcpStream) -> Result<()> {
    let block = b"flood\n".repeat(10_000);
    peer.set_write_timeout(Some(Duration::from_millis(300)))?;
    let mut flooded = 0;
    loop {
        match peer.write(&block) {
            Ok(count) => flooded += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        assert!(flooded < FLOOD, "nothing holds it back");
    }
}

#[test]
fn one_that_sends_byte_by_byte_is_answered_as_any_other() {
    alone(|_| {
        let pair = |replies: Replies| replies.on(equals("ab"), "AB").on(equals("cd"), "CD");
        let prefixed = LengthPrefix::new(Width::U16, Endian::Big);
        for (replies, bytes) in [
            (Replies::framed(Lines::new()), &b"ab\r\ncd\n"[..]),
            (Replies::framed(Delimiter::new("||")?), b"ab||cd||"),
            (Replies::framed(prefixed), b"\0\x02ab\0\x02cd"),
            (Replies::framed(FixedSize::new(2)), b"abcd"),
        ] {
            let (env, server) = one_that_answers(pair(replies))?;
            let mut peer = peer_of(&server)?;
            for byte in bytes {
                peer.write_all(&[*byte])?;
            }
            let mut answer = [0; 4];
            peer.read_exact(&mut answer)?;
            assert_eq!(&answer, b"ABCD");
            env.stop()?;
        }
        Ok(())
    });
}

#[test]
fn one_that_closes_its_half_still_gets_all_of_its_answers() {
    alone(|_| {
        let much = vec![b'x'; 4 << 20];
        let late = reply_bytes(&much)
            .after(Duration::from_millis(5))
            .and("end");
        let (env, server) = one_that_answers(lines().on("GIVE", late))?;
        let mut peer = peer_of(&server)?;
        peer.write_all(b"GIVE\nGIVE\n")?;
        peer.shutdown(Shutdown::Write)?;
        let mut answers = Vec::new();
        peer.read_to_end(&mut answers)?;
        assert_eq!(answers.len(), 2 * (much.len() + 3));
        env.stop()?;
        Ok(())
    });
}

#[test]
fn one_that_floods_while_nobody_answers_is_held_back() {
    alone(|_| {
        let slow = || lines().on(prefix("flood"), no_reply());
        for replies in [
            slow().on("WAIT", reply("late\n").after(AGES)),
            slow().on("WAIT", hold("it")),
            slow().greeting(reply("late\n").after(AGES)),
        ] {
            let (env, server) = one_that_answers(replies)?;
            let before = memory()?;
            let mut peer = peer_of(&server)?;
            peer.write_all(b"WAIT\n")?;
            flood(&mut peer)?;
            let grown = memory()?.saturating_sub(before);
            assert!(grown < LITTLE, "{grown} bytes more");
            // A stop waits neither for what is unread nor for what is late.
            env.stop()?;
        }
        Ok(())
    });
}

#[test]
fn one_that_never_stops_to_surprise_is_stopped_and_costs_little() {
    alone(|_| {
        let (env, server) = one_that_answers(lines().on("PING", "PONG\n"))?;
        let before = memory()?;
        let mut peer = peer_of(&server)?;
        let block = b"nobody expects this\n".repeat(1000);
        let mut sent = 0;
        while peer.write_all(&block).is_ok() {
            sent += block.len();
            assert!(sent < FLOOD, "nothing ends it");
        }
        let waited = server.wait_until(Seen::connections(2), None);
        let error = told(waited.unwrap_err());
        assert!(
            error.contains("unexpected frame \"nobody expects this\""),
            "{error}"
        );
        let grown = memory()?.saturating_sub(before);
        assert!(grown < LITTLE, "{grown} bytes more");
        let error = told(env.stop().unwrap_err());
        assert!(error.len() < 100_000, "a report of {} bytes", error.len());
        Ok(())
    });
}

#[test]
fn one_that_sends_no_text_is_shown_in_short() {
    alone(|_| {
        let (env, server) = one_that_answers(lines().on("PING", "PONG\n"))?;
        let mut peer = peer_of(&server)?;
        let mut garbage: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
        garbage = garbage.repeat(1000);
        garbage.push(b'\n');
        peer.write_all(&garbage)?;
        let error = told(server.wait_until(Seen::frames(2), SOON).unwrap_err());
        assert!(
            error.contains(r#"unexpected frame "\0\u{1}\u{2}"#),
            "{error}"
        );
        assert!(error.len() < 4000, "{error}");
        assert!(env.stop().is_err());
        Ok(())
    });
}

#[test]
fn one_that_resets_in_the_middle_of_its_answer_is_not_missed() {
    alone(|_| {
        let replies = lines()
            .on("GIVE", "x".repeat(16 << 20))
            .on("PING", "PONG\n");
        let (env, server) = one_that_answers(replies)?;
        for _ in 0..20 {
            let mut peer = peer_of(&server)?;
            peer.write_all(b"GIVE\nGIVE\n")?;
            peer.read_exact(&mut [0; 1000])?;
            Connection::from_stream(peer)?.reset()?;
        }
        // It has had what it wanted; others are answered as before.
        let mut peer = peer_of(&server)?;
        peer.write_all(b"PING\n")?;
        peer.read_exact(&mut [0; 5])?;
        env.stop()?;
        Ok(())
    });
}

#[test]
fn thousands_that_come_and_go_are_answered() {
    alone(|_| {
        let ping = equals("PING").named("ping").times(3000);
        let (env, server) = one_that_answers(lines().on(ping, "PONG\n").connections(3000))?;
        let before = memory()?;
        for round in 0..10 {
            let mut peers = Vec::new();
            for _ in 0..300 {
                peers.push(peer_of(&server)?);
            }
            for peer in &mut peers {
                peer.write_all(b"PI")?;
            }
            for peer in &mut peers {
                peer.write_all(b"NG\n")?;
            }
            for (number, mut peer) in peers.into_iter().enumerate() {
                peer.read_exact(&mut [0; 5])?;
                if number % 2 == round % 2 {
                    Connection::from_stream(peer)?.reset()?;
                }
            }
        }
        server.wait_until(Seen::rule("ping").times(3000), SOON)?;
        let grown = memory()?.saturating_sub(before);
        assert!(grown < LITTLE, "{grown} bytes more");
        env.stop()?;
        Ok(())
    });
}

#[test]
fn those_that_send_an_urgent_byte_are_heard_in_order() {
    alone(|_| {
        let (env, server) = one_that_answers(lines().on("GET / HTTP/1.0", "fine\n"))?;
        // What has come by the time of a receive, which ends before such a byte, is not the same
        // each time.
        for _ in 0..200 {
            let mut peer = peer_of(&server)?;
            let socket = socket2::SockRef::from(&peer);
            socket.send(b"GET")?;
            socket.send_out_of_band(b" ")?;
            socket.send(b"/ HTTP/1.0\r\n")?;
            peer.read_exact(&mut [0; 5])?;
        }
        env.stop()?;
        Ok(())
    });
}

#[test]
fn those_that_hang_up_in_any_order_leave_nothing() {
    alone(|_| {
        let replies = lines().otherwise(Otherwise::Ignore).on("BYE", hold("bye"));
        let (env, server) = one_that_answers(replies.on(anything(), no_reply()))?;
        for order in 0..4 {
            let mut peer = peer_of(&server)?;
            peer.write_all(b"BYE\n")?;
            let mut held = server.held("bye", SOON)?;
            match order {
                0 => drop(held.take()),
                1 => Connection::from_stream(peer.try_clone()?)?.reset()?,
                2 => {
                    held.send_text("bye\n")?;
                    peer.shutdown(Shutdown::Write)?;
                    held.hand_back();
                }
                _ => {
                    held.hand_back();
                    peer.shutdown(Shutdown::Both)?;
                }
            }
        }
        // Nothing is missing, no matter which side hung up: nothing was in the middle of anything.
        env.stop()?;
        assert!(
            server
                .connections()
                .iter()
                .all(|info| info.ends().is_empty())
        );
        Ok(())
    });
}

#[test]
fn a_server_that_vanishes_fails_the_client_that_plays() {
    alone(|_| {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let part = Dialogue::new()
            .send("one\n")
            .expect("two")
            .send("three\n")
            .expect("four");
        let mut env = Environment::new("hostile");
        let client = TcpClient::builder("client")
            .host("127.0.0.1")
            .port(listener.local_addr()?.port())
            .replies(lines().dialogue(part));
        let client = env.add(client.build()?)?;
        let env = env.start()?;
        let mut peer = listener.accept()?.0;
        peer.read_exact(&mut [0; 4])?;
        peer.write_all(b"two\nfo")?;
        peer.read_exact(&mut [0; 6])?;
        Connection::from_stream(peer)?.reset()?;
        let waited = client.wait_until(Seen::dialogue(0), None);
        let error = told(waited.unwrap_err());
        assert!(error.contains("client \"client\", connection 0"), "{error}");
        assert!(error.contains("the peer reset the connection"), "{error}");
        let error = told(env.stop().map_err(Error::from).unwrap_err());
        assert!(error.contains("client"), "{error}");
        Ok(())
    });
}
