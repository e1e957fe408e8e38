//! The README shows code that is compiled and run.

use std::time::Duration;

use regex::Regex;
use standin::{Environment, Error, TcpClient, TcpServer};

const README: &str = include_str!("../README.md");

#[test]
fn the_examples_are_tests() {
    let tests = [
        ("greeting.rs", include_str!("greeting.rs")),
        ("mail.rs", include_str!("mail.rs")),
    ];
    for (file, code) in tests {
        let (_, code) = code
            .split_once("\n\n")
            .expect("a line of documentation, then the code");
        assert!(
            README.contains(code.trim()),
            "copy tests/{file} into the README, below its line of documentation"
        );
    }
}

/// The failure of a client that says too little, as the README and the guide show it.
#[test]
fn the_failure_is_the_one_that_is_shown() -> standin::Result<()> {
    let mut env = Environment::new("greeting");
    let server = env.add(TcpServer::builder("server").host("127.0.0.1").build()?)?;
    let client = env.add(TcpClient::builder("client").connect_to("server").build()?)?;
    let _env = env.start()?;
    let connection = server.accept_connection(Duration::from_secs(10))?;
    client.send_text("hell")?;
    let connection = connection.with_timeout(Duration::from_millis(300));
    let error = Error::from(connection.receive_exactly(5).unwrap_err());

    let given = format!("Error: {error:?}\n");
    let pages = [README, include_str!("../../../docs/when-a-test-fails.md")];
    for page in pages {
        let (_, shown) = page.split_once("```text\nError:").expect("a failure");
        let (shown, _) = shown.split_once("```").expect("its end");
        assert_eq!(
            without_numbers(&format!("Error:{shown}")),
            without_numbers(&given)
        );
    }
    Ok(())
}

/// Ports and lines are another time others, and how long it took.
fn without_numbers(report: &str) -> String {
    let replacements = [
        (r"127\.0\.0\.1:\d+", "ADDRESS"),
        (r"after [\d.]+m?s( \(limit 300ms\))?", "after TIME"),
        (r"at \S+\.rs:\d+:\d+", "at LINE"),
        (r"\+\d+\.\d{3} \d{3} s", "+TIME"),
        (r"waited [\d.]+ m?s", "waited TIME"),
        (r" {2,}\S+\.rs:\d+", "  LINE"),
    ];
    let replace = |text: String, (from, to): &(&str, &str)| {
        let pattern = Regex::new(from).expect("a pattern");
        pattern.replace_all(&text, *to).into_owned()
    };
    replacements.iter().fold(report.trim().to_owned(), replace)
}
