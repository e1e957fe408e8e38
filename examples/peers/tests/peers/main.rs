//! Each peer, from its file and in Rust, with a client that is not standin's, and what there is to
//! read when a client does what nobody expects.
//!
//! Each test runs where its client is found and says loudly where it is not. With
//! `STANDIN_REQUIRE_PEERS` set a missing program is a failure.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "what cannot be in a test fails it, and says why"
)]

mod clients;
mod surprises;

use std::io::Write as _;

/// Whether the program is here; if not the test is skipped, and says so past the capture of the
/// test's output, or fails if peers are required.
fn is_here(program: &str) -> bool {
    let is_here = example_peers::client::has(program);
    if !is_here {
        assert!(
            std::env::var_os("STANDIN_REQUIRE_PEERS").is_none(),
            "`{program}` is not installed, and STANDIN_REQUIRE_PEERS is set: install it, or unset \
             the variable"
        );
        let missing = format!("\nNOT TESTED: `{program}` is not installed\n\n");
        std::io::stderr().write_all(missing.as_bytes()).unwrap();
    }
    is_here
}

/// The smallest mail server: all of it.
const SMALLEST: &str = r#"
name = "mail"

[[driver]]
type = "tcp-server"
name = "smtp"
framing = "lines"
greeting = "220 standin ready\r\n"
otherwise = "fail"

[[driver.on]]
match = '^(EHLO|HELO) (?<who>\S+)$'
reply = "250 hello {{ who }}\r\n"

[[driver.on]]
prefix = "QUIT"
reply = "221 bye\r\n"
then = "close"
times = "1.."
"#;
