//! Much data over many connections at once, with random sizes, pauses, directions and ways to
//! receive, under checksums.
//!
//! 64 MiB unless `STANDIN_STRESS_MIB` says otherwise; 1024 is the full size.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{thread, time::Duration};

use common::LIMIT;
use fastrand::Rng;
use standin_socket::{Client, Connection, Server};

const CONNECTIONS: usize = 16;

/// A checksum that notices lost, doubled and swapped bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Checksum(u64, usize);

impl Checksum {
    fn new() -> Checksum {
        Checksum(0xcbf2_9ce4_8422_2325, 0)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.1 += bytes.len();
    }
}

fn sends(connection: &Connection, total: usize, seed: u64) -> Checksum {
    let mut random = Rng::with_seed(seed);
    let mut checksum = Checksum::new();
    let mut left = total;
    while left > 0 {
        let largest = if random.usize(..4) == 0 {
            300_000
        } else {
            3_000
        };
        let size = (1 + random.usize(..largest)).min(left);
        let word = random.u64(..);
        let block: Vec<u8> = (0..size)
            .map(|at| (word >> (at % 57)) as u8 ^ at as u8)
            .collect();
        assert_eq!(connection.send(&block, LIMIT).unwrap(), size);
        checksum.add(&block);
        left -= size;
        if random.usize(..200) == 0 {
            thread::sleep(Duration::from_micros(random.u64(..2_000)));
        }
    }
    checksum
}

fn receives(connection: &Connection, total: usize, seed: u64) -> Checksum {
    let mut random = Rng::with_seed(seed);
    let mut checksum = Checksum::new();
    let mut left = total;
    while left > 0 {
        let size = (1 + random.usize(..100_000)).min(left);
        let received = match random.usize(..7) {
            0 => connection.receive_some(size, LIMIT).unwrap(),
            1 | 2 => connection.receive_exactly(size, LIMIT).unwrap(),
            3 => match connection.receive_exactly(size, Duration::from_micros(random.u64(..500))) {
                Ok(received) => received,
                Err(error) => {
                    assert!(error.is_timeout(), "{error}");
                    Vec::new()
                }
            },
            4 => {
                let byte = random.u8(..);
                match connection.receive_until([byte], Duration::from_millis(1)) {
                    Ok(received) => received,
                    Err(error) => {
                        assert!(error.is_timeout() || error.is_peer_closed(), "{error}");
                        Vec::new()
                    }
                }
            }
            5 => {
                let seen = connection.peek(size, LIMIT).unwrap();
                connection.expect(&seen, LIMIT).unwrap();
                seen
            }
            _ => {
                let mut received = connection.receive_some(size, LIMIT).unwrap();
                let kept = random.usize(..received.len() + 1);
                connection.unread(received.split_off(kept));
                received
            }
        };
        checksum.add(&received);
        left -= received.len();
        if random.usize(..200) == 0 {
            thread::sleep(Duration::from_micros(random.u64(..2_000)));
        }
    }
    checksum
}

#[test]
fn much_data_arrives_whole() {
    let mebibytes: usize =
        std::env::var("STANDIN_STRESS_MIB").map_or(64, |value| value.parse().unwrap());
    let each = mebibytes * (1 << 20) / CONNECTIONS / 2;
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let pairs: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let client = Client::builder()
                .host("127.0.0.1")
                .port(server.port())
                .build();
            (
                client.connect(LIMIT).unwrap(),
                server.accept(LIMIT).unwrap(),
            )
        })
        .collect();
    thread::scope(|scope| {
        for (number, (near, far)) in pairs.iter().enumerate() {
            let seed = number as u64;
            for (from, to, seed) in [(near, far, seed), (far, near, !seed)] {
                let sender = scope.spawn(move || sends(from, each, seed));
                scope.spawn(move || {
                    let received = receives(to, each, seed ^ 1 << 32);
                    assert_eq!(received, sender.join().unwrap());
                });
            }
        }
    });
    assert_eq!(server.active(), CONNECTIONS);
    server.close();
}
