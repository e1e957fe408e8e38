//! What once went wrong, or easily could.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use common::{LIMIT, SHORT, pair, promptly};
use standin_socket::{Client, ReceiveError, Server};

#[test]
fn a_closure_may_close_the_connection_that_it_is_used_by() {
    let (near, far, server) = pair();
    near.send(b"stop", LIMIT).unwrap();
    let error = promptly(|| {
        far.receive_matching(
            |_| {
                server.close();
                None
            },
            LIMIT,
        )
    })
    .unwrap_err();
    assert!(matches!(error, ReceiveError::Closed(_)), "{error}");
    assert!(near.receive_some(1, LIMIT).unwrap_err().is_peer_closed());
}

#[test]
fn a_closure_that_panics_leaves_the_connection_usable() {
    let (near, far, _server) = pair();
    near.send(b"bytes", LIMIT).unwrap();
    let panicking = far.clone();
    let panic = thread::spawn(move || panicking.receive_matching(|_| panic!("on purpose"), LIMIT));
    assert!(panic.join().is_err());
    assert_eq!(far.receive_exactly(5, LIMIT).unwrap(), b"bytes");
}

#[test]
fn coming_back_twice_while_somebody_accepts_does_not_hang() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let accepting = server.clone();
    let accepting = thread::spawn(move || accepting.accept(None).is_err());
    for _ in 0..20 {
        promptly(|| server.refuse()).unwrap();
        promptly(|| server.come_back()).unwrap();
        promptly(|| server.come_back()).unwrap();
    }
    promptly(|| server.close());
    assert!(accepting.join().unwrap());
}

#[test]
fn a_different_timeout_each_time_is_kept_each_time() {
    let (near, far, _server) = pair();
    for timeout in [SHORT, SHORT * 3, SHORT, SHORT * 2] {
        let started = std::time::Instant::now();
        assert!(far.receive_some(1, timeout).unwrap_err().is_timeout());
        assert!(started.elapsed() >= timeout && started.elapsed() < LIMIT / 4);
        near.send(b"x", timeout).unwrap();
        far.receive_exactly(1, None).unwrap();
    }
}

#[test]
fn a_timeout_too_long_to_count_is_no_limit() {
    let (near, far, _server) = pair();
    let waiting = thread::spawn(move || far.receive_exactly(1, Duration::MAX).unwrap());
    thread::sleep(SHORT);
    near.send(b"x", Duration::MAX).unwrap();
    assert_eq!(waiting.join().unwrap(), b"x");
}

#[test]
fn a_reset_ends_a_receive_and_a_send_of_this_side_too() {
    let (near, _far, _server) = pair();
    let (receiving, sending) = (near.clone(), near.clone());
    let receiving = thread::spawn(move || receiving.receive_some(1, None).is_err());
    let sending = thread::spawn(move || sending.send(&vec![0; 50_000_000], None).is_err());
    thread::sleep(SHORT);
    promptly(|| near.reset()).unwrap();
    assert!(receiving.join().unwrap() && sending.join().unwrap());
}

/// Closing races with everything else: nothing hangs, and every error says why.
#[test]
fn closing_at_any_moment_hangs_nobody() {
    for round in 0..60_u64 {
        let (near, far, server) = pair();
        let done = Arc::new(AtomicBool::new(false));
        let receivers: Vec<_> = (0..2)
            .map(|_| {
                let far = far.clone();
                thread::spawn(move || while far.receive_exactly(100, LIMIT).is_ok() {})
            })
            .collect();
        let sender = {
            let near = near.clone();
            thread::spawn(move || while near.send(&[0; 10_000], LIMIT).is_ok() {})
        };
        let connecting = {
            let (client, done) = (
                Client::builder()
                    .host("127.0.0.1")
                    .port(server.port())
                    .build(),
                Arc::clone(&done),
            );
            thread::spawn(
                move || while !done.load(Ordering::SeqCst) && client.connect(LIMIT).is_ok() {},
            )
        };
        let accepting = {
            let server = server.clone();
            thread::spawn(move || while server.accept(None).is_ok() {})
        };
        thread::sleep(Duration::from_micros(round * 37));
        promptly(|| {
            match round % 3 {
                0 => server.close(),
                1 => server.abort(),
                _ => {
                    far.reset().unwrap();
                    server.close();
                }
            }
            done.store(true, Ordering::SeqCst);
            for thread in receivers.into_iter().chain([sender, connecting, accepting]) {
                thread.join().unwrap();
            }
        });
    }
}
