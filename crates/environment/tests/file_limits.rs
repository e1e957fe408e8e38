//! Files that are wrong far down, or in very many places.

mod options;

use std::time::{Duration, Instant};

use options::registry;
use standin_environment::file::Mistake;

#[test]
fn mistakes_are_found_however_deep_in_a_config_that_contains_itself() {
    let text = "[[driver]]\ntype = 'tcp-client'\nname = 'c'\nhost = 'h'\nport = 1\n\
        retry = { times = 1, then = [{ times = 2, then = [{ tmes = 3 }] }] }\n";
    let errors = registry().parse("environment.toml", text).unwrap_err();
    let messages: Vec<String> = errors.mistakes().iter().map(Mistake::to_string).collect();
    assert_eq!(
        messages,
        ["driver \"c\": option \"retry.then[0].then[0]\": unknown key \"tmes\""]
    );
}

/// The report of a file that is wrong all over must not take minutes.
#[test]
fn thousands_of_mistakes_are_reported_at_once() {
    let mut unknown = "[[driver]]\ntype = 'tcp-server'\nname = 's'\n".to_owned();
    let mut after = String::new();
    let mut types = String::new();
    for index in 0..5000 {
        unknown.push_str(&format!("nmae{index} = 1\n"));
        after.push_str(&format!(
            "[[driver]]\ntype = 'tcp-server'\nname = 'driver-{index}'\nafter = ['drover-{index}']\n"
        ));
        types.push_str(&format!(
            "[[driver]]\ntype = 'tcp-serve{index}'\nname = 'd{index}'\n"
        ));
    }
    for text in [unknown, after, types] {
        let began = Instant::now();
        let errors = registry().parse("environment.toml", &text).unwrap_err();
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
