//! What is on record of an environment, and what the option `record` says about it.

#![expect(clippy::unwrap_used, reason = "a test program")]

mod support;

use std::time::Duration;

use expect_test::{Expect, expect};
use standin_driver::{Lifecycle, Readiness};
use standin_environment::{DriverTypes, Environment, Format, Record};
use standin_process::Process;
use standin_tcp::{TcpClient, TcpServer};
use support::{Probe, Trace};

/// Its server gets a secret from its client.
fn secretive(env: &mut Environment) -> standin_entity::Result<()> {
    let server = env.add(TcpServer::builder("server").build()?)?;
    let client = env.add(TcpClient::builder("client").connect_to("server").build()?)?;
    server.start()?;
    client.start()?;
    server.accept_connection(SOON)?;
    client.send_text("user=me pass")?;
    client.send_text("word=hunter2\n")?;
    server.receive_exactly(25)?;
    Ok(())
}

#[test]
fn secrets_are_in_nothing_that_is_made_of_it() {
    for is_nested in [false, true] {
        let record = Record::default().redact([r"password=\S+"]);
        let around = Environment::builder("around")
            .record(record.clone())
            .build()
            .unwrap();
        let mut env = match is_nested {
            true => Environment::new("nested"),
            false => Environment::builder("alone")
                .record(record)
                .build()
                .unwrap(),
        };
        if is_nested {
            env.set_parent(&around).unwrap();
        }
        secretive(&mut env).unwrap();
        let transcript = env.transcript();
        let folder = tempfile::tempdir().unwrap();
        transcript
            .said("client", "user=me ****************\n")
            .unwrap();
        let formats = [
            transcript.text().to_string().into_bytes(),
            transcript.to_html().into_bytes(),
            transcript.to_pcapng(),
            transcript.to_json().to_string().into_bytes(),
        ];
        for format in formats {
            let found = format.windows(6).any(|part| part == b"hunter");
            assert!(!found, "{}", String::from_utf8_lossy(&format));
        }
        drop(folder);
    }
}

#[test]
#[cfg(unix)]
fn secrets_of_logs_are_not_in_the_error_of_a_start() {
    let record = Record::default().redact([r"password=\S+"]);
    let mut env = Environment::builder("env").record(record).build().unwrap();
    // The error may also show the command itself.
    let script = r"printf 'user=me password=hunt\145r2\n' >&2; exit 3";
    let app = Process::builder("app").binary("sh").args(["-c", script]);
    let app = app.ready([Readiness::log("up")]).build().unwrap();
    env.add(app).unwrap();
    let error = format!("{:?}", env.start().unwrap_err());
    assert!(error.contains("user=me ****************"), "{error}");
    assert!(!error.contains("hunter"), "{error}");
}

#[test]
#[cfg(unix)]
fn secrets_of_logs_are_not_in_the_errors_of_searches() {
    let record = Record::default().redact([r"password=\S+"]);
    let mut env = Environment::builder("env").record(record).build().unwrap();
    let script = r"printf 'user=me password=hunt\145r2\n'; exec cat";
    let app = Process::builder("app").binary("sh").args(["-c", script]);
    let app = app.ready([Readiness::log("user")]).build().unwrap();
    let app = env.add(app).unwrap();
    let _env = env.start().unwrap();
    let log = app.log_matcher().unwrap();
    let missing = log.match_line("other", Duration::ZERO).unwrap_err();
    log.seek_start();
    let unwanted = log.not_match("user", Duration::ZERO).unwrap_err();
    for error in [missing, unwanted] {
        let error = format!("{error:?}");
        assert!(error.contains("user=me ****************"), "{error}");
        assert!(!error.contains("hunter"), "{error}");
    }
}

