//! Proxies from files: what can be said, and what is wrong and where.

#![allow(clippy::panic, reason = "what cannot be in a test fails it")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use expect_test::{Expect, expect};
use standin_entity::Error;
use standin_environment::{DriverTypes, Environment, LoadError};
use standin_proxy::{Fault, TcpProxy};
use standin_tcp::TcpServer;

/// Longer than anything here takes: reached only by a hang.
const LIMIT: Duration = Duration::from_secs(60);

/// Everything that a proxy can be told by a file.
const EVERYTHING: &str = r#"
name = "everything"

[[driver]]
type = "tcp-server"
name = "bank"

[[driver]]
type = "tcp-proxy"
name = "wan"
to = { driver = "bank", value = "{{ host }}:{{ port }}" }
framing = "lines"
seed = 7
connect_limit = "5s"
up = { latency = "1ms", jitter = "500us" }
down = [
    { bandwidth = 1000000, shared_bandwidth = 2000000, slice = 100, slice_pause = "100us" },
    { limit = 0, connection = 5, peer = "127.0.0.9" },
]

[[driver.fault]]
kind = "drop"
match = "^INSERT"

[[driver.fault]]
kind = { delay = "2ms" }
at_frame = 0
connection = 0

[[driver.fault]]
kind = "close"
direction = "down"
after_bytes = 3
probability = 1.0

[[driver.fault]]
kind = "corrupt"
at_frame = 7
offset = 3
optional = true
"#;

fn parse(text: &str) -> Result<Environment, LoadError> {
    DriverTypes::standard().parse("environment.toml", text)
}

#[test]
fn a_file_says_what_happens_on_the_way() -> standin_error::Result<()> {
    let env = parse(EVERYTHING)?;
    let bank = env.get::<TcpServer>("bank")?;
    let wan = env.get::<TcpProxy>("wan")?;
    let env = env.start()?;
    assert_eq!(wan.seed(), 7);
    let port = wan.port().expect("it is started");
    let mut peer = TcpStream::connect(("localhost", port)).expect("the proxy listens");
    peer.set_read_timeout(Some(LIMIT)).expect("a time");
    peer.write_all(b"BEGIN\nINSERT\nCOMMIT\n")
        .expect("it is open");
    let connection = bank.accept_connection(LIMIT)?;
    assert_eq!(connection.receive_exactly_text(13)?, "BEGIN\nCOMMIT\n");
    connection.send_text("done")?;
    let mut answer = String::new();
    peer.read_to_string(&mut answer)
        .expect("it is closed in order");
    assert_eq!(answer, "don");
    let graph = env.connections().to_string();
    assert!(graph.contains("wan"), "{graph}");
    env.stop()?;
    Ok(())
}

#[track_caller]
fn refuses(text: &str, expected: Expect) {
    let file = format!("name = \"e\"\n[[driver]]\ntype = \"tcp-proxy\"\nname = \"wan\"\n{text}");
    let error = parse(&file).map(|_| ()).expect_err("it is wrong");
    let LoadError::Mistakes(mistakes) = error else {
        panic!("not a mistake of the file: {error:?}");
    };
    let found: Vec<String> = mistakes
        .mistakes()
        .iter()
        .map(ToString::to_string)
        .collect();
    expected.assert_eq(&found.join("\n"));
}

#[test]
fn mistakes_have_their_place() {
    refuses("", expect![[r#"driver "wan": option "to" is missing"#]]);
    refuses(
        "to = \"b:1\"\n[[driver.fault]]\nkind = \"reset\"\nat_frame = 1\n",
        expect![[r#"driver "wan": option "fault[0]": it is about frames, but no framing is set"#]],
    );
    refuses(
        "to = \"b:1\"\nframing = \"lines\"\n[[driver.fault]]\nkind = \"reset\"\nat_frame = 1\nat_byte = 1\n",
        expect![[r#"driver "wan": option "fault[0].at_frame": `at_byte` says another place"#]],
    );
    refuses(
        "to = \"b:1\"\nframing = \"lines\"\n[[driver.fault]]\nkind = \"explode\"\nmatch = \"(\"\n",
        expect![[r#"
            driver "wan": option "fault[0].kind": "explode" is not one of "reset", "close", "half-close", "silence", "drop", "corrupt" or a table { delay }
            driver "wan": option "fault[0].match" is "(", but it is not a regular expression: unclosed group"#]],
    );
    refuses(
        "to = \"b:1\"\nup = { latency = \"soon\", slice_pause = \"1ms\" }\ndown = { peer = \"x\" }\n",
        expect![[r#"
            driver "wan": option "up.latency": "soon" is not a duration
            driver "wan": option "up.slice_pause": it has no effect without `slice`
            driver "wan": option "down.peer" is "x", but "x" is not an IP address"#]],
    );
}

#[test]
fn a_failure_elsewhere_ends_every_wait_on_a_proxy_with_its_reason() -> standin_error::Result<()> {
    // Not a driver: nobody closes its connections when the test fails.
    let target = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let to = target.local_addr().expect("it is bound");
    let env = parse(&format!(
        r#"
name = "e"

[[driver]]
type = "tcp-server"
name = "bank"
framing = "lines"

[[driver]]
type = "tcp-proxy"
name = "wan"
to = "{to}"
"#
    ))?;
    let bank = env.get::<TcpServer>("bank")?;
    let wan = env.get::<TcpProxy>("wan")?;
    let env = env.start()?;
    let never = wan.inject(Fault::reset().at_byte(1 << 40).optional())?;
    let connect = |port: Option<u16>| {
        TcpStream::connect(("localhost", port.expect("it is started"))).expect("it listens")
    };
    let _through = connect(wan.port());
    let _far = target.accept().expect("the proxy connects");
    let mut direct = connect(bank.port());
    let errors = std::thread::scope(|scope| {
        let happens = scope.spawn(|| never.wait(LIMIT));
        let closes = scope.spawn(|| wan.wait_until_open(0, LIMIT));
        direct
            .write_all(b"nobody expects this\n")
            .expect("it is open");
        [happens, closes].map(|waits| waits.join().expect("it ends"))
    });
    let late = wan.inject(Fault::close().optional())?.wait(LIMIT);
    let after = [late, wan.refuse(), wan.come_back()];
    for outcome in errors.into_iter().chain(after) {
        let error = outcome.expect_err("the test has failed");
        assert!(!error.is_timeout(), "{error}");
        let text = error.to_string();
        assert!(text.contains("nobody expects this"), "{text}");
    }
    env.stop().expect_err("an unexpected frame");
    // Nor is the stop the reason for whoever comes only then.
    let after = [
        wan.wait_until_open(0, LIMIT).map_err(Error::from),
        wan.refuse().map_err(Error::from),
        bank.held("never", LIMIT).map(drop).map_err(Error::from),
    ];
    for outcome in after {
        let text = outcome.expect_err("the test has failed").to_string();
        assert!(text.contains("nobody expects this"), "{text}");
    }
    Ok(())
}
