//! The start of an environment: how long each driver took, and what it waited for.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::time::Duration;

use crate::driver::until;
use crate::shown::{At, Took, one_line};
use crate::transcript::{Probe, ProgramEnd, Step, Story, Transcript};

/// How many characters a name and the bar of the whole start have together, so that a line of a
/// report has no more than 80 with its times.
const ROOM: usize = 48;
const SHORTEST_BAR: usize = 16;
const LONGEST_BAR: usize = 40;

/// How many drivers are shown. Those that failed, that wait and the slowest ones are.
const SHOWN: usize = 30;

/// Of how many of them the conditions, lines of logs and ends are.
const DETAILED: usize = 8;

impl Step {
    /// The whole of a start, from its first step until the driver is ready and its hooks have run:
    /// the input of timelines.
    pub const START: &'static str = "start";

    fn failed(&self) -> bool {
        self.error.is_some()
    }

    /// Whether it failed or is still in progress.
    fn is_trouble(&self) -> bool {
        self.failed() || self.took.is_none()
    }
}

impl Story {
    /// Returns the latest start of the driver.
    pub fn start(&self) -> Option<&Step> {
        let mut steps = self.steps.iter().rev();
        steps.find(|step| step.name == Step::START)
    }

    /// Returns how its program ended, unless that was because it was stopped or aborted.
    pub fn ended_by_itself(&self) -> Option<&ProgramEnd> {
        let exit = self.exit.as_ref()?;
        let ends = ["stopping", "aborting"];
        let begun = self.start().map_or(Duration::ZERO, |start| start.at);
        let is_end = |step: &&Step| step.at >= begun && ends.contains(&&*step.name);
        let end = self.steps.iter().find(is_end);
        end.is_none_or(|end| exit.at < end.at).then_some(exit)
    }
}

/// Renders the start of an environment as text, with what each driver waited for, and the critical
/// path.
#[derive(Clone, Debug)]
#[must_use = "it is shown by `Display`"]
pub struct StartText<'t> {
    transcript: &'t Transcript,
    said: &'t str,
}

impl<'t> StartText<'t> {
    /// Leaves out what `text` already contains, such as the message of the error that this is a
    /// part of: errors, results and lines of logs.
    pub fn after(self, text: &'t str) -> Self {
        Self { said: text, ..self }
    }

    fn is_said(&self, text: &str) -> bool {
        self.said.contains(text)
    }
}

impl Transcript {
    /// Returns the start as text: a line for each driver, with its begin, how long it took, and why
    /// it is not over.
    pub fn start_text(&self) -> StartText<'_> {
        StartText {
            transcript: self,
            said: "",
        }
    }

    /// Returns the critical path, the first driver first: the driver that ended last or has failed,
    /// the one it waited for that ended last, and so on.
    pub fn critical_path(&self) -> Vec<&Story> {
        let starts: HashMap<&str, (&Story, &Step)> = self
            .drivers
            .iter()
            .filter_map(|story| Some((&*story.name, (story, story.start()?))))
            .collect();
        let end = |step: &Step| step.at + until(step, self.taken);
        let in_order = self.drivers.iter().filter_map(|s| starts.get(&*s.name));
        let mut next = in_order
            .max_by_key(|(_, step)| (step.is_trouble(), end(step)))
            .copied();
        let mut path: Vec<&Story> = Vec::new();
        while let Some((story, _)) = next.take() {
            // What waits in a circle has no beginning.
            if path.iter().any(|known| known.name == story.name) {
                break;
            }
            path.push(story);
            let before = story.waits_for.iter();
            let before = before.filter_map(|name| starts.get(name.as_str()));
            next = before.max_by_key(|(_, step)| end(step)).copied();
        }
        path.reverse();
        path
    }
}

