//! What goes into an error, what it shows, and where it goes.

use std::sync::mpsc;
use std::time::Duration;
use std::{fmt, io, thread};

use expect_test::{Expect, expect};
use miette::{Diagnostic, NamedSource, SourceSpan};
use standin_error::{Error, Reportable, Result, reportable, several, write_located};

#[derive(thiserror::Error, Diagnostic)]
#[error("the printer does not print")]
#[diagnostic(code(test::printer), help("switch it on"))]
struct Printer {
    #[source]
    cause: io::Error,
}
reportable!(Printer);

/// Several failures, of which the first is the source.
#[derive(Diagnostic)]
struct Office {
    #[related]
    printers: Vec<Printer>,
}
reportable!(Office, parts = Office::printers);

impl Office {
    fn printers(&self) -> Vec<&(dyn Reportable + 'static)> {
        self.printers.iter().map(|printer| printer as _).collect()
    }
}

impl fmt::Display for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} printers do not print", self.printers.len())?;
        if f.alternate() {
            return Ok(());
        }
        self.printers
            .iter()
            .try_for_each(|printer| write!(f, "\n  {printer}: {}", printer.cause))
    }
}

impl std::error::Error for Office {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.printers.first()?)
    }
}

#[derive(thiserror::Error, Diagnostic)]
enum Company {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Printer(Printer),
    #[error("nobody is here")]
    Holiday,
}
reportable!(Company { Printer });

#[derive(thiserror::Error, Diagnostic)]
#[error("the form is wrong")]
#[diagnostic(code(test::form))]
struct Form {
    #[source_code]
    text: NamedSource<String>,
    #[related]
    mistakes: Vec<Mistake>,
}
reportable!(Form);

#[derive(thiserror::Error, Diagnostic)]
#[error("a name is missing")]
#[diagnostic(help("write one"))]
struct Mistake {
    #[label("here")]
    at: SourceSpan,
}
reportable!(Mistake);

fn printer(cause: &str) -> Printer {
    Printer {
        cause: io::Error::other(cause.to_owned()),
    }
}

fn office() -> Office {
    Office {
        printers: vec![printer("out of paper"), printer("out of ink")],
    }
}

/// The report, with the lines and columns of this file left out.
#[track_caller]
fn check(error: &Error, expected: Expect) {
    let report = format!("{error:?}");
    let shown: Vec<_> = report
        .lines()
        .map(|line| match line.split_once("tests/error.rs:") {
            Some((before, _)) => format!("{before}tests/error.rs"),
            None => line.to_owned(),
        })
        .collect();
    expected.assert_eq(&shown.join("\n"));
}

