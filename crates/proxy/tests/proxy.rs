//! A proxy between plain sockets: what passes through as it is, and what faults do.

mod support;

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use standin_driver::Lifecycle;
use standin_proxy::{Direction, Fault, FaultKind, Link, TcpProxy};
use standin_socket::framing::Lines;
use support::{Between, Ends, LIMIT, end, fill, nothing_is_there, receive, receive_all, send};

#[test]
fn is_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<TcpProxy>();
    check::<standin_proxy::Injected>();
}

#[test]
fn bytes_pass_both_ways_and_half_closes_do_too() {
    let between = Between::new(|proxy| proxy);
    let Ends { near, far } = between.ends();
    send(&near, b"question");
    assert_eq!(receive(&far, 8), b"question");
    end(&near);
    assert_eq!(receive_all(&far), (vec![], None));
    send(&far, b"an answer to somebody who says no more");
    drop(far);
    let answer = b"an answer to somebody who says no more".to_vec();
    assert_eq!(receive_all(&near), (answer, None));
    between.proxy.stop().expect("nothing is missing");
    assert_eq!(between.proxy.bytes(Direction::Up), 8);
    assert_eq!(between.proxy.bytes(Direction::Down), 38);
}

#[test]
fn a_reset_passes_through() {
    let between = Between::new(|proxy| proxy);
    let Ends { near, far } = between.ends();
    send(&near, b"a");
    receive(&far, 1);
    socket2::SockRef::from(&far)
        .set_linger(Some(Duration::ZERO))
        .expect("a TCP socket");
    drop(far);
    assert_eq!(
        receive_all(&near),
        (vec![], Some(ErrorKind::ConnectionReset))
    );
}

#[test]
fn a_receiver_that_does_not_read_stops_the_sender() {
    let between = Between::new(|proxy| proxy);
    let Ends { near, far } = between.ends();
    let sent = fill(&near);
    end(&near);
    let (received, error) = receive_all(&far);
    assert_eq!((received.len(), error), (sent, None));
}

#[test]
fn latency_is_there_and_bytes_stay_in_order() {
    let time = Duration::from_millis(40);
    let between = Between::new(|proxy| proxy.up(Link::new().latency(time)).seed(3u64));
    let Ends { near, far } = between.ends();
    let begin = Instant::now();
    send(&near, b"1");
    receive(&far, 1);
    assert!(begin.elapsed() >= time, "{:?}", begin.elapsed());
    let jittery = Link::new()
        .latency(Duration::from_millis(2))
        .jitter(Duration::from_millis(2));
    between.proxy.set_link(Direction::Up, jittery);
    let bytes: Vec<u8> = (0..100).collect();
    for byte in &bytes {
        send(&near, &[*byte]);
    }
    assert_eq!(receive(&far, 100), bytes);
}

