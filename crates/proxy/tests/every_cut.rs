//! Every cut of small conversations: what is found, in which order, and what is said of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use standin_driver::Lifecycle;
use standin_error::{Error, Result};
use standin_proxy::{CutReport, EveryCut, EveryCutError, FaultKind, Outcome, TcpProxy, Trial};
use standin_reply::{Replies, echo};
use standin_socket::framing::Lines;
use standin_tcp::TcpServer;

/// Runs a client against a server that sends each line back, with a proxy between them.
fn between(trial: &Trial, client: impl FnOnce(TcpStream) -> Result<()>) -> Result<()> {
    let replies = Replies::framed(Lines::new()).on(standin_reply::anything(), echo().framed());
    let server = TcpServer::builder("server").replies(replies).build()?;
    server.start()?;
    let port = server.port().expect("it is started");
    let to = format!("localhost:{port}");
    let wan = Arc::new(TcpProxy::builder("wan").to(to).build()?);
    trial.watch(&wan)?;
    wan.start()?;
    let port = wan.port().expect("it is started");
    let stream = TcpStream::connect(("localhost", port)).map_err(Error::other)?;
    let outcome = client(stream);
    wan.stop()?;
    // It says so if it got half a line, which is what the cut is about.
    let stopped = server.stop();
    if trial.cut().is_none() {
        stopped?;
    }
    outcome
}

/// Says so many lines one after the other, and hears each of them.
fn says(stream: TcpStream, lines: usize) -> std::io::Result<Vec<String>> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let mut heard = Vec::new();
    for number in 0..lines {
        writeln!(writer, "line {number}")?;
        let mut line = String::new();
        reader.read_line(&mut line)?;
        heard.push(line);
    }
    Ok(heard)
}

fn every_cut() -> EveryCut {
    EveryCut::new().framed(Lines::new()).seed(1)
}

#[test]
fn a_client_that_says_what_happens_passes_every_cut() {
    let report = every_cut()
        .run_limit(Duration::from_secs(30))
        .inside_frames(true)
        .run(|trial| {
            let has_cut = trial.cut().is_some();
            between(trial, |stream| {
                // What is silenced is given up soon; without a cut all comes, sooner or later.
                let limit = match has_cut {
                    true => Duration::from_millis(300),
                    false => Duration::from_secs(20),
                };
                stream.set_read_timeout(Some(limit)).map_err(Error::other)?;
                match says(stream, 2) {
                    Ok(heard) if heard == ["line 0\n", "line 1\n"] => Ok(()),
                    // An end of the stream before the line is a truth, too, for who looks at it.
                    Ok(heard) if heard.iter().any(|line| !line.ends_with('\n')) => Ok(()),
                    Err(_) if has_cut => Ok(()),
                    other => Err(Error::msg(format!("{other:?}"))),
                }
            })
        })
        .expect("it passes without a cut");
    // Four frames, each cut before it and within it, by five faults.
    assert_eq!(report.results().len(), 40, "{report}");
    report.check().expect("no cut breaks it");
}

#[test]
fn the_smallest_cut_comes_first_and_can_be_repeated() {
    let test = |trial: &Trial| {
        let has_cut = trial.cut().is_some();
        between(trial, |stream| match says(stream, 1) {
            Ok(heard) => {
                assert_eq!(heard[0], "line 0\n", "the first answer");
                Ok(())
            }
            Err(_) if has_cut => Ok(()),
            Err(error) => Err(Error::other(error)),
        })
    };
    let every_cut = every_cut().kinds([FaultKind::Close, FaultKind::Reset]);
    let report = every_cut.run(test).expect("it passes without a cut");
    let failures: Vec<String> = report.failures().map(|one| one.cut.to_string()).collect();
    assert_eq!(
        failures.first().map(String::as_str),
        Some("wan:0:up:frame0:close"),
        "{report}"
    );
    let shown = report.to_string();
    assert!(
        shown.contains("2 frames on 1 connection, 4 runs"),
        "{shown}"
    );
    assert!(shown.contains("seed 1"), "{shown}");
    assert!(
        shown.contains("the smallest cut that breaks it: wan:0:up:frame0:close"),
        "{shown}"
    );
    assert!(
        shown.contains("wan:0:up  \"line 0\\n\"  <- close"),
        "{shown}"
    );
    assert!(shown.contains("the first answer"), "{shown}");
    let again = format!(
        "again: STANDIN_CUT=wan:0:up:frame0:close STANDIN_SEED={}\n",
        report.seed()
    );
    assert!(shown.contains(&again), "{shown}");
    let smallest = report.failures().next().expect("a failure").cut.clone();
    let again = every_cut
        .only(smallest.clone())
        .run(test)
        .expect("it passes without a cut");
    let results: Vec<_> = again.results().iter().map(|one| &one.cut).collect();
    assert_eq!(results, [&smallest]);
    let error = again.check().expect_err("it fails again");
    assert!(
        error.to_string().starts_with("1 of 1 cuts break the test"),
        "{error}"
    );
}

