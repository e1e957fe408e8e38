//! Nothing is left behind, and the check that says so can fail.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use common::{LIMIT, wait_until};
use standin_socket::{Client, LeakCheck, LeakError, Server};

#[test]
fn closing_a_busy_server_leaves_nothing() {
    let check = LeakCheck::new().unwrap();
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .build();
    let near = client.connect(LIMIT).unwrap();
    let far = server.accept(LIMIT).unwrap();
    let _pending = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .build()
        .connect(LIMIT)
        .unwrap();
    let (server_handle, far_handle) = (server.clone(), far.clone());
    let waiting = [
        thread::spawn(move || {
            assert!(server_handle.accept(None).is_ok() && server_handle.accept(None).is_err())
        }),
        thread::spawn(move || assert!(far_handle.receive_some(1, None).is_err())),
    ];
    wait_until(|| server.accepted() == 2);
    server.close();
    client.close();
    for waiting in waiting {
        waiting.join().unwrap();
    }
    _pending.close();
    // The handles are still here, the descriptors are not.
    check.finish().unwrap();
    drop((near, far));
}

#[test]
fn misbehaving_leaves_nothing() {
    let check = LeakCheck::new().unwrap();
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let full = server.fill_queue().unwrap();
    drop(full);
    let peer = TcpStream::connect(server.local_socket_addr().unwrap()).unwrap();
    server.accept(LIMIT).unwrap().reset().unwrap();
    server.go_away().unwrap();
    server.come_back().unwrap();
    drop(server);
    drop(peer);
    check.finish().unwrap();
}

#[test]
fn a_descriptor_and_a_thread_that_stay_are_found_and_named() {
    let check = LeakCheck::new().unwrap().grace(Duration::from_millis(100));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (end, ended) = mpsc::channel::<()>();
    let thread = thread::Builder::new()
        .name("forgotten".to_owned())
        .spawn(move || ended.recv())
        .unwrap();
    let error = check.finish().unwrap_err();
    let LeakError::Left(left) = &error else {
        unreachable!("{error}")
    };
    assert!(
        left.descriptors
            .values()
            .any(|what| what.starts_with("socket:[")),
        "{error}"
    );
    assert!(
        left.threads.values().any(|name| name == "forgotten"),
        "{error}"
    );
    assert!(error.to_string().contains("\n  descriptor "), "{error}");
    drop((listener, end));
    let _ = thread.join();
}