#[test]
fn bandwidth_is_kept_alone_and_together() {
    let between = Between::new(|proxy| proxy.down(Link::new().bandwidth(100_000)));
    let Ends { near, far } = between.ends();
    let begin = Instant::now();
    send(&far, &[1; 20_000]);
    receive(&near, 20_000);
    assert!(
        begin.elapsed() >= Duration::from_millis(199),
        "{:?}",
        begin.elapsed()
    );

    between
        .proxy
        .set_link(Direction::Down, Link::new().shared_bandwidth(100_000));
    let other = between.ends();
    let begin = Instant::now();
    for peer in [&far, &other.far] {
        send(peer, &[1; 10_000]);
    }
    for peer in [&near, &other.near] {
        receive(peer, 10_000);
    }
    assert!(
        begin.elapsed() >= Duration::from_millis(199),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn slices_come_one_by_one() {
    let link = |pause| Link::new().slice(3, Duration::from_millis(pause));
    let between = Between::new(|proxy| proxy.up(link(5)));
    let Ends { near, mut far } = between.ends();
    let begin = Instant::now();
    send(&near, b"abcdefgh");
    assert_eq!(receive(&far, 8), b"abcdefgh");
    assert!(begin.elapsed() >= Duration::from_millis(10));

    // With a pause that is not over there is one slice, and no more.
    between.proxy.set_link(Direction::Up, link(3_600_000));
    send(&near, b"ijklmnop");
    let mut slice = [0; 8];
    assert_eq!(far.read(&mut slice).expect("a slice"), 3);
    assert_eq!(&slice[..3], b"ijk");
    between.proxy.clear();
    assert_eq!(receive(&far, 5), b"lmnop");
}

#[test]
fn what_is_beyond_a_limit_is_lost() {
    let between = Between::new(|proxy| proxy.up(Link::new().limit(3)));
    let Ends { near, far } = between.ends();
    send(&near, b"abcdef");
    end(&near);
    assert_eq!(receive_all(&far), (b"abc".to_vec(), None));
}

#[test]
fn a_connection_breaks_off_after_so_many_bytes() {
    for (fault, error) in [
        (Fault::reset(), Some(ErrorKind::ConnectionReset)),
        (Fault::close(), None),
        (Fault::half_close(), None),
    ] {
        let fault = fault.on(Direction::Down).after_bytes(4);
        let between = Between::new(|proxy| proxy.fault(fault));
        let Ends { near, far } = between.ends();
        send(&far, b"abcdef");
        assert_eq!(receive_all(&near), (b"abcd".to_vec(), error));
        between.proxy.stop().expect("the fault has happened");
    }
}

#[test]
fn half_close_leaves_the_other_direction() {
    let fault = Fault::half_close().after_bytes(1);
    let between = Between::new(|proxy| proxy.fault(fault));
    let Ends { near, far } = between.ends();
    send(&near, b"abc");
    assert_eq!(receive_all(&far), (b"a".to_vec(), None));
    send(&far, b"still here");
    assert_eq!(receive(&near, 10), b"still here");
    // Nobody gets this, and it is in nobody's way.
    send(&near, &[0; 100_000]);
    drop(far);
    assert_eq!(receive_all(&near), (vec![], None));
}

#[test]
fn silence_holds_everything_until_it_is_healed() {
    let between = Between::new(|proxy| proxy);
    let Ends { near, far } = between.ends();
    let silence = between
        .proxy
        .inject(Fault::silence().after_bytes(2))
        .expect("a fault");
    send(&near, b"abcd");
    assert_eq!(receive(&far, 2), b"ab");
    silence.wait(LIMIT).expect("it has happened");
    send(&far, b"answer");
    std::thread::sleep(Duration::from_millis(50));
    for end in [&near, &far] {
        nothing_is_there(end);
    }
    between.proxy.heal();
    assert_eq!(receive(&far, 2), b"cd");
    assert_eq!(receive(&near, 6), b"answer");
    between.proxy.stop().expect("the fault has happened");
}

#[test]
fn a_partition_heals_by_itself_and_those_who_came_meanwhile_get_through() {
    let between = Between::new(|proxy| proxy);
    let Ends { near, far } = between.ends();
    let time = Duration::from_millis(100);
    let begin = Instant::now();
    between.proxy.partition(time);
    send(&near, b"a");
    let late = between.connect();
    send(&late, b"b");
    assert_eq!(receive(&far, 1), b"a");
    assert!(begin.elapsed() >= time, "{:?}", begin.elapsed());
    assert_eq!(receive(&between.accept(), 1), b"b");
}

#[test]
fn one_direction_is_paused_alone() {
    let between = Between::new(|proxy| proxy);
    let Ends { near, far } = between.ends();
    between.proxy.pause(Direction::Up, None);
    send(&near, b"a");
    send(&far, b"b");
    assert_eq!(receive(&near, 1), b"b");
    nothing_is_there(&far);
    between.proxy.heal();
    assert_eq!(receive(&far, 1), b"a");
}

#[test]
fn refuses_and_comes_back_and_open_connections_go_on() {
    let between = Between::new(|proxy| proxy);
    let Ends { near, far } = between.ends();
    between.proxy.refuse().expect("it runs");
    let port = between.proxy.port().expect("it is started");
    let error = TcpStream::connect(("127.0.0.1", port)).expect_err("it refuses");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    send(&near, b"a");
    assert_eq!(receive(&far, 1), b"a");
    between.proxy.come_back().expect("it runs");
    between.ends();
}

#[test]
fn refuses_from_the_start_on() {
    let between = Between::new(|proxy| proxy.refuse(true));
    let port = between.proxy.port().expect("it is started");
    let error = TcpStream::connect(("127.0.0.1", port)).expect_err("it refuses");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    between.proxy.come_back().expect("it runs");
    between.ends();
}

#[test]
fn accepts_and_closes() {
    let between = Between::new(|proxy| proxy.fault(Fault::close()));
    assert_eq!(receive_all(&between.connect()), (vec![], None));
    between.proxy.stop().expect("the fault has happened");
}

#[test]
fn a_fault_is_for_the_connections_that_it_names() {
    let nth = Fault::close().of_connection(1);
    let elsewhere = Fault::close().from_peer([127, 0, 0, 9].into()).optional();
    let between = Between::new(|proxy| proxy.fault(nth).fault(elsewhere));
    let first = between.ends();
    let second = between.connect();
    assert_eq!(receive_all(&second), (vec![], None));
    send(&first.near, b"a");
    assert_eq!(receive(&first.far, 1), b"a");
    between.proxy.stop().expect("what must happen has happened");
}

#[test]
fn a_link_is_for_the_connections_that_it_names() {
    let none = Link::new().limit(0).of_connection(1);
    let between = Between::new(|proxy| proxy.up(vec![Link::new(), none]));
    let first = between.ends();
    let second = between.ends();
    send(&second.near, b"a");
    end(&second.near);
    assert_eq!(receive_all(&second.far), (vec![], None));
    send(&first.near, b"a");
    assert_eq!(receive(&first.far, 1), b"a");
}

#[test]
fn faults_find_frames() {
    let commit = Fault::reset().on_frame("^COMMIT");
    let between = Between::new(|proxy| {
        proxy
            .framed(Lines::new())
            .fault(commit)
            .fault(Fault::drop_frame().at_frame(1))
            .fault(Fault::corrupt().in_frame(2, 1))
    });
    let Ends { near, far } = between.ends();
    send(&near, b"BEGIN\nINSERT\nUPDATE\nCOM");
    send(&near, b"MIT\n");
    let (bytes, error) = receive_all(&far);
    assert_eq!(bytes, [&b"BEGIN\nU"[..], &[!b'P'], b"DATE\n"].concat());
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    between.proxy.stop().expect("all faults have happened");
}

#[test]
fn a_fault_that_never_happened_fails_the_stop() {
    let fault = Fault::reset().after_bytes(100);
    let between = Between::new(|proxy| {
        proxy
            .fault(fault)
            .fault(Fault::close().at_byte(7).optional())
    });
    let Ends { near, far } = between.ends();
    send(&near, b"abc");
    end(&near);
    assert_eq!(receive_all(&far), (b"abc".to_vec(), None));
    drop(far);
    receive_all(&near);
    let error = between.proxy.stop().expect_err("it has not happened");
    let report = format!("{error:?}");
    assert!(report.contains("1 fault never happened"), "{report}");
    assert!(report.contains("reset up after 100 bytes"), "{report}");
    assert!(report.contains("3 bytes up, 0 bytes down"), "{report}");
    assert!(!report.contains("at byte 7"), "{report}");
}

#[test]
fn chance_shows_its_seed() {
    let never = Fault::reset().with_probability(0.0);
    let between = Between::new(|proxy| proxy.fault(never).seed(42u64));
    let _ends = between.ends();
    let transcript = between.proxy.transcript().text().to_string();
    assert!(transcript.contains("STANDIN_SEED=42"), "{transcript}");
    let error = between.proxy.stop().expect_err("it has not happened");
    assert!(
        format!("{error:?}").contains("STANDIN_SEED=42"),
        "{error:?}"
    );
}

#[test]
fn the_same_seed_chooses_the_same_connections() {
    let chosen = |seed: u64| -> Vec<bool> {
        let half = Fault::close().with_probability(0.5).optional();
        let between = Between::new(|proxy| proxy.fault(half).seed(seed));
        let closed = (0..16).map(|_| {
            let near = between.connect();
            send(&near, b"a");
            // Who gets through is answered.
            let far = between.target.accept();
            let far = far.expect("the proxy connects").0;
            let mut byte = [0];
            let is_through = (&far).read(&mut byte).is_ok_and(|count| count == 1);
            !is_through
        });
        closed.collect()
    };
    let of_seven = chosen(7);
    assert_eq!(of_seven, chosen(7));
    assert!(
        of_seven.contains(&true) && of_seven.contains(&false),
        "{of_seven:?}"
    );
}

#[test]
fn all_open_connections_are_cut_at_once() {
    let between = Between::new(|proxy| proxy);
    let first = between.ends();
    let second = between.ends();
    between.proxy.cut(FaultKind::Reset);
    for near in [&first.near, &second.near] {
        assert_eq!(
            receive_all(near),
            (vec![], Some(ErrorKind::ConnectionReset))
        );
    }
    let third = between.ends();
    send(&third.near, b"a");
    assert_eq!(receive(&third.far, 1), b"a");
}

#[test]
fn what_is_injected_can_be_waited_for_withdrawn_and_cleared() {
    let between = Between::new(|proxy| proxy);
    let Ends { near, far } = between.ends();
    send(&near, b"abc");
    receive(&far, 3);
    let passed = between
        .proxy
        .inject(Fault::reset().after_bytes(2))
        .expect("a fault");
    let error = passed
        .wait(Duration::ZERO)
        .expect_err("its place has passed");
    assert!(error.to_string().contains("has not happened"), "{error}");
    between.proxy.withdraw(&passed);
    let close = between
        .proxy
        .inject(Fault::close().after_bytes(4))
        .expect("a fault");
    send(&near, b"d");
    close.wait(LIMIT).expect("it has happened");
    assert_eq!(close.count(), 1);
    assert_eq!(receive_all(&near), (vec![], None));
    between.proxy.clear();
    between.proxy.stop().expect("nothing is missing");
    let frames = between.proxy.inject(Fault::reset().at_frame(1));
    let error = frames.expect_err("there are no frames");
    assert!(error.to_string().contains("no framing is set"), "{error}");
}

#[test]
fn who_waits_for_a_fault_hears_of_the_stop() {
    let between = Between::new(|proxy| proxy);
    let fault = Fault::reset().optional();
    let injected = between.proxy.inject(fault).expect("a fault");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| injected.wait(LIMIT));
        between.proxy.stop().expect("nothing is missing");
        let error = waits.join().expect("no panic").expect_err("it is stopped");
        assert!(error.to_string().contains("stopped"), "{error}");
    });
}