#[test]
fn the_report_has_message_place_cause_help_and_code() {
    check(
        &printer("out of paper").into(),
        expect![[r#"
            the printer does not print
              at crates/error/tests/error.rs
              caused by: out of paper
              help: switch it on
              code: test::printer"#]],
    );
}

#[test]
fn unwrap_of_a_reportable_error_shows_the_report() {
    expect![[r#"
        the printer does not print
          caused by: out of paper
          help: switch it on
          code: test::printer"#]]
    .assert_eq(&format!("{:?}", printer("out of paper")));
}

#[test]
fn the_place_is_where_the_question_mark_stands() {
    fn fails() -> Result<()> {
        Err(printer("out of paper"))?;
        Ok(())
    }
    let line = line!() - 3;
    let report = format!("{:?}", fails().unwrap_err());
    let place = format!("\n  at {}:{line}:9\n", file!());
    assert!(report.contains(&place), "{report}");
}

#[test]
fn a_context_keeps_both_places() {
    check(
        &Error::from(printer("out of paper")).context("the report is late"),
        expect![[r#"
            the report is late
              at crates/error/tests/error.rs
              caused by: the printer does not print
                at crates/error/tests/error.rs
              caused by: out of paper
              help: switch it on
              code: test::printer"#]],
    );
}

#[test]
fn a_cause_that_the_message_repeats_is_shown_once() {
    check(
        &Error::msg("no such host").context("cannot connect: no such host"),
        expect![[r#"
            cannot connect: no such host
              at crates/error/tests/error.rs"#]],
    );
}

#[test]
fn a_cause_that_is_only_part_of_a_word_is_shown() {
    check(
        &Error::msg("no").context("nobody knows"),
        expect![[r#"
            nobody knows
              at crates/error/tests/error.rs
              caused by: no
                at crates/error/tests/error.rs"#]],
    );
}

#[test]
fn several_failures_of_one_headline_are_all_shown() {
    check(
        &office().into(),
        expect![[r#"
            2 printers do not print
              at crates/error/tests/error.rs
              - the printer does not print
                caused by: out of paper
                help: switch it on
                code: test::printer
              - the printer does not print
                caused by: out of ink
                help: switch it on
                code: test::printer"#]],
    );
}

/// Entries that a form lacks, with nothing to say but that and what to do.
struct Gaps(Vec<Gap>);

#[derive(thiserror::Error, Diagnostic)]
#[error("{name} is missing")]
#[diagnostic(code(test::gap), help("{advice}"))]
struct Gap {
    name: &'static str,
    advice: &'static str,
}
reportable!(Gap);
reportable!(Gaps);

impl fmt::Display for Gaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        several::write(&self.0, f, format_args!(""), "entries are missing")
    }
}

impl std::error::Error for Gaps {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        several::source(&self.0)
    }
}

impl Diagnostic for Gaps {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        several::related(&self.0)
    }
}

#[test]
fn what_to_do_about_failures_that_follow_each_other_is_said_once() {
    let gap = |name, advice| Gap { name, advice };
    let gaps = Gaps(vec![
        gap("the name", "ask"),
        gap("the age", "ask"),
        gap("the town", "look it up"),
        gap("the street", "ask"),
    ]);
    check(
        &gaps.into(),
        expect![[r#"
        4 entries are missing
          at crates/error/tests/error.rs
          - the name is missing
          - the age is missing
            help: ask
            code: test::gap
          - the town is missing
            help: look it up
            code: test::gap
          - the street is missing
            help: ask
            code: test::gap"#]],
    );
}

#[test]
fn mistakes_have_their_places_in_the_file() {
    let form = Form {
        text: NamedSource::new("form.txt", "name:\nage: 3\n".to_owned()),
        mistakes: vec![Mistake { at: (5, 0).into() }, Mistake { at: (6, 3).into() }],
    };
    check(
        &form.into(),
        expect![[r#"
            the form is wrong
              at crates/error/tests/error.rs
              also: a name is missing
                at form.txt:1:6: here
                help: write one
              also: a name is missing
                at form.txt:2:1: here
                help: write one
              code: test::form"#]],
    );
}

/// Mistakes in a text, of which the first is the source.
#[derive(Diagnostic)]
struct Letter {
    #[source_code]
    text: NamedSource<String>,
    #[related]
    mistakes: Vec<Mistake>,
}
reportable!(Letter);

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} mistakes", self.text.name(), self.mistakes.len())?;
        if f.alternate() {
            return Ok(());
        }
        let places = self.mistakes.iter().map(|mistake| (mistake, mistake.at));
        write_located(places, &self.text, f)
    }
}

impl std::error::Error for Letter {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.mistakes.first()?)
    }
}

#[test]
fn miette_shows_each_of_several_failures_in_the_message_and_in_full() {
    let report = miette::Report::from(Error::from(office()));
    let mut shown = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none())
        .render_report(&mut shown, report.as_ref())
        .unwrap();
    assert_eq!(shown.matches("out of paper").count(), 2, "{shown}");
    assert_eq!(shown.matches("out of ink").count(), 2, "{shown}");
    assert_eq!(shown.matches("switch it on").count(), 2, "{shown}");
    let text = report.to_string();
    assert!(text.contains("out of paper") && text.contains("out of ink"));

    let back = Error::from(report.wrap_err("the report is late"));
    let cause = &back.find::<Printer>().unwrap().cause;
    assert_eq!(cause.to_string(), "out of paper");
    check(
        &back,
        expect![[r#"
            the report is late
              at crates/error/tests/error.rs
              caused by: 2 printers do not print
                at crates/error/tests/error.rs
              - the printer does not print
                caused by: out of paper
                help: switch it on
                code: test::printer
              - the printer does not print
                caused by: out of ink
                help: switch it on
                code: test::printer"#]],
    );
}

#[test]
fn mistakes_in_a_named_text_are_a_line_each() {
    let text = "name:\n".repeat(10);
    let at = |offset: usize| Mistake {
        at: (offset, 0).into(),
    };
    let letter = || Letter {
        text: NamedSource::new("letter.txt", text.clone()),
        mistakes: vec![at(5), at(59)],
    };
    let message = "letter.txt: 2 mistakes\n  1:6   a name is missing\n  10:6  a name is missing";
    assert_eq!(letter().to_string(), message);
    check(
        &letter().into(),
        expect![[r#"
        letter.txt: 2 mistakes
          at crates/error/tests/error.rs
          1:6   a name is missing
                help: write one
          10:6  a name is missing
                help: write one"#]],
    );
    let report = miette::Report::from(Error::from(letter())).wrap_err("the post is late");
    check(
        &Error::from(report),
        expect![[r#"
            the post is late
              at crates/error/tests/error.rs
              caused by: letter.txt: 2 mistakes
                at crates/error/tests/error.rs
              1:6   a name is missing
                    help: write one
              10:6  a name is missing
                    help: write one"#]],
    );
}

#[test]
fn finds_a_cause_wherever_it_is() {
    let error = Error::from(office()).context("the report is late");
    let error = Error::other(error).context("the boss is angry");
    assert!(error.find::<Office>().is_some());
    let cause = &error.find::<Printer>().unwrap().cause;
    assert_eq!(cause.to_string(), "out of paper");
    assert!(error.find::<io::Error>().is_some());
    assert!(error.find::<fmt::Error>().is_none());
}

#[test]
fn finds_what_is_only_one_of_several_failures() {
    #[derive(thiserror::Error, Diagnostic)]
    #[error("many things")]
    struct Many(Vec<Company>);
    reportable!(Many, parts = Many::all);
    impl Many {
        fn all(&self) -> Vec<&(dyn Reportable + 'static)> {
            self.0.iter().map(|company| company as _).collect()
        }
    }
    let many = Many(vec![Company::Holiday, Company::Printer(printer("x"))]);
    let error = Error::from(many).context("what a day");
    assert!(error.find::<Many>().is_some());
    assert!(error.find::<Printer>().is_some());
    assert!(error.find::<io::Error>().is_some());
}

#[test]
fn finds_an_error_that_came_in_a_box_or_a_report() {
    let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(printer("x"));
    assert!(Error::from(boxed).find::<Printer>().is_some());
    let report = miette::Report::new(printer("x"));
    assert!(Error::from(report).find::<Printer>().is_some());
}

#[test]
fn question_mark_takes_the_errors_of_tests() {
    fn all(which: usize) -> Result<()> {
        let bytes = vec![0xff];
        match which {
            0 => drop("x".parse::<u16>()?),
            1 => drop("x".parse::<f64>()?),
            2 => drop("x".parse::<std::net::SocketAddr>()?),
            3 => drop(String::from_utf8(bytes)?),
            4 => drop(std::str::from_utf8(&bytes)?),
            5 => drop(u8::try_from(300)?),
            6 => drop(std::fs::read("/nowhere/at/all")?),
            7 => drop(mpsc::channel::<()>().1.recv_timeout(Duration::ZERO)?),
            8 => {
                let (sender, receiver) = mpsc::channel();
                drop(receiver);
                sender.send(thread::current())?;
            }
            9 => thread::spawn(|| panic!("the thread's message")).join()?,
            10 => Err("a text")?,
            11 => Err(format!("text {which}"))?,
            12 => Err(Box::<dyn std::error::Error>::from("a box"))?,
            13 => Err(Box::<dyn std::error::Error + Send + Sync>::from("a box"))?,
            14 => Err(miette::miette!("a report"))?,
            15 => drop(std::env::var("NOBODY_SETS_THIS_VARIABLE")?),
            16 => Err(fmt::Error)?,
            17 => {
                let result: anyhow::Result<()> = Err(anyhow::anyhow!("inner").context("outer"));
                result.map_err(Error::other)?;
            }
            _ => return Ok(()),
        }
        Ok(())
    }
    for which in 0..=17 {
        let error = all(which).unwrap_err();
        let report = format!("{error:?}");
        // `map_err` is what converts the last one, and has no place.
        assert_eq!(report.contains(file!()), which != 17, "{report}");
    }
    let panic = all(9).unwrap_err().to_string();
    assert_eq!(panic, "a thread panicked: the thread's message");
}

#[test]
fn goes_through_the_errors_of_other_crates_and_back() {
    fn ours() -> Result<()> {
        Err(printer("out of paper"))?;
        Ok(())
    }
    fn boxed() -> Result<(), Box<dyn std::error::Error>> {
        ours()?;
        Ok(())
    }
    fn sync_boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        ours()?;
        Ok(())
    }
    fn in_anyhow() -> anyhow::Result<()> {
        ours()?;
        Ok(())
    }
    fn in_eyre() -> eyre::Result<()> {
        ours()?;
        Ok(())
    }
    fn in_miette() -> miette::Result<()> {
        ours()?;
        Ok(())
    }
    let before = format!("{:?}", ours().unwrap_err());
    assert_eq!(format!("{:?}", Error::from(boxed().unwrap_err())), before);
    assert_eq!(
        format!("{:?}", Error::from(sync_boxed().unwrap_err())),
        before
    );
    let back = in_anyhow().unwrap_err().downcast::<Error>().unwrap();
    assert_eq!(format!("{back:?}"), before);
    assert_eq!(
        format!("{:?}", Error::from(in_miette().unwrap_err())),
        before
    );
    let eyre = in_eyre().unwrap_err();
    let causes: Vec<_> = eyre.chain().map(ToString::to_string).collect();
    assert_eq!(causes, ["the printer does not print", "out of paper"]);
}

#[test]
fn is_a_standard_error_that_threads_can_share() {
    fn check<T: std::error::Error + Clone + Send + Sync + 'static>() {}
    check::<Error>();
}
