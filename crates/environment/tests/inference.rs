//! What a template reads of another driver makes it wait for that driver, however it says so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

mod support;

use std::path::Path;

use standin_driver::Lifecycle;
use standin_environment::{DependencyError, Environment, EnvironmentError};
use support::{Probe, Trace, within_time};

/// A reader of the driver "the server", which is added after it.
fn environment(folder: &Path, trace: &Trace, template: &str, concurrent: bool) -> Environment {
    let mut env = Environment::builder("reads")
        .runpath(folder)
        .concurrent(concurrent)
        .build()
        .unwrap();
    let reader = Probe::builder("reader", trace).word(template.to_owned());
    env.add(reader.build().unwrap()).unwrap();
    for name in ["server", "the server"] {
        env.add(Probe::builder(name, trace).build().unwrap())
            .unwrap();
    }
    env
}

const READING: &[(&str, &str)] = &[
    ("server", "{{ context.server.word }}"),
    ("the server", "{{ context['the server'].word }}"),
    ("the server", r#"{{ context["the server"]["word"] }}"#),
    ("server", "{% set c = context %}{{ c.server.word }}"),
    (
        "the server",
        "{% with c = context %}{{ c['the server'].word }}{% endwith %}",
    ),
    ("the server", "{{ (context | attr('the server')).word }}"),
    ("server", "{{ context.get('server').word }}"),
    (
        "the server",
        "{% for n in ['the server'] %}{{ context[n].word }}{% endfor %}",
    ),
];

#[test]
fn a_reader_starts_when_what_it_reads_is_up() {
    for &(server, template) in READING {
        within_time(template, move || {
            let trace = Trace::default();
            let folder = tempfile::tempdir().unwrap();
            let env = environment(folder.path(), &trace, template, true);
            let reader = env.get::<Probe>("reader").unwrap();
            let env = env.start().unwrap();
            let lines = trace.take();
            let place = |line: String| lines.iter().position(|other| *other == line).unwrap();
            assert!(
                place(format!("{server} post_start")) < place("reader starting".to_owned()),
                "{template}: {lines:?}"
            );
            assert_eq!(
                reader.render_template(template).unwrap(),
                "a word",
                "{template}"
            );
            env.stop().unwrap();
        });
    }
}

#[test]
fn in_declared_order_a_reader_of_a_later_driver_is_refused() {
    for &(server, template) in READING {
        let trace = Trace::default();
        let folder = tempfile::tempdir().unwrap();
        let error = environment(folder.path(), &trace, template, false)
            .start()
            .unwrap_err();
        let EnvironmentError::Dependency(DependencyError::StartsLater { later, .. }) = error else {
            panic!("{template}: {error:?}");
        };
        assert_eq!(later, server, "{template}");
    }
}

#[test]
fn what_is_not_there_is_named_with_its_driver() {
    let trace = Trace::default();
    let folder = tempfile::tempdir().unwrap();
    let env = environment(folder.path(), &trace, "", true);
    let reader = env.get::<Probe>("reader").unwrap();
    let env = env.start().unwrap();
    for template in [
        "{{ context.server.wrod }}",
        "{{ context['server'].wrod }}",
        "{% set c = context %}{{ c.server.wrod }}",
        "{{ port | default('') }}{{ context['server']['wrod'] }}",
        "{% for n in ['server'] %}{{ context[n].wrod }}{% endfor %}",
    ] {
        let error = reader.render_template(template).unwrap_err();
        let shown = format!("{error:?}");
        assert!(
            shown.contains("asks \"server\" for `wrod`") && shown.contains("`word`"),
            "{template}: {shown}"
        );
    }
    for template in [
        "{{ context.sevrer.word }}",
        "{{ context['sevrer'].word }}",
        "{% set c = context %}{{ c['sevrer'].word }}",
    ] {
        let error = reader.render_template(template).unwrap_err();
        let shown = format!("{error:?}");
        assert!(
            shown.contains("\"sevrer\"") && shown.contains("did you mean \"server\""),
            "{template}: {shown}"
        );
    }
    env.stop().unwrap();
}