#[test]
fn what_ends_the_proxy_is_not_what_was_waited_for() {
    type End = fn(&TcpProxy);
    let ends: [(End, &str); 2] = [
        (|proxy| proxy.stop().expect("nothing is missing"), "stopped"),
        (|proxy| proxy.abort().expect("it ends"), "aborted"),
    ];
    for (end, reason) in ends {
        let between = Between::new(|proxy| proxy);
        let _open = between.ends();
        let proxy = &between.proxy;
        let injected = proxy.inject(Fault::reset().at_byte(1 << 40).optional());
        let injected = injected.expect("a fault");
        std::thread::scope(|scope| {
            let closes = scope.spawn(|| proxy.wait_until_open(0, None));
            let happens = scope.spawn(|| injected.wait(None));
            end(proxy);
            for waits in [closes, happens] {
                let error = waits.join().expect("no panic").expect_err("it ends");
                assert!(error.to_string().contains(reason), "{error}");
            }
        });
        // Nor does what begins later wait for what cannot come.
        let error = proxy.wait_until_open(0, None).expect_err("it has ended");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_fault_of_an_aborted_proxy_is_not_waited_for() {
    let between = Between::new(|proxy| proxy);
    between.proxy.stop().expect("nothing is missing");
    between.proxy.abort().expect("nothing is left");
    let injected = between.proxy.inject(Fault::reset().optional());
    let error = injected
        .expect("a fault")
        .wait(None)
        .expect_err("it has ended");
    assert!(error.to_string().contains("aborted"), "{error}");
}

#[test]
fn a_target_that_refuses_is_a_reset_and_is_said() {
    let nobody = test_port::TestPort::claim();
    let proxy = TcpProxy::builder("wan")
        .to(format!("127.0.0.1:{}", nobody.number()))
        .build()
        .expect("options that make sense");
    proxy.start().expect("it starts");
    let port = proxy.port().expect("it is started");
    let near = TcpStream::connect(("127.0.0.1", port)).expect("the proxy listens");
    near.set_read_timeout(Some(LIMIT)).expect("a time");
    assert_eq!(
        receive_all(&near),
        (vec![], Some(ErrorKind::ConnectionReset))
    );
    let trouble = standin_driver::Driver::trouble(&proxy).expect("there is some");
    assert!(trouble.contains("1 connection did not reach"), "{trouble}");
    assert!(trouble.contains("refused"), "{trouble}");
}

#[test]
fn starts_again_and_counts_from_zero() {
    let fault = Fault::close().of_connection(0).after_bytes(1);
    let between = Between::new(|proxy| proxy.fault(fault));
    for _ in 0..2 {
        let Ends { near, far } = between.ends();
        send(&near, b"ab");
        assert_eq!(receive_all(&far), (b"a".to_vec(), None));
        assert_eq!(between.proxy.accepted(), 1);
        between.proxy.restart().expect("it starts again");
    }
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let build = |fault: Fault| {
        TcpProxy::builder("wan")
            .to("localhost:1")
            .fault(fault)
            .build()
    };
    for (fault, message) in [
        (Fault::reset().on_frame("("), "not a regular expression"),
        (Fault::reset().at_frame(1), "no framing is set"),
        (Fault::drop_frame(), "one frame"),
        (Fault::reset().with_probability(2.0), "from 0.0 to 1.0"),
    ] {
        let error = build(fault).map(|_| ()).expect_err("it makes no sense");
        assert!(error.to_string().contains(message), "{error}");
    }
    let build = |to: &str| TcpProxy::builder("wan").to(to).build();
    for (to, help) in [
        ("bank", ".to_driver(\"bank\")"),
        (":80", "write a host and a port"),
        ("bank:http", "write a host and a port"),
    ] {
        let error = build(to).map(|_| ()).expect_err("it is not a target");
        let error = format!("{error:?}");
        assert!(error.contains("not a host and a port"), "{error}");
        assert!(error.contains(help), "{error}");
    }
    let error = build("{{ bank }}")
        .map(|_| ())
        .expect_err("no template is read here");
    let error = format!("{error:?}");
    assert!(error.contains("value = \"{{ host }}\""), "{error}");
}

#[test]
fn both_ends_are_recorded_with_what_happened_to_them() {
    let fault = Fault::reset().after_bytes(2);
    let between = Between::new(|proxy| proxy.fault(fault));
    let Ends { near, far } = between.ends();
    send(&near, b"abc");
    receive_all(&far);
    between.proxy.stop().expect("the fault has happened");
    let text = between.proxy.transcript().text().to_string();
    let faults = text.matches("reset up after 2 bytes").count();
    assert_eq!(faults, 2, "{text}");
    assert!(
        text.contains("\"abc\"") && text.contains("\"ab\""),
        "{text}"
    );
}

#[test]
fn what_the_way_is_like_is_recorded_on_open_connections() {
    let slow = Link::new()
        .latency(Duration::from_millis(1))
        .bandwidth(1_000_000);
    let between = Between::new(|proxy| proxy.up(slow));
    let Ends { near, far } = between.ends();
    let proxy = &between.proxy;
    proxy.set_link(Direction::Down, Link::new().slice(100, Duration::ZERO));
    proxy.partition(Duration::from_secs(600));
    proxy.heal();
    proxy.pause(Direction::Up, None);
    proxy.clear();
    send(&near, b"a");
    receive(&far, 1);
    let text = proxy.transcript().text().to_string();
    for says in [
        "from now on up: latency 1ms, 1000000 bytes/s",
        "from now on down: slices of 100 bytes 0ns apart",
        "nothing goes up for 600s",
        "nothing goes down for 600s",
        "nothing goes up until it is healed",
        "from now on up: as if there were no proxy",
        "healed",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
}
