//! Every way to receive: what it gives, what it leaves, and how it fails.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{thread, time::Duration};

use common::{LIMIT, SHORT, pair, promptly};
use expect_test::expect;
use standin_socket::{
    Connection, ReceiveError,
    framing::{Endian, LengthPrefix, Width},
};

#[test]
fn some_takes_what_is_there_up_to_the_limit() {
    let (near, far, _server) = pair();
    near.send(&[1; 3000], LIMIT).unwrap();
    assert_eq!(far.receive_some(1024, LIMIT).unwrap().len(), 1024);
    assert_eq!(far.receive_some(1024, LIMIT).unwrap().len(), 1024);
    assert_eq!(far.receive_some(1024, LIMIT).unwrap().len(), 952);
    assert!(
        far.receive_some(1024, Duration::ZERO)
            .unwrap_err()
            .is_timeout()
    );
}

#[test]
fn some_waits_for_the_first_bytes() {
    let (near, far, _server) = pair();
    let waiting = thread::spawn(move || far.receive_some(1024, LIMIT).unwrap());
    thread::sleep(SHORT);
    near.send(b"ab", LIMIT).unwrap();
    assert_eq!(waiting.join().unwrap(), b"ab");
}

#[test]
fn some_gives_what_was_kept_and_what_has_come_since() {
    let (near, far, _server) = pair();
    near.send(b"ab", LIMIT).unwrap();
    assert!(far.receive_exactly(4, SHORT).unwrap_err().is_timeout());
    near.send(b"cd", LIMIT).unwrap();
    assert_eq!(far.peek(3, LIMIT).unwrap(), b"abc");
    assert_eq!(far.receive_some(1024, LIMIT).unwrap(), b"abcd");
    near.send(b"ef", LIMIT).unwrap();
    assert!(far.receive_exactly(4, SHORT).unwrap_err().is_timeout());
    near.close();
    assert_eq!(far.receive_some(1024, LIMIT).unwrap(), b"ef");
    assert!(far.receive_some(1024, LIMIT).unwrap_err().is_peer_closed());
}

#[test]
fn nothing_is_had_at_once_also_from_a_peer_that_is_gone() {
    let (near, far, _server) = pair();
    near.close();
    assert_eq!(far.receive_some(0, None).unwrap(), b"");
    assert_eq!(far.receive_exactly(0, None).unwrap(), b"");
    assert_eq!(far.receive_into(&mut [], None).unwrap(), 0);
    assert_eq!(far.peek(0, None).unwrap(), b"");
}

#[test]
fn exactly_keeps_what_came_before_the_deadline() {
    let (near, far, _server) = pair();
    for size in [4, 100_000] {
        near.send(b"ab", LIMIT).unwrap();
        let error = far.receive_exactly(size, SHORT).unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert_eq!(error.received().head(), b"ab");
        near.send(&vec![b'c'; size - 2], LIMIT).unwrap();
        let received = far.receive_exactly(size, LIMIT).unwrap();
        assert_eq!((received.len(), &received[..3]), (size, &b"abc"[..]));
    }
}

#[test]
fn a_trickle_does_not_extend_the_deadline() {
    let (near, far, _server) = pair();
    let trickle = thread::spawn(move || {
        near.send_in_pieces(&[0; 100_000], 1, Duration::from_millis(10), None)
            .ok();
    });
    far.peek(1, LIMIT).unwrap();
    let limit = Duration::from_millis(200);
    let error = promptly(|| far.receive_exactly(100_000, limit)).unwrap_err();
    assert!(
        error.is_timeout() && !error.received().is_empty(),
        "{error}"
    );
    far.close();
    trickle.join().unwrap();
}

#[test]
fn large_blocks_arrive_in_one_piece() {
    let (near, far, _server) = pair();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let copy = sent.clone();
    let sender = thread::spawn(move || near.send(&copy, LIMIT).unwrap());
    let received = far.receive_exactly(sent.len(), LIMIT).unwrap();
    assert!(received == sent);
    assert_eq!(received.capacity(), sent.len());
    assert_eq!(sender.join().unwrap(), sent.len());
}

#[test]
fn a_size_beyond_all_memory_is_an_error() {
    let (near, far, _server) = pair();
    near.send(b"ab", LIMIT).unwrap();
    let error = far.receive_exactly(usize::MAX, LIMIT).unwrap_err();
    assert!(matches!(error, ReceiveError::Limit(_)), "{error}");
    assert_eq!(far.receive_some(10, LIMIT).unwrap(), b"ab");
}

#[test]
fn exactly_reads_nothing_ahead() {
    let (near, far, _server) = pair();
    near.send(b"abcdef", LIMIT).unwrap();
    far.receive_exactly(2, LIMIT).unwrap();
    // A peek by the system, behind the connection's back, shows what it has not read.
    let mut seen = [0; 16];
    assert_eq!(far.receive_into(&mut seen[..2], LIMIT).unwrap(), 2);
    assert_eq!(far.receive_buffered().unwrap(), b"ef");
}

