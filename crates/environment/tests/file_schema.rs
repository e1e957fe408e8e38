//! The JSON Schemas accept what the loader accepts, and reject what they can of the rest.

#![cfg(feature = "schema")]
#![expect(clippy::unwrap_used, reason = "helpers of a test fail the test")]

mod options;

use options::{ClientConfig, registry};
use serde_json::Value as Json;
use standin_config::Config;
use standin_environment::file::schema;

fn validator() -> jsonschema::Validator {
    let schema = schema::of_file(&registry());
    jsonschema::draft202012::meta::validate(schema.as_value()).unwrap();
    jsonschema::validator_for(schema.as_value()).unwrap()
}

fn is_valid(validator: &jsonschema::Validator, text: &str) -> bool {
    let json: Json = toml::from_str(text).unwrap();
    validator.is_valid(&json)
}

const SERVER: &str = "[[driver]]\ntype = 'tcp-server'\nname = 's'\n";
const CLIENT: &str = "[[driver]]\ntype = 'tcp-client'\nname = 'c'\nhost = 'h'\nport = 1\n";

#[test]
fn files_that_load_are_valid() {
    let validator = validator();
    let lines = [
        "",
        "timeout = '1m 30s'",
        "timeout = 0.5",
        "log_regexps = ['ready (?<port>[0-9]+)']",
        "error_logs_max_lines = 1000",
        "port = 'http'",
        "port = '8080'",
        "port = { driver = 's', value = '{{ port }}' }",
        "interface = ['127.0.0.1', 0]",
        "install = ['a', '/b']",
        "retry = { times = 1 }",
        "after = 's'",
        "after = ['s']",
        "greeting = 'ahoy'",
        "[defaults]\ntimeout = 5",
        "[defaults.tcp-server]\nport = 80\ntimeout = '1s'",
    ];
    for line in lines {
        let client = match line.starts_with("port") {
            true => CLIENT.replace("port = 1\n", ""),
            false => CLIENT.to_owned(),
        };
        let text = format!("{SERVER}{client}{line}\n");
        if let Err(errors) = registry().parse("environment.toml", &text) {
            panic!("{line}: {errors:?}");
        }
        assert!(is_valid(&validator, &text), "{line}");
    }
}

#[test]
fn broken_files_are_rejected_by_the_schema_and_by_the_loader() {
    let validator = validator();
    let texts = [
        "timeout = 'soon'\n".to_owned(),
        "timeout = -1\n".to_owned(),
        "name = ''\n".to_owned(),
        "drivers = []\n".to_owned(),
        "driver = 1\n".to_owned(),
        "[[driver]]\nname = 'x'\n".to_owned(),
        "[[driver]]\ntype = 'tcp-sever'\nname = 'x'\n".to_owned(),
        "[[driver]]\ntype = 'tcp-server'\n".to_owned(),
        "[[driver]]\ntype = 'tcp-client'\nname = 'x'\nport = 1\n".to_owned(),
        format!("{SERVER}timeuot = 1\n"),
        format!("{SERVER}pre_start = 'x'\n"),
        format!("{SERVER}port = 70000\n"),
        format!("{SERVER}port = true\n"),
        format!("{SERVER}port = '70000'\n"),
        format!("{SERVER}port = '-1s'\n"),
        format!("{SERVER}timeout = '5 moons'\n"),
        format!("{SERVER}timeout = '10 sec onds'\n"),
        format!("{SERVER}host = {{ driver = 's' }}\n"),
        format!("{SERVER}error_logs_max_lines = 5000\n"),
        format!("{SERVER}log_regexps = 'x'\n"),
        format!("{SERVER}after = [1]\n"),
        format!("{CLIENT}greeting = 'moin'\n"),
        format!("{CLIENT}interface = ['a']\n"),
        format!("{CLIENT}retry = {{ times = 0 }}\n"),
        format!("{CLIENT}retry = {{ tims = 1 }}\n"),
        "[defaults]\nname = 'x'\n".to_owned(),
        "[defaults]\nhots = 'x'\n".to_owned(),
        "[defaults.tcp-server]\ngreeting = 'hello'\n".to_owned(),
    ];
    for text in texts {
        assert!(
            registry().parse("environment.toml", &text).is_err(),
            "{text}"
        );
        assert!(!is_valid(&validator, &text), "{text}");
    }
}

/// Each of these needs the rest of the file, or a parser of its own.
#[test]
fn what_only_the_loader_can_know() {
    let validator = validator();
    let texts = [
        ("two drivers of one name", format!("{SERVER}{SERVER}")),
        ("a dependency on nobody", format!("{SERVER}after = ['x']\n")),
        ("a dependency on itself", format!("{SERVER}after = ['s']\n")),
        (
            "a context of nobody",
            format!("{SERVER}port = {{ driver = 'x', value = '' }}\n"),
        ),
        (
            "a broken template",
            format!(
                "{SERVER}{CLIENT}interface = ['x', 1]\ngreeting = 'hello'\n[[driver]]\ntype = 'tcp-server'\nname = 't'\nhost = {{ driver = 's', value = '{{{{' }}\n"
            ),
        ),
        (
            "a broken expression",
            format!("{SERVER}log_regexps = ['(']\n"),
        ),
        (
            "a duration out of its range",
            format!("{SERVER}timeout = '0s'\n"),
        ),
    ];
    for (what, text) in texts {
        assert!(
            registry().parse("environment.toml", &text).is_err(),
            "{what}"
        );
        assert!(is_valid(&validator, &text), "{what}");
    }
}

#[test]
fn the_schema_of_a_type_tells_all_of_its_options() {
    let schema = schema::of_type(ClientConfig::description()).unwrap();
    let json = serde_json::to_string_pretty(schema.as_value()).unwrap() + "\n";
    expect_test::expect_file!["snapshots/tcp-client.json"].assert_eq(&json);
}

#[test]
fn the_reference_page_has_a_row_for_each_option() {
    let page = standin_environment::file::reference_page(&registry());
    expect_test::expect_file!["snapshots/options.md"].assert_eq(&page);
}
