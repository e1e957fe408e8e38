//! Starting and stopping again and again leaves nothing behind. A program of its
//! own, so that no other test opens anything meanwhile.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what cannot be in a test fails it")]

use std::time::Duration;

use standin_config::context;
use standin_environment::{Environment, RunningEnvironment};
use standin_socket::LeakCheck;
use standin_tcp::{TcpClient, TcpServer};

/// How many cycles; the promise is about ten thousand, which take a minute.
const VARIABLE: &str = "STANDIN_CYCLES";
const DEFAULT: usize = 300;

/// How many kilobytes may come and go without being a leak: of the allocator's
/// own, and of timers that keep the latest intervals of a life.
const SLACK: usize = 2_048;

#[test]
fn a_pair_that_starts_and_stops_again_and_again_does_not_grow() {
    let cycles = std::env::var(VARIABLE).map_or(DEFAULT, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut env = Environment::builder("cycles")
        .runpath(folder.path().join("run"))
        .build()
        .unwrap();
    env.add(TcpServer::builder("server").build().unwrap())
        .unwrap();
    let client = TcpClient::builder("client")
        .host(context("server", "{{ host }}"))
        .port(context("server", "{{ port }}"));
    env.add(client.build().unwrap()).unwrap();
    let env = env.start().unwrap();
    // What is kept of each life is full after some.
    run(&env, DEFAULT);

    env.stop().unwrap();
    let check = LeakCheck::new().unwrap();
    let before = resident();
    run(&env, cycles);
    env.stop().unwrap();
    check.finish().unwrap();
    let after = resident();
    assert!(
        after <= before + SLACK,
        "{before} KB before {cycles} cycles, {after} KB after"
    );
}

fn run(env: &RunningEnvironment, cycles: usize) {
    for _ in 0..cycles {
        env.restart().unwrap();
        let server = env.get::<TcpServer>("server").unwrap();
        let client = env.get::<TcpClient>("client").unwrap();
        server.accept_connection(Duration::from_secs(10)).unwrap();
        client.send(b"x").unwrap();
        assert_eq!(server.receive_exactly(1).unwrap(), b"x");
    }
}

/// The memory that this process has, in kilobytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}
