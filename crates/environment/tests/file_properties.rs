//! What holds for any text of a file.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail the test")]

mod options;

use miette::{GraphicalReportHandler, GraphicalTheme};
use options::{ClientConfig, EnvironmentConfig, ServerConfig, registry};
use proptest::prelude::*;
use standin_config::{Located, Node};
use standin_environment::file::Document;

/// A file with one of everything, for others to be made of.
const SEED: &str = "name = \"a\"\ntimeout = 5\n[defaults]\ntimeout = '1s'\n[defaults.tcp-server]\n\
    port = 80\n[[driver]]\ntype = \"tcp-server\"\nname = \"s\"\nlog_regexps = [\"a(b\", 'c']\n\
    [[driver]]\ntype = 'tcp-client'\nname = 'größe'\nafter = [\"s\", 'x']\n\
    host = { driver = \"s\", value = \"{{ host }}\" }\nport = 0x1F\nretry = { times = 99999999999999999999 }\n";

/// Loads, and draws what is wrong: labels outside of the text would fail there.
fn load(text: &str) -> Option<Document> {
    match registry().parse("environment.toml", text) {
        Ok(document) => {
            build(document.clone());
            Some(document)
        }
        Err(errors) => {
            assert!(!errors.mistakes().is_empty());
            for mistake in errors.mistakes() {
                let span = mistake.span();
                let end = span.offset() + span.len();
                assert!(
                    text.get(span.offset()..end).is_some(),
                    "{mistake:?} in {text:?}"
                );
            }
            let mut rendered = String::new();
            GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
                .render_report(&mut rendered, &errors)
                .unwrap();
            None
        }
    }
}

/// The loader lets nothing through that would fail later.
fn build(document: Document) {
    let (environment, entries) = document.into_parts();
    let environment = Node::new("environment", environment).unwrap();
    environment.resolve::<EnvironmentConfig>().unwrap();
    for entry in entries {
        let is_server = entry.type_name() == "tcp-server";
        let node = Node::new(entry.name().to_owned(), entry.into_layer()).unwrap();
        node.set_parent(&environment).unwrap();
        match is_server {
            true => drop(node.resolve::<ServerConfig>().unwrap()),
            false => drop(node.resolve::<ClientConfig>().unwrap()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_document_or_a_report(text in "(?s).{0,200}") {
        load(&text);
    }

    #[test]
    fn a_damaged_file_is_a_document_or_a_report(
        cut in 0..SEED.len(), length in 0..40usize, insert in "(?s)[\\[\\]{}=\"'.,\n\t a-z0-9\u{feff}中]{0,6}",
    ) {
        let boundary = |at: usize| (0..=at).rev().find(|at| SEED.is_char_boundary(*at)).unwrap();
        let from = boundary(cut);
        let to = boundary((from + length).min(SEED.len())).max(from);
        load(&format!("{}{insert}{}", &SEED[..from], &SEED[to..]));
    }

    #[test]
    fn lines_in_any_order_are_a_document_or_a_report(
        lines in prop::sample::subsequence(SEED.lines().collect::<Vec<_>>(), 0..12).prop_shuffle(),
    ) {
        if let Some(document) = load(&lines.join("\r\n")) {
            prop_assert_eq!(load(&document.to_toml()), Some(document));
        }
    }
}
