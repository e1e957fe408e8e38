//! Peers and targets that do what they should not.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use standin_driver::Lifecycle;
use standin_proxy::{Direction, Fault, FaultKind, Link, TcpProxy};
use support::{Between, Ends, LIMIT, fill, receive, receive_all, send};
use test_port::TestPort;

/// Sends so much while it receives as much.
fn floods(stream: &TcpStream, bytes: usize) {
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = stream;
            stream.write_all(&vec![7; bytes]).expect("it is taken");
            stream.shutdown(Shutdown::Write).expect("it is connected");
        });
        assert_eq!(receive_all(stream), (vec![7; bytes], None));
    });
}

#[test]
fn floods_in_both_directions_at_once_get_through() {
    for link in [
        Link::new(),
        Link::new().latency(Duration::from_millis(5)),
        Link::new().bandwidth(100_000_000),
    ] {
        let between = Between::new(|proxy| proxy.up(link.clone()).down(link));
        let Ends { near, far } = between.ends();
        thread::scope(|scope| {
            scope.spawn(|| floods(&near, 8 << 20));
            floods(&far, 8 << 20);
        });
        between
            .proxy
            .wait_until_open(0, LIMIT)
            .expect("both have ended");
    }
}

#[test]
fn a_target_that_stays_silent_keeps_nobody_from_stopping() {
    let between = Between::new(|proxy| proxy);
    let Ends { near, far: _far } = between.ends();
    send(&near, &[1; 1000]);
    let begin = Instant::now();
    between.proxy.stop().expect("nothing is missing");
    assert!(begin.elapsed() < LIMIT);
    let (bytes, _) = receive_all(&near);
    assert!(bytes.is_empty());
}

#[test]
fn a_target_that_vanishes_in_the_middle_is_passed_on() {
    let between = Between::new(|proxy| proxy);
    let Ends { mut near, far } = between.ends();
    send(&near, &[1; 100_000]);
    // With bytes that it has not read the system resets the connection.
    receive(&far, 10);
    drop(far);
    let mut byte = [0];
    let read = near.read(&mut byte);
    let is_over = matches!(read, Ok(0))
        || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
    assert!(is_over);
}

#[test]
fn a_reset_gets_past_bytes_that_nobody_receives() {
    let between = Between::new(|proxy| proxy);
    let Ends { near, far } = between.ends();
    fill(&near);
    socket2::SockRef::from(&near)
        .set_linger(Some(Duration::ZERO))
        .expect("a TCP socket");
    drop(near);
    between.proxy.wait_until_open(0, LIMIT).expect("it is over");
    assert_eq!(receive_all(&far).1, Some(ErrorKind::ConnectionReset));
}

#[test]
fn peers_that_leave_at_once_leave_nothing() {
    let between = Between::new(|proxy| proxy);
    thread::scope(|scope| {
        scope.spawn(|| (0..200).for_each(|_| drop(between.accept())));
        for _ in 0..200 {
            drop(between.connect());
        }
    });
    between
        .proxy
        .wait_until_open(0, LIMIT)
        .expect("all have left");
    assert_eq!(between.proxy.accepted(), 200);
}

#[test]
fn thousands_of_connections_come_and_go() {
    let between = Between::new(|proxy| proxy.fault(Fault::close().on(Direction::Down).at_byte(1)));
    for _ in 0..40 {
        let ends: Vec<Ends> = (0..50).map(|_| between.ends()).collect();
        for Ends { near, far } in &ends {
            send(near, b"a");
            assert_eq!(receive(far, 1), b"a");
            send(far, b"bc");
        }
        for Ends { near, .. } in &ends {
            assert_eq!(receive_all(near), (b"b".to_vec(), None));
        }
    }
    between
        .proxy
        .wait_until_open(0, LIMIT)
        .expect("all were closed");
    assert_eq!(between.proxy.accepted(), 2000);
    between.proxy.stop().expect("the fault has happened");
}

#[test]
fn what_is_changed_all_the_time_loses_no_byte() {
    let between = Between::new(|proxy| proxy);
    let Ends { near, far } = between.ends();
    thread::scope(|scope| {
        let floods = scope.spawn(|| {
            thread::scope(|scope| {
                scope.spawn(|| floods(&near, 4 << 20));
                floods(&far, 4 << 20);
            });
        });
        let links = [
            Link::new().latency(Duration::from_millis(1)),
            Link::new().slice(10_000, Duration::from_micros(50)),
            Link::new(),
            Link::new().bandwidth(200_000_000),
        ];
        for link in links.iter().cycle() {
            if floods.is_finished() {
                break;
            }
            between.proxy.set_link(Direction::Up, link.clone());
            between.proxy.set_link(Direction::Down, link.clone());
            between.proxy.partition(None);
            between.proxy.heal();
        }
        floods.join().expect("nothing is lost");
    });
}

#[test]
fn cuts_from_many_threads_end_all_connections_once() {
    let between = Between::new(|proxy| proxy);
    let ends: Vec<Ends> = (0..20).map(|_| between.ends()).collect();
    thread::scope(|scope| {
        for kind in [
            FaultKind::Reset,
            FaultKind::Close,
            FaultKind::Reset,
            FaultKind::Close,
        ] {
            let proxy = &between.proxy;
            scope.spawn(move || proxy.cut(kind));
        }
    });
    between
        .proxy
        .wait_until_open(0, LIMIT)
        .expect("all were cut");
    for Ends { near, .. } in &ends {
        let (bytes, error) = receive_all(near);
        assert!(bytes.is_empty() && error.is_none_or(|error| error == ErrorKind::ConnectionReset));
    }
}

#[test]
fn an_abort_ends_everything_while_it_is_under_way() {
    let slow = Link::new().bandwidth(1000);
    let between = Between::new(|proxy| proxy.up(slow));
    let Ends { near, far } = between.ends();
    send(&near, &[1; 10_000]);
    receive(&far, 1);
    between.proxy.abort().expect("it ends");
    assert!(receive_all(&near).0.is_empty());
    assert_eq!(between.proxy.open(), 0);
}

#[test]
fn a_proxy_that_leads_to_itself_does_not_start() {
    let claim = TestPort::claim();
    let port = claim.number();
    let path = std::env::temp_dir().join(format!("standin-itself-{port}.sock"));
    let unix = format!("unix:{}", path.display());
    for (host, to) in [
        ("127.0.0.1", format!("127.0.0.1:{port}")),
        ("127.0.0.1", format!("localhost:{port}")),
        ("localhost", format!("localhost:{port}")),
        ("0.0.0.0", format!("127.0.0.1:{port}")),
        (unix.as_str(), unix.clone()),
    ] {
        let port = if host == unix { 0 } else { port };
        let proxy = TcpProxy::builder("wan").host(host).port(port).to(&*to);
        let proxy = proxy.build().expect("its options are fine");
        let error = standin_error::Error::from(proxy.start().expect_err("there is nothing behind"));
        let reason = format!("proxy \"wan\": \"{to}\" is its own address");
        let report = format!("{error:?}");
        assert!(report.contains(&reason), "{report}");
        assert!(!path.exists());
    }
    let other = TcpProxy::builder("wan").host("127.0.0.1").port(port);
    let other = other.to(format!("127.0.0.2:{port}")).build();
    other
        .expect("its options are fine")
        .start()
        .expect("that is another address");
}
