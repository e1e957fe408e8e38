//! Any text is a template that renders, or an error that says why not; the
//! check before the start knows which do not parse.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use standin_config::{OptionValue, context};
use standin_driver::{Attributes, Lifecycle};
use standin_environment::Environment;
use standin_tcp::TcpServer;

struct Subject {
    server: std::sync::Arc<TcpServer>,
    /// Where context values find `peer`.
    _environment: Environment,
}

static SUBJECT: LazyLock<Subject> = LazyLock::new(|| {
    let mut environment = Environment::new("templates");
    let server = TcpServer::builder("server").build().expect("it is valid");
    let server = environment.add(server).expect("the name is free");
    let peer = Attributes::new().with("word", "peer").with("port", 4711);
    environment
        .set_context("peer", peer)
        .expect("no driver has that name");
    Subject {
        server,
        _environment: environment,
    }
});

/// What makes a text many times as long. Templates have fuel for so many steps,
/// and no limit on memory: a row of these, each over the text of the one before,
/// fills any. Who writes a template runs it, and harms nobody else with it.
const GROWTH: [&str; 3] = ["join", "replace", "indent"];

fuzz_target!(|text: &str| {
    let growth: usize = GROWTH.iter().map(|word| text.matches(word).count()).sum();
    if growth > 2 {
        return;
    }
    let parses = context("peer", text).check().is_ok();
    let rendered = SUBJECT.server.render_template(text);
    assert!(
        parses || rendered.is_err(),
        "refused, yet rendered: {rendered:?}"
    );
    if !text.contains('{') {
        assert_eq!(rendered.as_deref().ok(), Some(text));
    }
    if let Err(error) = rendered {
        assert!(!error.to_string().is_empty());
    }
});
