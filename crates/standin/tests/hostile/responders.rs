//! What the other end of a connection can do to a driver that answers by itself.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use standin::reply::{
    Dialogue, Frame, Otherwise, Replies, Seen, Then, anything, echo, equals, hold, no_reply, reply,
};
use standin::socket::framing::Lines;
use standin::{Environment, Error, Result, RunningEnvironment, TcpClient, TcpServer};

use crate::support::{SHORT, SOON, alone, connect, one_server, server, told};

fn lines() -> Replies {
    Replies::framed(Lines::new())
}

/// An environment with one server, which answers by itself.
fn one_that_answers(replies: Replies) -> Result<(RunningEnvironment, Arc<TcpServer>)> {
    let mut env = Environment::new("hostile");
    let bank = server("bank").replies(replies).receive_limit(1 << 20);
    let bank = env.add(bank.build()?)?;
    Ok((env.start()?, bank))
}

/// It is answered as if nothing had happened.
fn is_answered(server: &TcpServer) -> Result<()> {
    let mut peer = connect(server)?;
    peer.set_read_timeout(Some(SOON))?;
    peer.write_all(b"PING\n")?;
    let mut answer = [0; 5];
    peer.read_exact(&mut answer)?;
    assert_eq!(&answer, b"PONG\n");
    Ok(())
}

fn reset(peer: TcpStream) -> Result<()> {
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO))?;
    drop(peer);
    Ok(())
}

#[test]
fn those_that_connect_and_leave_do_not_keep_out_the_one_that_stays() {
    alone(|_| {
        let replies = lines().greeting("hello\n").otherwise(Otherwise::Ignore);
        let (env, server) = one_that_answers(replies.on("PING", "PONG\n"))?;
        for number in 0..200 {
            let mut peer = connect(&server)?;
            if number % 2 == 0 {
                peer.write_all(b"bye\n")?;
            }
            if number % 3 == 0 {
                reset(peer)?;
            }
        }
        let mut peer = connect(&server)?;
        peer.write_all(b"PING\n")?;
        let mut answer = [0; 11];
        peer.read_exact(&mut answer)?;
        assert_eq!(&answer, b"hello\nPONG\n");
        env.stop()?;
        Ok(())
    });
}

#[test]
fn one_that_never_reads_is_held_back_and_not_bought_memory_for() {
    alone(|_| {
        let (env, server) = one_that_answers(Replies::raw().on(anything(), echo()))?;
        let mut peer = connect(&server)?;
        peer.set_nonblocking(true)?;
        let block = vec![b'x'; 1 << 16];
        let mut flooded = 0;
        let mut last = Instant::now();
        // Until nothing has gone anywhere for a while.
        while last.elapsed() < Duration::from_millis(200) {
            match peer.write(&block) {
                Ok(count) => {
                    flooded += count;
                    last = Instant::now();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => return Err(error.into()),
            }
            assert!(flooded < 1 << 28, "nothing held it back");
        }
        // A stop does not wait for what is not read.
        env.stop()?;
        Ok(())
    });
}

#[test]
fn one_whose_frame_never_ends_fails_what_waits_elsewhere_at_once() {
    alone(|_| {
        let mut env = Environment::new("hostile");
        let bank = server("bank").replies(lines()).receive_limit(1 << 16);
        let bank = env.add(bank.build()?)?;
        let other = env.add(server("other").build()?)?;
        let env = env.start()?;
        std::thread::scope(|scope| -> Result<()> {
            let waits = scope.spawn(|| other.accept_connection(None));
            let mut peer = connect(&bank)?;
            let block = vec![b'x'; 1 << 16];
            let mut sent = 0;
            while peer.write_all(&block).is_ok() {
                sent += block.len();
                assert!(sent < 1 << 28, "nothing held it back");
            }
            let error = told(waits.join()?.unwrap_err());
            assert!(
                error.contains("a frame is longer than 65536 bytes"),
                "{error}"
            );
            Ok(())
        })?;
        let error = told(env.stop().unwrap_err());
        assert!(
            error.contains("a frame is longer than 65536 bytes"),
            "{error}"
        );
        Ok(())
    });
}

#[test]
fn one_that_vanishes_in_the_middle_is_reported() {
    alone(|_| {
        let first = Dialogue::new().expect("one").send("two\n").expect("three");
        let replies = lines().connection(0, first).on("PING", "PONG\n");
        let (env, server) = one_that_answers(replies)?;
        let mut peer = connect(&server)?;
        peer.write_all(b"one\n")?;
        peer.read_exact(&mut [0; 4])?;
        reset(peer)?;
        let waited = server.wait_until(Seen::dialogue(0), SOON);
        let error = told(waited.unwrap_err());
        assert!(
            error.contains("in the middle of the dialogue, at step 3"),
            "{error}"
        );
        let error = told(env.stop().unwrap_err());
        assert!(error.contains("the peer reset the connection"), "{error}");
        Ok(())
    });
}

#[test]
fn one_that_makes_a_closure_panic_fails_the_test_and_nothing_else() {
    alone(|_| {
        let replies = lines().with(|frame: &Frame<'_>, _: &mut ()| {
            assert!(frame.payload() != b"bad", "cannot bear it");
            Some(reply("PONG\n"))
        });
        let (env, server) = one_that_answers(replies)?;
        let mut peer = connect(&server)?;
        peer.write_all(b"bad\n")?;
        assert!(matches!(peer.read(&mut [0; 10]), Ok(0) | Err(_)));
        let error = told(env.stop().unwrap_err());
        assert!(error.contains("panicked: cannot bear it"), "{error}");
        Ok(())
    });
}

