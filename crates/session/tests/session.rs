//! Environments with settings, and what is known of their starts and stops.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail the test")]

use std::sync::Mutex;

use expect_test::{Expect, expect};
use standin::Status;
use standin_session::{Event, Happened, Observer, Session, Setting};

const SHOP: &str = include_str!("shop.toml");

/// Keeps what happens, without what differs from run to run.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn happened(&self, event: &Event) {
        let mut json = event.to_json();
        let fields = json.as_object_mut().unwrap();
        assert!(fields.shift_remove("at").is_some());
        fields.shift_remove("after_ms");
        fields.shift_remove("variables");
        self.0.lock().unwrap().push(json.to_string());
    }
}

impl Notes {
    fn check(&self, expected: Expect) {
        expected.assert_eq(&self.0.lock().unwrap().join("\n"));
    }
}

fn settings(texts: &[&str]) -> Vec<Setting> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn what_happens_is_known_in_order() {
    let notes = Notes::default();
    let session = Session::parse("shop.toml", SHOP, &[]).unwrap();
    let running = session.start(&notes).unwrap();
    let variables = running.variables().unwrap();
    assert_eq!(variables["DRIVER_BANK_ATTR_HOST"], "127.0.0.1");
    let port = &variables["DRIVER_BANK_ATTR_PORT"];
    assert_eq!(variables["BANK"], format!("127.0.0.1:{port}"));
    running.stop(&notes).unwrap();
    notes.check(expect![[r#"
        {"event":"environment_starting","environment":"shop","drivers":["bank","sleeper"]}
        {"event":"driver_starting","driver":"bank"}
        {"event":"driver_started","driver":"bank"}
        {"event":"driver_starting","driver":"sleeper"}
        {"event":"driver_started","driver":"sleeper"}
        {"event":"environment_started","environment":"shop"}
        {"event":"environment_stopping","environment":"shop"}
        {"event":"driver_stopping","driver":"sleeper"}
        {"event":"driver_stopped","driver":"sleeper"}
        {"event":"driver_stopping","driver":"bank"}
        {"event":"driver_stopped","driver":"bank"}
        {"event":"environment_stopped","environment":"shop"}"#]]);
}

#[test]
fn a_start_that_fails_says_who_failed_and_leaves_nothing() {
    let notes = Notes::default();
    let settings = settings(&["sleeper.binary=there-is-no-such-program"]);
    let session = Session::parse("shop.toml", SHOP, &settings).unwrap();
    let view = session.view();
    let error = session.start(&notes).unwrap_err();
    assert!(
        format!("{error:?}").contains("there-is-no-such-program"),
        "{error:?}"
    );
    let is_up = |(_, status)| status == Status::Started;
    assert!(!view.statuses().into_iter().any(is_up));
    let notes = notes.0.into_inner().unwrap();
    let failed = notes.iter().filter(|note| note.contains("driver_failed"));
    assert_eq!(failed.count(), 1, "{notes:#?}");
    let stopped = notes
        .iter()
        .any(|note| note.contains("driver_stopped") && note.contains("bank"));
    assert!(stopped, "{notes:#?}");
}

#[test]
fn a_variable_that_cannot_be_filled_in_ends_the_start() {
    let text = SHOP.replace("context.bank.port", "context.bank.prot");
    let session = Session::parse("shop.toml", &text, &[]).unwrap();
    let notes = Notes::default();
    let error = session.start(&notes).unwrap_err();
    assert!(error.to_string().contains("`prot`"), "{error}");
    let notes = notes.0.into_inner().unwrap();
    assert!(
        notes.last().unwrap().contains("environment_stopped"),
        "{notes:#?}"
    );
}

#[test]
fn settings_replace_what_the_file_says() {
    #[track_caller]
    fn check(setting: &str, driver: &str, option: &str, expected: &str) {
        let session = Session::parse("shop.toml", SHOP, &settings(&[setting])).unwrap();
        let view = session.view();
        let options = match driver {
            "" => view.options().clone(),
            driver => view.driver(driver).unwrap().base().options().clone(),
        };
        assert_eq!(options.get_local(option).unwrap().to_string(), expected);
    }
    check("bank.port=0", "bank", "port", "0");
    check("bank.host=::1", "bank", "host", "\"::1\"");
    check(
        "sleeper.args=[\"1\", \"2\"]",
        "sleeper",
        "args",
        "[\"1\", \"2\"]",
    );
    check("sleeper.env.N=5", "sleeper", "env", "{ N = \"5\" }");
    check("sleeper.timeout=5", "sleeper", "timeout", "\"5s\"");
    check("timeout=5s", "", "timeout", "\"5s\"");
    check("export.BANK=x=y", "", "export", "{ BANK = \"x=y\" }");
    // A name that reads as a number.
    check("sleeper.binary=7", "sleeper", "binary", "\"7\"");
}

#[test]
fn a_setting_that_does_not_fit_says_why() {
    #[track_caller]
    fn check(setting: &str, expected: Expect) {
        let error = setting
            .parse()
            .and_then(|setting| Session::parse("shop.toml", SHOP, &[setting]))
            .unwrap_err();
        expected.assert_eq(&format!("{error:?}"));
    }
    check(
        "bank.port",
        expect![[r#"
        "bank.port" is not a setting
          help: write `driver.option=value`, such as `bank.port=8080`, or `option=value` for an option of the environment
          code: standin::session::not_a_setting"#]],
    );
    check(
        "bnak.port=1",
        expect![[r#"
        setting `bnak.port=1`: there is no driver "bnak"
          help: did you mean "bank"?
          code: standin::session::unknown_driver"#]],
    );
    check(
        "elsewhere.port=1",
        expect![[r#"
        setting `elsewhere.port=1`: there is no driver "elsewhere"
          help: the drivers are: "bank", "sleeper"
          code: standin::session::unknown_driver"#]],
    );
    check(
        "bank.prot=1",
        expect![[r#"
        setting `bank.prot=1`: driver "bank" has no option "prot"
          help: did you mean "port"?
          code: standin::session::unknown_option"#]],
    );
    check(
        "bank.port=http port",
        expect![[r#"
        setting `bank.port=http port` is refused
          caused by: driver "bank": option "port": "http port" is not a valid port or a context value
          help: port: Port to listen on: a number, a numeric text or the name of a service. With 0 the system chooses a free one.
            a port is a number from 0 to 65535 or the name of a service; a context value is a table: { driver = "...", value = "{{ ... }}" }
          code: standin::config::wrong_type"#]],
    );
    check(
        "tiemout=1",
        expect![[r#"
        setting `tiemout=1`: environment "shop" has no option "tiemout"
          help: did you mean "timeout"?
          code: standin::session::unknown_option"#]],
    );
    check(
        "timeout=soon",
        expect![[r#"
        setting `timeout=soon` is refused
          caused by: environment "shop": option "timeout": "soon" is not a duration
          help: timeout: How long a driver may take to start, and to stop. That of an environment is for each of its drivers. Default: 5 minutes.
            a duration is a text such as "1m 30s" or "250ms", or a number of seconds
          code: standin::config::wrong_type"#]],
    );
}

#[test]
fn an_event_is_one_line_of_json() {
    let what = Happened::DriverFailed {
        driver: "a\n\"b\"".to_owned(),
        during: "start".to_owned(),
        message: "first\nsecond".to_owned(),
    };
    let mut event = Event::now(what);
    event.at = std::time::SystemTime::UNIX_EPOCH;
    let json = event.to_json().to_string();
    assert_eq!(
        json,
        r#"{"event":"driver_failed","at":"1970-01-01T00:00:00.000000Z","driver":"a\n\"b\"","during":"start","message":"first\nsecond"}"#
    );
}
