//! What is on record of an environment, and what the option `record` says about it.

#![expect(clippy::unwrap_used, reason = "a test program")]

mod support;

use expect_test::{Expect, expect};
use standin_environment::{DriverTypes, Environment, Format, Record};
use support::{Probe, Trace};

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
              help: record: What is kept of what goes on, and what is written when a test fails: how many bytes of each connection, in which formats, and what must not be kept. By default 64 KiB; text, page and capture; everything is kept.
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
              help: the options of Record are: keep, on_failure, redact
              code: standin::config::wrong_type
        "#]],
    );
}