#[test]
fn until_gives_the_delimiter_and_keeps_the_rest() {
    let (near, far, _server) = pair();
    near.send(b"one||two|", LIMIT).unwrap();
    assert_eq!(far.receive_until("||", LIMIT).unwrap(), b"one||");
    assert!(far.receive_until("||", SHORT).unwrap_err().is_timeout());
    near.send(b"|three", LIMIT).unwrap();
    assert_eq!(far.receive_until("||", LIMIT).unwrap(), b"two||");
    assert_eq!(far.receive_some(100, LIMIT).unwrap(), b"three");
    assert!(matches!(
        far.receive_until("", LIMIT),
        Err(ReceiveError::Frame { .. })
    ));
}

#[test]
fn lines_come_without_their_ends() {
    let (near, far, _server) = pair();
    near.send(b"one\r\n\ntwo\nrest", LIMIT).unwrap();
    near.shutdown_write().unwrap();
    assert_eq!(far.receive_line(LIMIT).unwrap(), b"one");
    assert_eq!(far.receive_line(LIMIT).unwrap(), b"");
    assert_eq!(far.receive_line(LIMIT).unwrap(), b"two");
    let error = far.receive_line(LIMIT).unwrap_err();
    assert!(error.is_peer_closed(), "{error}");
    assert_eq!(error.received().head(), b"rest");
    assert_eq!(far.receive_to_end(LIMIT).unwrap(), b"rest");
}

#[test]
fn a_delimiter_that_never_comes_meets_the_limit() {
    let (near, far, _server) = pair();
    far.set_receive_limit(10_000);
    let flood = thread::spawn(move || near.send(&vec![b'x'; 5_000_000], LIMIT).is_ok());
    let error = far.receive_line(LIMIT).unwrap_err();
    assert!(matches!(error, ReceiveError::Limit(_)), "{error}");
    assert_eq!(error.received().len(), 10_000);
    // Nothing is lost: another receive finds it all.
    assert_eq!(
        far.receive_exactly(5_000_000, LIMIT).unwrap().len(),
        5_000_000
    );
    assert!(flood.join().unwrap());
}

#[test]
fn frames_leave_the_next_frame_alone() {
    let (near, far, _server) = pair();
    let mut framing = LengthPrefix::new(Width::U16, Endian::Big).limit(1000);
    near.send_frame(&mut framing, b"one", LIMIT).unwrap();
    near.send_frame(&mut framing, b"", LIMIT).unwrap();
    near.send(b"\xff\xff", LIMIT).unwrap();
    assert_eq!(far.receive_frame(&mut framing, LIMIT).unwrap(), b"one");
    assert_eq!(far.receive_frame(&mut framing, LIMIT).unwrap(), b"");
    let error = far.receive_frame(&mut framing, LIMIT).unwrap_err();
    assert!(matches!(error, ReceiveError::Frame { .. }), "{error}");
    assert!(near.send_frame(&mut framing, &[0; 2000], LIMIT).is_err());
}

#[test]
fn a_frame_of_some_size_arrives_whole() {
    let (near, far, _server) = pair();
    let mut framing = LengthPrefix::new(Width::U32, Endian::Little);
    let payload: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 249) as u8).collect();
    let copy = payload.clone();
    let sender = thread::spawn(move || {
        near.send_frame(
            &mut LengthPrefix::new(Width::U32, Endian::Little),
            &copy,
            LIMIT,
        )
    });
    assert!(far.receive_frame(&mut framing, LIMIT).unwrap() == payload);
    sender.join().unwrap().unwrap();
}

#[test]
fn to_end_gives_everything_and_then_nothing() {
    let (near, far, _server) = pair();
    near.send(&[5; 100_000], LIMIT).unwrap();
    near.close();
    assert_eq!(far.receive_to_end(LIMIT).unwrap().len(), 100_000);
    assert_eq!(far.receive_to_end(LIMIT).unwrap().len(), 0);
}

#[test]
fn to_end_of_an_endless_stream_is_an_error() {
    let (near, far, _server) = pair();
    far.set_receive_limit(1 << 20);
    let flood = thread::spawn(move || while near.send(&[0; 65536], LIMIT).is_ok() {});
    let error = far.receive_to_end(LIMIT).unwrap_err();
    assert!(matches!(error, ReceiveError::Limit(_)), "{error}");
    far.set_receive_limit(usize::MAX);
    let error = promptly(|| far.receive_to_end(SHORT)).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let error = promptly(|| far.receive_until_silence(SHORT, SHORT * 2)).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    far.close();
    flood.join().unwrap();
}

#[test]
fn silence_ends_a_receive() {
    let (near, far, _server) = pair();
    assert_eq!(far.receive_until_silence(SHORT, LIMIT).unwrap(), b"");
    near.send(b"abc", LIMIT).unwrap();
    assert_eq!(far.receive_until_silence(SHORT, LIMIT).unwrap(), b"abc");
    near.send(b"de", LIMIT).unwrap();
    near.close();
    assert_eq!(
        promptly(|| far.receive_until_silence(LIMIT, LIMIT)).unwrap(),
        b"de"
    );
    assert!(
        far.receive_until_silence(SHORT, LIMIT)
            .unwrap_err()
            .is_peer_closed()
    );
}