#[test]
fn each_environment_keeps_its_own() {
    let mut outer = Environment::new("outer");
    let server = outer
        .add(TcpServer::builder("server").build().unwrap())
        .unwrap();
    let outer = outer.start().unwrap();
    let mut inner = Environment::new("inner");
    inner.set_parent(&outer).unwrap();
    let client = TcpClient::builder("client").connect_to("server");
    inner.add(client.build().unwrap()).unwrap();
    let inner = inner.start().unwrap();
    server.accept_connection(SOON).unwrap();
    let (outside, inside) = (outer.transcript(), inner.transcript());
    assert_eq!((&*outside.name, &*inside.name), ("outer", "inner"));
    let drivers = |transcript: &standin_record::Transcript| {
        let names = transcript
            .drivers
            .iter()
            .map(|story| story.name.to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(drivers(&outside), ["server"]);
    assert_eq!(drivers(&inside), ["client"]);
    // They know each other anyway.
    let peer = inside.peer_of(&inside.conversations[0]);
    assert_eq!(peer, Some("server"));
}

#[test]
fn drivers_are_in_declared_order_with_whom_they_wait_for() {
    let trace = Trace::default();
    let probe = |name: &str| Probe::builder(name, &trace).build().unwrap();
    let mut env = Environment::new("order");
    let [a, b, c] = ["a", "b", "c"].map(|name| env.add(probe(name)).unwrap());
    env.add_dependency((&c, &b), &a).unwrap();
    let env = env.start().unwrap();
    let waits = |env: &standin_environment::EnvironmentView| {
        let transcript = env.transcript();
        let waits = transcript.drivers.iter();
        let waits = waits.map(|story| format!("{} {:?}", story.name, story.waits_for));
        waits.collect::<Vec<_>>()
    };
    assert_eq!(waits(&env), [r#"a ["b", "c"]"#, "b []", "c []"]);
    env.stop().unwrap();

    let mut env = Environment::new("declared");
    for name in ["first", "by hand", "last"] {
        let probe = Probe::builder(name, &trace).auto_start(name != "by hand");
        env.add(probe.build().unwrap()).unwrap();
    }
    let env = env.start().unwrap();
    let expected = ["first []", "by hand []", r#"last ["first"]"#];
    assert_eq!(waits(&env), expected);
}

const SOON: Duration = Duration::from_secs(20);

#[track_caller]
fn check(text: &str, expected: Expect) {
    let error = DriverTypes::standard()
        .parse("environment.toml", text)
        .unwrap_err();
    expected.assert_eq(&format!("{error:?}\n"));
}

#[test]
fn a_file_says_what_is_kept() {
    let text =
        "name = 'bank'\n[record]\nkeep = 1000\non_failure = ['json', 'trace']\nredact = ['a+']\n";
    let env = DriverTypes::standard()
        .parse("environment.toml", text)
        .unwrap();
    let record = Record::default().keep(1000).redact(["a+"]);
    let record = record.on_failure([Format::Json, Format::Trace]);
    let config = env
        .options()
        .resolve::<standin_environment::EnvironmentConfig>();
    assert_eq!(config.unwrap().record, record);
}

#[test]
fn mistakes_have_their_places() {
    check(
        "name = 'bank'\nrecord = { redact = ['pass(word'] }\n",
        expect![[r#"
            environment.toml:2:22: the environment: option "record.redact[0]": "pass(word" is not a regular expression: unclosed group
              help: record: The recording: how many bytes of each connection are kept, which files are written when a test fails, and what is redacted. Default: 64 KiB; text, page and capture; nothing is redacted.
              code: standin::config::wrong_type
        "#]],
    );
    check(
        "name = 'bank'\nrecord = { on_failure = ['text', 'pcap'] }\n",
        expect![[r#"
            environment.toml:2:34: the environment: option "record.on_failure[1]": "pcap" is not one of "text", "page", "pcapng", "mermaid", "json", "trace"
              help: did you mean "pcapng"?
              code: standin::config::wrong_type
        "#]],
    );
    check(
        "name = 'bank'\n[record]\nkept = 5\n",
        expect![[r#"
            environment.toml:3:1: the environment: option "record": unknown key "kept"
              help: the options are: keep, on_failure, redact
              code: standin::config::wrong_type
        "#]],
    );
}

#[test]
fn of_a_thousand_drivers_an_error_shows_those_that_matter() {
    let trace = Trace::default();
    let mut env = Environment::builder("many")
        .record(Record::default().on_failure([]))
        .build()
        .unwrap();
    for index in 0..1000 {
        let probe = Probe::builder(&format!("d{index}"), &trace);
        let step = if index == 700 { "starting" } else { "" };
        env.add(probe.fails_in(step.to_owned()).build().unwrap())
            .unwrap();
    }
    let error = env.start().unwrap_err().to_string();
    assert!(error.contains("d700"), "{error}");
    assert!(error.contains("waiting for d700: d701, d702"), "{error}");
    assert!(error.lines().count() < 50, "{error}");
    assert!(error.len() < 8000, "{} bytes", error.len());
}