impl fmt::Display for StartText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transcript = self.transcript;
        let started: Vec<(&Story, &Step)> = transcript
            .drivers
            .iter()
            .filter_map(|story| Some((story, story.start()?)))
            .collect();
        let taken = transcript.taken;
        let Some(first) = started.iter().map(|(_, step)| step.at).min() else {
            return f.write_str("no driver has begun to start");
        };
        let ends = started.iter().map(|(_, step)| step.at + until(step, taken));
        let whole = ends.max().unwrap_or(taken).saturating_sub(first);
        write!(
            f,
            "start of {:?}: {}",
            one_line(&transcript.name, 60),
            Took(whole)
        )?;
        let shown = most_telling(&started, taken);
        let name = |story: &Story| one_line(&story.name, 32);
        let names = shown.iter().map(|(story, _)| name(story).chars().count());
        let width = names.max().unwrap_or(0);
        let length = ROOM.saturating_sub(width).clamp(SHORTEST_BAR, LONGEST_BAR);
        let mut in_detail = 0;
        for (story, step) in &shown {
            let took = until(step, taken);
            write!(
                f,
                "\n  {:width$}  {}  {:>7}  |{}|{}",
                name(story),
                At(step.at),
                Took(took).to_string(),
                bar(step.at.saturating_sub(first), took, whole, length),
                self.outcome(step)
            )?;
            if step.is_trouble() && in_detail < DETAILED {
                in_detail += 1;
                self.details(f, story, width)?;
            }
        }
        if shown.len() < started.len() {
            let more = started.len() - shown.len();
            write!(f, "\n  and {more} more, each of which took less")?;
        }
        for (story, names) in waiting(transcript) {
            write!(f, "\n  waiting for {}: {names}", one_line(&story.name, 32))?;
        }
        let path = transcript.critical_path();
        if path.len() > 1 {
            let parts = path.iter().filter_map(|story| {
                let took = until(story.start()?, taken);
                Some(format!("{} {}", name(story), Took(took)))
            });
            let parts: Vec<String> = parts.collect();
            write!(f, "\n  critical path: {}", shortened(&parts, " -> "))?;
        }
        Ok(())
    }
}

/// In the order of the environment.
fn most_telling<'t>(
    started: &[(&'t Story, &'t Step)],
    taken: Duration,
) -> Vec<(&'t Story, &'t Step)> {
    let mut order: Vec<usize> = (0..started.len()).collect();
    order.sort_by_key(|index| {
        let step = started[*index].1;
        std::cmp::Reverse((step.failed(), step.took.is_none(), until(step, taken)))
    });
    order.truncate(SHOWN);
    order.sort_unstable();
    order.into_iter().map(|index| started[index]).collect()
}

fn bar(offset: Duration, took: Duration, whole: Duration, length: usize) -> String {
    let place = |time: Duration| {
        let part = time.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE);
        ((part * length as f64).round() as usize).min(length)
    };
    let start = place(offset).min(length - 1);
    let end = place(offset + took).max(start + 1);
    format!(
        "{}{}{}",
        " ".repeat(start),
        "=".repeat(end - start),
        " ".repeat(length - end)
    )
}

impl StartText<'_> {
    fn outcome(&self, step: &Step) -> String {
        match (&step.error, step.took) {
            (Some(error), _) if self.is_said(error) => "  failed".to_owned(),
            (Some(error), _) => format!("  failed: {}", one_line(error, 120)),
            (None, None) => "  is not over".to_owned(),
            (None, Some(_)) => String::new(),
        }
    }

    fn details(&self, f: &mut fmt::Formatter<'_>, story: &Story, width: usize) -> fmt::Result {
        let indent = width + 4;
        let probes = story.probes.iter().rev();
        // Those that are met have no answer to show.
        let probes = probes.filter(|probe| probe.is_met || !self.is_said(&probe.answer));
        for probe in probes.take(5) {
            write!(f, "\n{:indent$}{}", "", answer(probe))?;
        }
        let lines = story.lines.iter().filter(|line| !self.is_said(&line.text));
        let lines: Vec<_> = lines.collect();
        for line in &lines[lines.len().saturating_sub(3)..] {
            let (log, text) = (one_line(&line.log, 32), one_line(&line.text, 100));
            write!(f, "\n{:indent$}{log}: {text}", "")?;
        }
        match story.ended_by_itself() {
            Some(end) => {
                let how = one_line(&end.how, 100);
                write!(f, "\n{:indent$}{} {how}", "", At(end.at))
            }
            None => Ok(()),
        }
    }
}

/// A condition with its last answer.
pub(crate) fn answer(probe: &Probe) -> String {
    let condition = one_line(&probe.condition, 80);
    if probe.is_met {
        return format!("{condition}: met at {}", At(probe.last));
    }
    let times = match probe.count {
        1 => "asked once".to_owned(),
        count => format!("asked {count} times"),
    };
    format!(
        "{condition}: {} ({times}, the last time at {})",
        one_line(&probe.answer, 100),
        At(probe.last)
    )
}

