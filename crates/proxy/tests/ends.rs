//! How connections end: resets that come late, and faults on what has ended in part.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;
use standin_proxy::{Direction, Fault, FaultKind, Link};
use standin_socket::framing::Lines;

use crate::support::{Between, Ends, LIMIT, end, receive, receive_all, send};

mod support;

/// Longer than any test takes.
const FOR_EVER: Duration = Duration::from_secs(3600);

fn reset(stream: TcpStream) {
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .expect("a TCP socket");
}

/// What a peer still receives while it sends all the time, until it can no longer.
fn receives_while_sending(stream: &TcpStream) -> Vec<u8> {
    thread::scope(|scope| {
        scope.spawn(|| while (&*stream).write_all(b"more").is_ok() {});
        receive_all(stream).0
    })
}

#[test]
fn a_reset_after_a_half_close_passes_through() {
    for is_near in [true, false] {
        let between = Between::new(|proxy| proxy);
        let Ends { near, far } = between.ends();
        let (one, other) = if is_near { (near, far) } else { (far, near) };
        send(&one, b"a");
        end(&one);
        assert_eq!(receive_all(&other), (b"a".to_vec(), None));
        reset(one);
        between.proxy.wait_until_open(0, LIMIT).expect("it is over");
        // One that was closed in order has no error.
        let until = Instant::now() + LIMIT;
        while SockRef::from(&other)
            .take_error()
            .expect("a socket")
            .is_none()
        {
            assert!(Instant::now() < until, "it was reset");
            thread::yield_now();
        }
    }
}

#[test]
fn what_was_sent_arrives_before_the_end_whatever_comes_the_other_way() {
    for link in [
        Link::new().latency(Duration::from_millis(100)),
        Link::new().bandwidth(50),
        Link::new().slice(1, Duration::from_millis(20)),
    ] {
        for is_reset in [true, false] {
            let between = Between::new(|proxy| proxy.up(link.clone()));
            let Ends { near, far } = between.ends();
            send(&near, b"goodbye");
            match is_reset {
                true => reset(near),
                false => drop(near),
            }
            assert_eq!(receives_while_sending(&far), b"goodbye", "{link}");
            between.proxy.wait_until_open(0, LIMIT).expect("it is over");
        }
    }
}

#[test]
fn a_reset_does_not_pass_in_a_direction_that_is_paused() {
    let between = Between::new(|proxy| proxy);
    let Ends { near, far } = between.ends();
    between.proxy.pause(Direction::Up, None);
    reset(near);
    for _ in 0..3 {
        send(&far, b"a");
        // Comes after what was sent.
        between.proxy.set_link(Direction::Down, Link::new());
        assert_eq!(between.proxy.open(), 1);
    }
    between.proxy.heal();
    between.proxy.wait_until_open(0, LIMIT).expect("it is over");
    assert_eq!(receive_all(&far).1, Some(ErrorKind::ConnectionReset));
}

#[test]
fn a_cut_is_for_everybody_who_has_connected() {
    let between = Between::new(|proxy| proxy);
    for _ in 0..50 {
        let near = between.connect();
        between.proxy.cut(FaultKind::Reset);
        assert_eq!(receive_all(&near).1, Some(ErrorKind::ConnectionReset));
    }
}

#[test]
fn a_fault_happens_at_once_after_an_end_too() {
    for fault in [Fault::reset(), Fault::close(), Fault::silence()] {
        let between = Between::new(|proxy| proxy);
        for fault in [fault.clone(), fault.after_bytes(1)] {
            let ends = between.ends();
            send(&ends.near, b"a");
            end(&ends.near);
            receive_all(&ends.far);
            let injected = between.proxy.inject(fault).expect("it makes sense");
            injected.wait(LIMIT).expect("it happens");
            between.proxy.withdraw(&injected);
        }
    }
}

#[test]
fn a_fault_after_as_many_frames_as_have_passed_happens_at_once() {
    let between = Between::new(|proxy| proxy.framed(Lines::new()));
    let Ends { near, far } = between.ends();
    send(&near, b"a\nb\n");
    receive(&far, 4);
    let fault = Fault::reset().after_frames(2);
    let injected = between.proxy.inject(fault).expect("it makes sense");
    injected.wait(LIMIT).expect("it happens");
    assert_eq!(receive_all(&near).1, Some(ErrorKind::ConnectionReset));
}

#[test]
fn pauses_of_a_link_end_with_it() {
    for link in [Link::new().slice(1, FOR_EVER), Link::new().bandwidth(1)] {
        let between = Between::new(|proxy| proxy.up(link));
        let Ends { near, far } = between.ends();
        send(&near, &[1; 5000]);
        receive(&far, 1);
        between.proxy.clear();
        receive(&far, 4999);
    }
}
