//! What is going on, on a terminal.

use std::collections::HashMap;
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use standin::Status;
use standin_session::{Event, Happened, UnderWay};

use crate::took::Took;

/// How many drivers have a line of their own.
const LINES: usize = 10;

/// A line for each driver that is starting or stopping, which go when it is done.
#[derive(Default)]
pub(crate) struct Progress {
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    all: MultiProgress,
    head: Option<ProgressBar>,
    drivers: HashMap<String, ProgressBar>,
    environment: String,
    count: usize,
    done: usize,
}

impl Progress {
    pub(crate) fn happened(&self, event: &Event) {
        let Ok(mut lines) = self.lines.lock() else {
            return;
        };
        match &event.what {
            Happened::EnvironmentStarting {
                environment,
                drivers,
            } => {
                lines.environment.clone_from(environment);
                lines.count = drivers.len();
                lines.done = 0;
            }
            Happened::EnvironmentStopping { .. } => lines.done = 0,
            Happened::DriverStarted { driver, .. }
            | Happened::DriverStopped { driver, .. }
            | Happened::DriverFailed { driver, .. } => {
                lines.done += 1;
                if let Some(line) = lines.drivers.remove(driver) {
                    line.finish_and_clear();
                }
            }
            Happened::EnvironmentStarted { .. } | Happened::EnvironmentStopped { .. } => {
                lines.clear();
            }
            _ => {}
        }
    }

    pub(crate) fn under_way(&self, drivers: &[UnderWay]) {
        let Ok(mut lines) = self.lines.lock() else {
            return;
        };
        lines.show(drivers);
    }

    /// Makes room for other lines.
    pub(crate) fn clear(&self) {
        if let Ok(mut lines) = self.lines.lock() {
            lines.clear();
        }
    }
}

impl Lines {
    fn show(&mut self, drivers: &[UnderWay]) {
        let is_stop = drivers
            .iter()
            .any(|driver| driver.status == Status::Stopping);
        let what = if is_stop { "down" } else { "up" };
        // What counts comes first: a narrow terminal has no more.
        let text = format!(
            "{} of {} drivers {what} in \"{}\"",
            self.done, self.count, self.environment
        );
        let head = self.head.get_or_insert_with(|| {
            let style = style("{spinner:.green} {wide_msg}");
            self.all.add(ProgressBar::new_spinner().with_style(style))
        });
        head.set_message(text);
        head.tick();
        self.drivers.retain(|name, line| {
            match drivers.iter().any(|driver| driver.driver == *name) {
                true => true,
                false => {
                    line.finish_and_clear();
                    false
                }
            }
        });
        for driver in drivers.iter().take(LINES) {
            let line = self
                .drivers
                .entry(driver.driver.clone())
                .or_insert_with(|| {
                    let style = style("  {wide_msg}");
                    self.all.add(ProgressBar::new_spinner().with_style(style))
                });
            line.set_message(line_of(driver));
            line.tick();
        }
    }

    fn clear(&mut self) {
        for (_, line) in self.drivers.drain() {
            line.finish_and_clear();
        }
        if let Some(head) = self.head.take() {
            head.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn line_of(driver: &UnderWay) -> String {
    let elapsed = Took(driver.elapsed).to_string();
    let mut text = format!("{elapsed:>7}  {}", driver.driver);
    match (&driver.waits_for, &driver.step) {
        (Some(waits_for), _) => {
            text.push_str("  waits for ");
            // One line, whatever a log says.
            text.push_str(&waits_for.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        (None, Some(step)) => {
            text.push_str("  ");
            text.push_str(step);
        }
        (None, None) => {}
    }
    text
}