#[test]
fn what_came_before_receiving_was_shut_down_is_received() {
    let (near, far, _server) = pair();
    near.send(b"abc", LIMIT).unwrap();
    assert_eq!(far.peek(1, LIMIT).unwrap(), b"a");
    far.shutdown_read().unwrap();
    assert_eq!(
        promptly(|| far.receive_until_silence(LIMIT, LIMIT)).unwrap(),
        b"abc"
    );
    let error = far.receive_until_silence(LIMIT, LIMIT).unwrap_err();
    assert!(matches!(error, ReceiveError::ShutDown(_)), "{error}");
}

#[test]
fn buffered_never_waits() {
    let (near, far, _server) = pair();
    assert_eq!(far.receive_buffered().unwrap(), b"");
    near.send(&[1; 20_000], LIMIT).unwrap();
    far.unread(b"x".to_vec());
    assert_eq!(far.receive_buffered().unwrap().len(), 20_001);
    near.send(b"last", LIMIT).unwrap();
    near.close();
    assert_eq!(far.receive_buffered().unwrap(), b"last");
    assert!(far.receive_buffered().unwrap_err().is_peer_closed());
}

#[test]
fn peek_takes_nothing() {
    let (near, far, _server) = pair();
    near.send(b"abcd", LIMIT).unwrap();
    assert_eq!(far.peek(2, LIMIT).unwrap(), b"ab");
    assert_eq!(far.receive_exactly(4, LIMIT).unwrap(), b"abcd");
    assert!(far.peek(2, SHORT).unwrap_err().is_timeout());
}

#[test]
fn bytes_can_be_put_back_one_after_another() {
    let (near, far, _server) = pair();
    near.send(b"abcd", LIMIT).unwrap();
    let taken = far.receive_some(3, LIMIT).unwrap();
    far.unread(taken[2..].to_vec());
    far.unread(taken[..2].to_vec());
    far.unread(Vec::new());
    assert_eq!(far.receive_exactly(4, LIMIT).unwrap(), b"abcd");
}

#[test]
fn what_is_expected_is_taken_and_nothing_else() {
    let (near, far, _server) = pair();
    near.send(b"hello world", LIMIT).unwrap();
    far.expect(b"hello ", LIMIT).unwrap();
    far.expect("", LIMIT).unwrap();
    let error = far.expect("wonder", LIMIT).unwrap_err();
    assert!(matches!(error, ReceiveError::Unexpected { .. }), "{error}");
    let text = error.to_string();
    expect![[r#"
        shown as
          first difference at byte 2; expected 6 bytes (-), 5 came (+)
          - 00000000  77 6f 6e 64 65 72                                 |wonder|
          + 00000000  77 6f 72 6c 64                                    |world|
                            ^^ ^^ ^^"#]]
    .assert_eq(&format!("shown as\n{}", text.split_once('\n').unwrap().1));
    assert_eq!(far.receive_some(10, LIMIT).unwrap(), b"world");
}

#[test]
fn something_else_is_noticed_before_everything_came() {
    let (near, far, _server) = pair();
    near.send(b"no", LIMIT).unwrap();
    let error = promptly(|| far.expect("yes, of course", LIMIT)).unwrap_err();
    assert!(matches!(error, ReceiveError::Unexpected { .. }), "{error}");
}

#[test]
fn a_reset_is_reported_as_one_also_without_waiting_and_every_time() {
    let (near, far, _server) = pair();
    near.reset().unwrap();
    for timeout in [LIMIT, Duration::ZERO, Duration::ZERO] {
        let error = far.receive_exactly(4, timeout).unwrap_err();
        assert!(matches!(error, ReceiveError::Reset(_)), "{error}");
    }
}

#[test]
fn what_came_before_a_reset_is_still_handed_over() {
    for size in [10, 200_000] {
        let (near, far, _server) = pair();
        near.send(b"abc", LIMIT).unwrap();
        near.reset().unwrap();
        let error = far.receive_exactly(size, LIMIT).unwrap_err();
        assert!(matches!(error, ReceiveError::Reset(_)), "{error}");
        assert_eq!(far.receive_some(10, LIMIT).unwrap(), b"abc");
        assert!(matches!(
            far.receive_some(10, LIMIT),
            Err(ReceiveError::Reset(_))
        ));
    }
}

#[test]
fn every_way_to_receive_says_that_the_connection_is_closed_here() {
    #[track_caller]
    fn check<T: std::fmt::Debug>(result: Result<T, ReceiveError>) {
        assert!(matches!(result, Err(ReceiveError::Closed(_))), "{result:?}");
    }
    let (_near, far, _server) = pair();
    let far: Connection = far;
    far.close();
    check(far.receive_some(1, None));
    check(far.receive_into(&mut [0], None));
    check(far.receive_exactly(1, None));
    check(far.receive_until("x", None));
    check(far.receive_line(None));
    check(far.receive_matching(|_| None, None));
    check(far.receive_to_end(None));
    check(far.receive_until_silence(SHORT, None));
    check(far.receive_buffered());
    check(far.peek(1, None));
    check(far.expect("x", None));
}
