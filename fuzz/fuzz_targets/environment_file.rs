//! Any text is an environment or a report of its mistakes, and a report can be
//! drawn.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use standin_config::Located as _;
use standin_environment::DriverTypes;

static TYPES: LazyLock<DriverTypes> = LazyLock::new(DriverTypes::standard);

fuzz_target!(|text: &str| {
    let registry = TYPES.registry();
    match registry.parse("environment.toml", text) {
        Ok(document) => {
            // What is written back reads the same.
            let written = document.to_toml();
            let again = registry.parse("environment.toml", &written);
            assert_eq!(again.as_ref().ok(), Some(&document), "{again:?}\n{written}");
            // Building makes drivers and an order of them; it starts nothing.
            if let Err(error) = TYPES.build(document) {
                draw(&error);
            }
        }
        Err(errors) => {
            assert!(!errors.mistakes().is_empty());
            for mistake in errors.mistakes() {
                let span = mistake.span();
                let end = span.offset() + span.len();
                assert!(text.get(span.offset()..end).is_some(), "{mistake:?}");
            }
            draw(&errors);
        }
    }
});

/// As a program does that shows the error to a person.
fn draw(error: &dyn Diagnostic) {
    let mut drawn = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .render_report(&mut drawn, error)
        .expect("every span lies in the text");
    assert!(!drawn.is_empty());
}