#[test]
fn a_run_that_hangs_is_ended_and_counted() {
    let run = |seconds| {
        let every_cut = every_cut().kinds([FaultKind::Silence, FaultKind::Reset]);
        let report = every_cut
            .run_limit(Duration::from_secs(seconds))
            .run(|trial| {
                between(trial, |stream| {
                    // Without a timeout.
                    let _ = says(stream, 1);
                    Ok(())
                })
            });
        report.expect("it passes without a cut")
    };
    let outcomes = |report: &CutReport| {
        let outcomes = report.results().iter().map(|one| one.outcome.clone());
        outcomes.collect::<Vec<_>>()
    };
    let (hung, passed) = (Outcome::Hung, Outcome::Passed);
    let expected = [hung.clone(), passed.clone(), hung, passed];
    // On a busy machine a run that does not hang may take longer than a short limit.
    let mut reports = [2, 8].into_iter().map(run);
    let report = reports.find(|report| outcomes(report) == expected);
    let report = report.unwrap_or_else(|| run(32));
    assert_eq!(outcomes(&report), expected, "{report}");
    assert_eq!(report.notes(), [] as [&str; 0], "nobody is left behind");
    assert!(report.to_string().contains("HUNG"), "{report}");
}

#[test]
fn a_test_that_goes_another_way_each_time_is_said_to() {
    let runs = AtomicUsize::new(0);
    let report = every_cut()
        .kinds([FaultKind::Reset])
        .run(move |trial| {
            let lines = 1 + runs.fetch_add(1, Ordering::SeqCst) % 2;
            between(trial, |stream| {
                let _ = says(stream, lines);
                Ok(())
            })
        })
        .expect("it passes without a cut");
    assert!(!report.is_deterministic());
    let note = &report.notes()[0];
    assert!(
        note.contains("wan:0:up: 1 frame at first, 2 frames then"),
        "{note}"
    );
}

#[test]
fn without_frames_the_bytes_are_cut() {
    let report = EveryCut::new()
        .kinds([FaultKind::Close])
        .every_bytes(3)
        .run(|trial| {
            between(trial, |mut stream| {
                let _ = stream.write_all(b"abcdefg\n");
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let mut answer = String::new();
                let _ = stream.read_to_string(&mut answer);
                Ok(())
            })
        })
        .expect("it passes without a cut");
    let cuts: Vec<String> = report
        .results()
        .iter()
        .map(|one| one.cut.to_string())
        .collect();
    let expected = [
        "wan:0:up:byte0:close",
        "wan:0:up:byte3:close",
        "wan:0:up:byte6:close",
        "wan:0:down:byte0:close",
        "wan:0:down:byte3:close",
        "wan:0:down:byte6:close",
    ];
    assert_eq!(cuts, expected, "{report}");
}

#[test]
fn more_places_than_there_may_be_runs_are_thinned() {
    let report = every_cut()
        .kinds([FaultKind::Reset])
        .max_runs(3)
        .run(|trial| {
            between(trial, |stream| {
                let _ = says(stream, 5);
                Ok(())
            })
        })
        .expect("it passes without a cut");
    assert_eq!(report.results().len(), 3);
    assert!(
        report.notes()[0].contains("3 of 10 places"),
        "{:?}",
        report.notes()
    );
}

#[test]
fn what_is_missing_for_cuts_is_said() {
    let fails = every_cut().run(|_| Err(Error::msg("no luck")));
    assert!(
        matches!(fails, Err(EveryCutError::Baseline { .. })),
        "{fails:?}"
    );
    let unwatched = every_cut().run(|_| Ok(()));
    assert!(
        matches!(unwatched, Err(EveryCutError::NoProxy)),
        "{unwatched:?}"
    );
    let silent = every_cut().run(|trial| between(trial, |_| Ok(())));
    assert!(
        matches!(silent, Err(EveryCutError::NothingCame)),
        "{silent:?}"
    );
    let beyond = "wan:0:down:frame9:close".parse().expect("a cut");
    let beyond = every_cut().only(beyond).run(|trial| {
        between(trial, |stream| {
            says(stream, 1).map_err(Error::other)?;
            Ok(())
        })
    });
    let error = beyond.expect_err("there is no such frame").to_string();
    assert_eq!(
        error,
        "the cut wan:0:down:frame9:close has not happened: without it, the conversation is 2 \
         frames on 1 connection"
    );
    let hangs = every_cut()
        .run_limit(Duration::from_millis(200))
        .run(|trial| {
            between(trial, |mut stream| {
                let _ = stream.read(&mut [0]);
                Ok(())
            })
        });
    assert!(
        matches!(hangs, Err(EveryCutError::Hangs { .. })),
        "{hangs:?}"
    );
}

#[test]
fn a_delay_that_is_waited_for_breaks_nothing() {
    let report = every_cut()
        .kinds([FaultKind::Delay(Duration::from_millis(1))])
        .run(|trial| {
            between(trial, |stream| {
                says(stream, 1).map_err(Error::other)?;
                Ok(())
            })
        })
        .expect("it passes without a cut");
    assert_eq!(report.results().len(), 2);
    assert!(report.check().is_ok());
}
