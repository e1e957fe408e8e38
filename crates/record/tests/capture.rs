//! The capture: its blocks are whole, and tshark finds nothing strange in it.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use standin_record::{Address, By, Conversation, Event, Piece, Place, Record, Transcript};

/// What an end does, and after how many nanoseconds.
#[derive(Clone, Debug)]
enum Act {
    Send(Vec<u8>, u64),
    HalfClose,
    Close,
    Reset,
    Say(String),
}

fn act() -> impl Strategy<Value = Act> {
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        8 => bytes.prop_map(|bytes| Act::Send(bytes, 0)),
        1 => (prop::collection::vec(any::<u8>(), 512), 1_u64..200_000)
            .prop_map(|(bytes, more)| Act::Send(bytes, more)),
        1 => Just(Act::HalfClose),
        1 => Just(Act::Close),
        1 => any::<String>().prop_map(Act::Say),
        1 => Just(Act::Reset),
    ]
}

/// Which ends are recorded, how many of the first records are gone, whether it is IPv6 or a
/// Unix socket, and what happens: who does what after how long.
type Script = (u8, [usize; 2], u8, Vec<(bool, Act, u32)>);

fn script() -> impl Strategy<Value = Script> {
    let acts = prop::collection::vec((any::<bool>(), act(), 0_u32..1_000_000), 0..20);
    let gone = prop_oneof![3 => Just([0; 2]), 1 => [0_usize..4, 0_usize..4]];
    (0_u8..3, gone, 0_u8..4, acts)
}

fn ends(number: usize, family: u8) -> [Address; 2] {
    let port = 10_000 + number as u16;
    let ip = if family == 1 { "::1" } else { "127.0.0.1" };
    if family == 0 {
        return [Address::Unnamed, std::path::Path::new("/run/s").into()];
    }
    [port, 8080].map(|port| SocketAddr::new(ip.parse().expect("it is valid"), port).into())
}

#[track_caller]
fn here() -> Option<Place> {
    Some(Place::caller())
}

/// What two drivers record when that happens.
fn conversations(number: usize, script: &Script) -> Vec<Conversation> {
    let (recorded, gone, family, acts) = script;
    let [client, server] = ends(number, *family);
    let new = |driver: &str, local: &Address, peer: &Address, opening| Conversation {
        driver: driver.into(),
        index: number,
        local: local.clone(),
        peer: peer.clone(),
        dropped: Default::default(),
        wire: Vec::new(),
        records: vec![Record {
            at: Duration::from_micros(number as u64),
            place: here(),
            event: opening,
        }],
    };
    let mut tapes = [
        new("client", &client, &server, Event::Connected),
        new("server <&>", &server, &client, Event::Accepted),
    ];
    let mut at = Duration::from_micros(number as u64);
    let mut ended = [false; 2];
    for (is_server, act, after) in acts {
        let from = usize::from(*is_server);
        at += Duration::from_nanos(u64::from(*after));
        let mut note = |tape: usize, event| {
            let place = here();
            tapes[tape].records.push(Record { at, place, event });
        };
        match act {
            Act::Send(bytes, more) if !ended[from] => {
                let piece = Piece {
                    kept: bytes.clone(),
                    length: bytes.len() as u64 + more,
                };
                note(from, Event::Sent(piece.clone()));
                note(1 - from, Event::Received(piece));
            }
            Act::HalfClose if !ended[from] => {
                note(from, Event::HalfClosed(By::Us));
                note(1 - from, Event::HalfClosed(By::Peer));
                ended[from] = true;
            }
            Act::Close if !ended[from] => {
                note(from, Event::Closed(By::Us));
                note(1 - from, Event::Closed(By::Peer));
                ended[from] = true;
            }
            Act::Reset => {
                note(from, Event::Reset(By::Us));
                note(1 - from, Event::Reset(By::Peer));
                break;
            }
            Act::Say(text) => note(from, Event::Unmet(text.clone())),
            _ => {}
        }
    }
    for (tape, gone) in tapes.iter_mut().zip(gone) {
        for _ in 0..(*gone).min(tape.records.len() - 1) {
            let record = tape.records.remove(1);
            tape.dropped.records += 1;
            match record.event {
                Event::Sent(piece) => tape.dropped.sent += piece.length,
                Event::Received(piece) => tape.dropped.received += piece.length,
                _ => {}
            }
        }
    }
    let [client, server] = tapes;
    match recorded {
        0 => vec![client],
        1 => vec![server],
        _ => vec![server, client],
    }
}

fn transcript(scripts: &[Script]) -> Transcript {
    let all = scripts.iter().enumerate();
    Transcript {
        name: "random".to_owned(),
        started: std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        conversations: all
            .flat_map(|(number, script)| conversations(number, script))
            .collect(),
        secrets: "CLIENT_RANDOM 00 00\n".to_owned(),
        ..Transcript::default()
    }
}

/// Every block with its kind; their lengths have to fit.
fn blocks(capture: &[u8]) -> Vec<(u32, &[u8])> {
    let word = |at: usize| {
        let bytes = capture[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes)
    };
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < capture.len() {
        let length = word(at + 4) as usize;
        assert_eq!(length % 4, 0);
        assert_eq!(word(at + length - 4) as usize, length, "behind as in front");
        blocks.push((word(at), &capture[at + 8..at + length - 4]));
        at += length;
    }
    assert_eq!(at, capture.len());
    blocks
}

