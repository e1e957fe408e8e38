//! Files of driver types whose declarations are odd, or wrong.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail the test")]

use std::time::{Duration, Instant};

use standin_config::Config;
use standin_environment::file::{Mistake, RegisterError, TypeRegistry, reference_page};

/// A tree of named things.
#[derive(Clone, Debug, Config)]
#[config(type_name = "tree")]
struct TreeConfig {
    /// Its name.
    name: String,
    /// What is below it.
    #[config(default)]
    children: Vec<TreeConfig>,
}

#[test]
fn mistakes_are_found_however_deep_in_a_config_that_contains_itself() {
    let mut registry = TypeRegistry::new(TreeConfig::description());
    registry.register_config::<TreeConfig>().unwrap();
    let text = "name = 'e'\n[[driver]]\ntype = 'tree'\nname = 't'\n\
        children = [{ name = 'a', children = [{ name = 'b', children = [{ nmae = 'c' }] }] }]\n";
    let errors = registry.parse("environment.toml", text).unwrap_err();
    let messages: Vec<String> = errors.mistakes().iter().map(Mistake::to_string).collect();
    assert_eq!(
        messages,
        ["driver \"t\": option \"children[0].children[0].children[0]\": unknown key \"nmae\""]
    );
    assert!(reference_page(&registry).contains("| `children.name` |"));
}

#[cfg(feature = "schema")]
#[test]
fn the_schema_of_a_config_that_contains_itself_names_it() {
    let schema = standin_environment::file::schema::of_type(TreeConfig::description()).unwrap();
    let item = schema.pointer("/$defs/treeconfig/properties/children/items/$ref");
    assert_eq!(item, Some(&serde_json::json!("#/$defs/treeconfig")));
    let fits = |json: serde_json::Value| jsonschema::is_valid(schema.as_value(), &json);
    let deep = |name: &str| {
        serde_json::json!({ "type": "tree", "name": "a", "children": [
            { "name": "b", "children": [{ name: "c" }] }
        ] })
    };
    assert!(fits(deep("name")));
    assert!(!fits(deep("nmae")));
}

/// What a default is made of may only be known at run time.
#[derive(Clone, Debug, Config)]
#[config(type_name = "odd")]
struct OddConfig {
    /// Its name.
    #[config(default = "odd")]
    name: String,
    /// Too short.
    #[config(default = Duration::ZERO, range = Duration::from_millis(1)..)]
    pause: Duration,
    /// Larger than any file can say.
    #[config(default = u64::MAX)]
    count: u64,
}

#[test]
fn a_type_with_a_default_that_breaks_its_own_rules_is_refused() {
    let mut registry = TypeRegistry::new(TreeConfig::description());
    let error = registry.register_config::<OddConfig>().unwrap_err();
    assert!(matches!(error, RegisterError::BadDefault { .. }), "{error}");
}

/// The report of a file that is wrong all over must not take minutes.
#[test]
fn thousands_of_mistakes_are_reported_at_once() {
    let mut registry = TypeRegistry::new(TreeConfig::description());
    registry.register_config::<TreeConfig>().unwrap();
    let mut unknown = "name = 'e'\n[[driver]]\ntype = 'tree'\nname = 't'\n".to_owned();
    let mut after = "name = 'e'\n".to_owned();
    let mut types = "name = 'e'\n".to_owned();
    for index in 0..5000 {
        unknown.push_str(&format!("nmae{index} = 1\n"));
        after.push_str(&format!(
            "[[driver]]\ntype = 'tree'\nname = 'driver-{index}'\nafter = ['drover-{index}']\n"
        ));
        types.push_str(&format!(
            "[[driver]]\ntype = 'tre{index}'\nname = 'd{index}'\n"
        ));
    }
    for text in [unknown, after, types] {
        let began = Instant::now();
        let errors = registry.parse("environment.toml", &text).unwrap_err();
        assert_eq!(errors.mistakes().len(), 5000);
        let report = format!("{errors:?}{errors}");
        assert!(report.contains("5000 mistakes, of which these are the first 100"));
        // It took minutes; this is there to catch that, not to measure.
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{:?}",
            began.elapsed()
        );
    }
}
