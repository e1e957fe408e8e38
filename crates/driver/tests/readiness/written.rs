//! Conditions as they are written: read, checked and refused.

use super::*;

#[test]
fn conditions_can_be_written_and_read() {
    let conditions = [
        Readiness::log("up"),
        Readiness::log_in("x.log", "up"),
        Readiness::port(80),
        Readiness::port_on("h", "{{ extracts.port }}"),
        Readiness::port(standin_config::context("server", "{{ port }}")).every(BRIEF),
        Readiness::log("up").times(2),
        Readiness::file("x"),
        Readiness::ended_with(0),
        Readiness::ended_with(-15),
        Readiness::command("x", ["-y"]),
        Readiness::any_of([
            Readiness::all_of([Readiness::file("x")]),
            Readiness::port(1),
        ]),
    ];
    for condition in conditions {
        let value = condition.to_value();
        Readiness::kind().check(&value).unwrap();
        let read = Readiness::from_value(&value).unwrap();
        assert_eq!(read.to_value(), value, "{condition}");
    }
}

#[test]
fn what_is_no_condition_is_refused() {
    for text in [
        "ready = [1]",
        "ready = [{ file = \"x\", colour = 1 }]",
        "ready = [{ command = [] }]",
        "ready = [{ log = \"x\", times = 0 }]",
        "ready = [{ file = \"x\", times = 1 }]",
        "ready = [{ ended_with = \"0\" }]",
        "ready = [{ ended_with = 0, times = 1 }]",
        "ready = [{ log = \"(\" }]",
        "ready = [{ any = [{ nope = 1 }] }]",
    ] {
        let table: toml::Table = toml::from_str(text).unwrap();
        let value: Value =
            serde_json::from_value(serde_json::to_value(&table["ready"]).unwrap()).unwrap();
        assert!(Vec::<Readiness>::from_value(&value).is_err(), "{text}");
    }
    for condition in [Readiness::log("("), Readiness::log("x").times(0)] {
        let options = StubBuilder::new().name("app").ready([condition]);
        assert!(Node::new("app", options).is_err());
    }
    assert!(!matches!(Readiness::kind(), Kind::Any));
}

#[test]
fn conditions_within_conditions_have_a_limit() {
    let nested = |depth: usize| {
        (0..depth).fold(Readiness::file("x"), |inner, level| {
            let list = [Readiness::file("y"), inner];
            if level % 2 == 0 {
                Readiness::all_of(list)
            } else {
                Readiness::any_of(list)
            }
        })
    };
    let build = |depth| {
        StubBuilder::new()
            .name("app")
            .ready([nested(depth)])
            .build()
    };
    build(32).unwrap();
    for depth in [33, 100_000] {
        let report = report(build(depth).unwrap_err());
        assert!(
            report.contains("conditions that are within at most 32 others"),
            "{report}"
        );
    }
}

/// Conditions 32 deep, as a file has them, with this one in the middle.
fn deep(innermost: Value) -> Result<Node, ConfigErrors> {
    let ready = (0..32).fold(innermost, |inner, level| {
        let list = vec![Value::from_iter([("file", "y")]), inner];
        Value::from_iter([(["all", "any"][level % 2], list)])
    });
    let values = [
        ("name", Value::from("app")),
        ("ready", Value::from([ready])),
    ];
    Node::new(
        "app",
        Layer::read(DriverConfig::description(), "app", values)?,
    )
}

#[test]
fn deep_conditions_are_read_and_their_mistakes_found() {
    deep(Value::from_iter([("file", "x")])).unwrap();
    for (key, value, part) in [
        ("file", "{{ x", "the template does not parse"),
        ("log", "(", "is not a regular expression"),
        ("fiel", "x", "did you mean \"file\"?"),
    ] {
        let report = report(deep(Value::from_iter([(key, value)])).unwrap_err());
        assert!(report.contains(part), "{report}");
    }
}
