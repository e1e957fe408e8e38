//! What holds for any input.

use std::sync::LazyLock;
use std::time::Duration;

use indexmap::IndexMap;
use proptest::prelude::*;
use regex::Regex;
use standin_config::{OptionValue, Value, duration};

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("NaN is not equal to itself", |f| !f.is_nan())
            .prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::vec((".*", inner), 0..4)
                .prop_map(|entries| Value::Map(entries.into_iter().collect::<IndexMap<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_value_is_written_as_toml_that_reads_the_same(value in any_value()) {
        let text = format!("value = {value}");
        let table: IndexMap<String, Value> = toml::from_str(&text).unwrap();
        prop_assert_eq!(&table["value"], &value, "{}", text);
    }

    #[test]
    fn durations_are_written_as_they_are_read(seconds in any::<u32>(), nanos in 0..1_000_000_000u32) {
        let value = Duration::new(seconds.into(), nanos);
        prop_assert_eq!(duration::parse(&duration::format(value)), Ok(value));
    }

    /// Numbers are short here: how long a duration is, no pattern can say.
    #[test]
    fn the_pattern_of_durations_matches_what_is_read(
        text in "([0-9]{0,2}([.][0-9]{0,10})?[ \t\n\u{a0}\u{85}]{0,2}\
                 (h|hours?|m|mins|s|secs?|ms|millis|.?s|us|ns|d|M|H|[,:+-])?[ ,]?){0,3}"
    ) {
        static PATTERN: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(&duration::pattern()).unwrap());
        prop_assert_eq!(PATTERN.is_match(&text), duration::parse(&text).is_ok(), "{:?}", text);
    }

    #[test]
    fn no_text_is_too_odd_for_the_readers(text in "(?s).{0,60}") {
        let value = Value::from(text.as_str());
        let _ = duration::parse(&text);
        let _ = standin_config::Port::from_value(&value).map(|port| port.number());
        let _ = standin_config::Pattern::from_value(&value);
        let _ = standin_config::context("a", text).check();
    }
}