/// Who has not begun because of whom, directly or by way of others, for those that are in trouble.
pub(crate) fn waiting(transcript: &Transcript) -> Vec<(&Story, String)> {
    let drivers = &transcript.drivers;
    let mut dependents: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, story) in drivers.iter().enumerate() {
        for name in &story.waits_for {
            dependents.entry(name).or_default().push(index);
        }
    }
    let in_trouble = |story: &&Story| story.start().is_some_and(Step::is_trouble);
    let in_trouble = drivers.iter().filter(in_trouble).take(SHOWN);
    let waiting = in_trouble.filter_map(|story| {
        let mut waits = vec![false; drivers.len()];
        let mut next = vec![&*story.name];
        while let Some(name) = next.pop() {
            for index in dependents.get(name).into_iter().flatten() {
                if drivers[*index].start().is_none() && !mem::replace(&mut waits[*index], true) {
                    next.push(&drivers[*index].name);
                }
            }
        }
        let waiting = drivers.iter().zip(waits).filter(|(_, waits)| *waits);
        let names = waiting.map(|(driver, _)| one_line(&driver.name, 32));
        let names: Vec<String> = names.collect();
        (!names.is_empty()).then(|| (story, shortened(&names, ", ")))
    });
    waiting.collect()
}

/// The first and the last of many.
fn shortened(parts: &[String], between: &str) -> String {
    const MOST: usize = 12;
    if parts.len() <= MOST {
        return parts.join(between);
    }
    let half = MOST / 2;
    let left_out = parts.len() - MOST;
    format!(
        "{}{between}({left_out} more){between}{}",
        parts[..half].join(between),
        parts[parts.len() - half..].join(between)
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn story(name: &str, waits_for: &[&str], step: Option<(u64, Option<u64>)>) -> Story {
        Story {
            name: name.into(),
            waits_for: waits_for.iter().map(|name| (*name).to_owned()).collect(),
            steps: Vec::from_iter(step.map(|(at, took)| Step {
                name: Step::START.to_owned(),
                at: Duration::from_millis(at),
                took: took.map(Duration::from_millis),
                error: None,
            })),
            ..Story::default()
        }
    }

    #[test]
    fn says_who_waits_for_whom_and_the_last_answer() {
        let mut app = story("app", &["redis"], Some((200, None)));
        app.probes.push(Probe {
            condition: "port 8080".to_owned(),
            first: Duration::from_millis(210),
            last: Duration::from_millis(10_150),
            count: 212,
            answer: "connection refused".to_owned(),
            is_met: false,
        });
        let transcript = Transcript {
            name: "shop".to_owned(),
            taken: Duration::from_millis(10_200),
            drivers: vec![
                story("redis", &[], Some((0, Some(200)))),
                story("bank", &[], Some((0, Some(1)))),
                app,
                story("web", &["app"], None),
                story("worker", &["app", "bank"], None),
            ],
            ..Transcript::default()
        };
        let expected = expect![[r#"
            start of "shop": 10.2 s
              redis  +0.000 000 s   200 ms  |=                                       |
              bank   +0.000 000 s  1.00 ms  |=                                       |
              app    +0.200 000 s   10.0 s  | =======================================|  is not over
                     port 8080: connection refused (asked 212 times, the last time at +10.150 000 s)
              waiting for app: web, worker
              critical path: redis 200 ms -> app 10.0 s"#]];
        expected.assert_eq(&transcript.start_text().to_string());
    }

    #[test]
    fn a_circle_of_waits_ends() {
        let transcript = Transcript {
            drivers: vec![
                story("a", &["b"], Some((0, None))),
                story("b", &["a"], Some((1, None))),
            ],
            ..Transcript::default()
        };
        assert_eq!(transcript.critical_path().len(), 2);
    }

    #[test]
    fn a_thousand_drivers_are_a_short_text() {
        let mut drivers: Vec<Story> = (0..1000)
            .map(|index| story(&format!("d{index}"), &[], Some((index, Some(5)))))
            .collect();
        drivers[500].steps[0].error = Some("no such file".to_owned());
        let transcript = Transcript {
            drivers,
            taken: Duration::from_secs(2),
            ..Transcript::default()
        };
        let text = transcript.start_text().to_string();
        assert!(text.lines().count() < 40, "{text}");
        assert!(
            text.contains("d500") && text.contains("no such file"),
            "{text}"
        );
        assert!(text.contains("and 970 more"), "{text}");
    }
}