proptest! {
    #[test]
    fn blocks_are_whole_and_in_order(scripts in prop::collection::vec(script(), 0..5)) {
        let capture = transcript(&scripts).to_pcapng();
        let kinds: Vec<u32> = blocks(&capture).iter().map(|(kind, _)| *kind).collect();
        // Section, interface, secrets, names, and packets only.
        prop_assert_eq!(&kinds[..4], &[0x0a0d_0d0a, 1, 10, 4]);
        prop_assert!(kinds[4..].iter().all(|kind| *kind == 6));
    }
}

#[test]
fn any_name_is_the_name_of_an_address() {
    let name = "a \"b\"\0\n\u{202e}<script>".to_owned() + &"x".repeat(500);
    let [local, peer] = ends(1, 2);
    let capture = Transcript {
        names: vec![(peer.clone(), String::new())],
        conversations: vec![Conversation {
            driver: Arc::from(name),
            local,
            peer,
            ..conversations(1, &(0, [0; 2], 2, Vec::new())).remove(0)
        }],
        ..Transcript::default()
    }
    .to_pcapng();
    let blocks = blocks(&capture);
    let (_, names) = blocks.iter().find(|(kind, _)| *kind == 4).expect("names");
    let text = String::from_utf8_lossy(names).into_owned();
    let expected = format!("a__b_____script_{}\0", "x".repeat(47));
    assert!(text.contains(&expected), "{text:?}");
}

/// What tshark prints of a capture, or nothing where it is not installed.
#[expect(clippy::print_stderr, reason = "a test that is skipped has to say so")]
fn tshark(capture: &[u8], arguments: &[&str]) -> Option<String> {
    let child = Command::new("tshark")
        .args(["-r", "-", "-n"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(
                std::env::var_os("STANDIN_REQUIRE_PEERS").is_none(),
                "`tshark` is not installed, and STANDIN_REQUIRE_PEERS is set: install it, or \
                 unset the variable"
            );
            eprintln!("skipped: tshark is not installed");
            return None;
        }
        other => other.expect("tshark starts"),
    };
    let mut stdin = child.stdin.take().expect("it is a pipe");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(capture));
        child.wait_with_output()
    });
    let output = output.expect("tshark ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let complaints: Vec<&str> = said
        .lines()
        .filter(|line| !line.is_empty() && !line.contains("could be dangerous"))
        .collect();
    assert!(output.status.success() && complaints.is_empty(), "{said}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `STANDIN_CAPTURES` is how many.
#[test]
fn tshark_finds_nothing_strange_in_random_conversations() {
    let count = std::env::var("STANDIN_CAPTURES").map_or(300, |count| {
        count.parse().expect("STANDIN_CAPTURES is a number")
    });
    let mut runner = TestRunner::default();
    let scripts: Vec<Script> = (0..count)
        .map(|_| script().new_tree(&mut runner).expect("a script").current())
        .collect();
    let transcript = transcript(&scripts);
    let capture = transcript.to_pcapng();
    let packets = blocks(&capture).len() - 4;
    let fields = ["-T", "fields", "-e", "frame.number", "-e", "tcp.stream"];
    let Some(all) = tshark(&capture, &fields) else {
        return;
    };
    assert_eq!(all.lines().count(), packets);
    // Bytes by chance are a bad example of any other protocol.
    let strange = "tcp.analysis.flags || tcp.checksum.status == 0 || ip.checksum.status == 0 \
                   || _ws.malformed";
    let checked = [
        "-d",
        "tcp.port==8080,data",
        "-d",
        "tcp.port==1,data",
        "-o",
        "tcp.check_checksum:TRUE",
        "-o",
        "ip.check_checksum:TRUE",
        "-Y",
        strange,
    ];
    let found = tshark(&capture, &checked).expect("it was there before");
    assert!(found.is_empty(), "{found}\n{scripts:?}");
}

#[test]
fn tshark_shows_names_and_places() {
    let sent = |from, bytes: &[u8]| (from, Act::Send(bytes.to_vec(), 0), 1_000);
    let acts = vec![
        sent(false, b"BALANCE 4711\r\n"),
        sent(true, b"4711 42.00\r\n"),
        (true, Act::Say("\"bye\"".to_owned()), 2_000_000_000),
        (true, Act::Close, 1_000),
    ];
    let capture = transcript(&[(2, [0; 2], 2, acts)]).to_pcapng();
    let shown = [
        "-N",
        "n",
        "-T",
        "fields",
        "-e",
        "frame.time_relative",
        "-e",
        "ip.src_host",
        "-e",
        "ip.dst_host",
        "-e",
        "tcp.flags.str",
        "-e",
        "tcp.payload",
        "-e",
        "frame.comment",
    ];
    let Some(shown) = tshark(&capture, &shown) else {
        return;
    };
    let line = regex::Regex::new(r"rs:\d+").expect("it is valid");
    let expected = expect![[r#"
        0.000000000	client	server____	··········S·		client 127.0.0.1:10000 -> server <&> 127.0.0.1:8080
        0.000000000	server____	client	·······A··S·		
        0.000000000	client	server____	·······A····		
        0.000001000	client	server____	·······AP···	42414c414e434520343731310d0a	client#0 at crates/record/tests/capture.rs:LINE,received by server <&>#0 at crates/record/tests/capture.rs:LINE
        0.000002000	server____	client	·······AP···	343731312034322e30300d0a	server <&>#0 at crates/record/tests/capture.rs:LINE,received by client#0 at crates/record/tests/capture.rs:LINE,+2.000 002 s not as expected: "bye"; server <&>#0 at crates/record/tests/capture.rs:LINE
        2.000003000	server____	client	·······A···F		server <&>#0 at crates/record/tests/capture.rs:LINE
    "#]];
    expected.assert_eq(&line.replace_all(&shown, "rs:LINE"));
}
