//! The README shows code that is compiled and run.

const README: &str = include_str!("../README.md");

#[test]
fn the_first_example_is_the_test_in_greeting_rs() {
    let code = include_str!("greeting.rs");
    let (_, code) = code
        .split_once("\n\n")
        .expect("a line of documentation, then the code");
    assert!(
        README.contains(code.trim()),
        "copy tests/greeting.rs into the README, below its line of documentation"
    );
}

#[test]
fn the_environment_files_are_environment_files() {
    let blocks: Vec<&str> = README
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let env = standin::environment::DriverTypes::standard().parse("README.md", block);
        assert!(env.is_ok(), "{:?}", env.map_err(standin::Error::from));
    }
}