#[test]
fn one_that_makes_a_closure_block_does_not_keep_up_the_end() {
    alone(|_| {
        let (release, blocked) = mpsc::channel::<()>();
        let (enter, entered) = mpsc::channel();
        let blocked = Mutex::new(blocked);
        let replies = lines().with(move |_: &Frame<'_>, _: &mut ()| {
            let _ = enter.send(());
            // Until the test lets go of it.
            let _ = blocked.lock().unwrap().recv();
            Some(no_reply())
        });
        let mut env = Environment::new("hostile");
        let bank = server("bank").replies(replies).stop_limit(SHORT);
        let bank = env.add(bank.build()?)?;
        let env = env.start()?;
        let mut peer = connect(&bank)?;
        peer.write_all(b"x\n")?;
        entered.recv_timeout(SOON).map_err(Error::other)?;
        let begin = Instant::now();
        let error = told(env.stop().unwrap_err());
        assert!(begin.elapsed() < SOON);
        let expected = "an answer of server \"bank\" has been running for";
        assert!(error.contains(expected), "{error}");
        drop(release);
        Ok(())
    });
}

#[test]
fn two_that_answer_each_other_for_ever_are_stopped() {
    alone(|_| {
        let mut env = Environment::new("hostile");
        let echoes = || Replies::raw().on(anything(), echo());
        env.add(server("server").replies(echoes()).build()?)?;
        let client = TcpClient::builder("client")
            .connect_to("server")
            .replies(echoes().greeting("x"));
        let client = env.add(client.build()?)?;
        let env = env.start()?;
        client.wait_until(Seen::frames(1000), SOON)?;
        env.stop()?;
        Ok(())
    });
}

#[test]
fn an_abort_ends_whatever_they_are_in_the_middle_of() {
    alone(|_| {
        let ages = Duration::from_secs(3600);
        let replies = lines()
            .on("HOLD", hold("it"))
            .on("LATER", reply("later\n").after(ages))
            .on("STOP", no_reply().then(Then::StopReading))
            .on("FLOOD", "x".repeat(1 << 24))
            .on(equals("never").named("never").times(..), no_reply());
        let (env, server) = one_that_answers(replies)?;
        let mut peers = Vec::new();
        for word in ["HOLD", "HOLD", "LATER", "STOP", "FLOOD", "HAL"] {
            let mut peer = connect(&server)?;
            peer.write_all(word.as_bytes())?;
            if word != "HAL" {
                peer.write_all(b"\n")?;
            }
            peers.push(peer);
        }
        server.wait_until(Seen::frames(5), SOON)?;
        let held = server.held("it", SOON)?;
        let abort = env.abort_handle();
        std::thread::scope(|scope| -> Result<()> {
            let waits = [
                scope.spawn(|| server.wait_until(Seen::rule("never"), None)),
                scope.spawn(|| server.held("other", None).map(drop)),
                scope.spawn(|| server.take_over(77, None).map(drop)),
            ];
            abort.abort();
            for wait in waits {
                assert!(wait.join()?.is_err());
            }
            Ok(())
        })?;
        held.hand_back();
        for mut peer in peers {
            peer.set_read_timeout(Some(SOON))?;
            // Everything ends, one way or another.
            let mut rest = Vec::new();
            if let Err(error) = peer.read_to_end(&mut rest) {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            }
        }
        drop(env);
        Ok(())
    });
}

#[test]
fn a_server_that_does_not_answer_has_no_thread_for_it() {
    alone(|_| {
        let threads = || -> Result<usize> { Ok(std::fs::read_dir("/proc/self/task")?.count()) };
        let before = threads()?;
        let (env, server) = one_server()?;
        let _peer = connect(&server)?;
        server.accept_connection(SOON)?;
        assert_eq!(threads()?, before);
        env.stop()?;
        let (env, server) = one_that_answers(lines().on("PING", "PONG\n"))?;
        is_answered(&server)?;
        assert_eq!(threads()?, before + 1);
        env.stop()?;
        Ok(())
    });
}
