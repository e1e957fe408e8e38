//! [`References`]: who names whom in a file, and whether there is such a driver.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use standin_config::reading::{Step, drivers_read};
use standin_config::{OptionDescription, Value};
use toml::Spanned;
use toml::de::DeValue;

use super::convert;
use super::keys::AFTER;
use super::mistake::Mistake;
use super::suggestions::Suggestions;

/// Who names whom.
#[derive(Default)]
pub(crate) struct References {
    drivers: Vec<Driver>,
    by_name: HashMap<String, usize>,
    contexts: Vec<Reference>,
    /// The driver whose table is being read.
    current: Option<usize>,
}

struct Driver {
    name: String,
    span: Range<usize>,
    after: Vec<(String, Range<usize>)>,
}

/// A context value, or a template that reads a context.
struct Reference {
    /// The driver that reads, if it is one and not the defaults.
    from: Option<usize>,
    to: String,
    key: String,
    place: String,
    span: Range<usize>,
    /// It is in a template of the driver, which may read its own context, too.
    is_own: bool,
}

/// Which driver needs which, by name, with the places that say so.
#[derive(Debug, Default)]
pub(crate) struct Links {
    pub(crate) after: Vec<Link>,
    pub(crate) reads: Vec<Link>,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) driver: String,
    pub(crate) needs: String,
    pub(crate) option: String,
    pub(crate) span: Range<usize>,
}

impl References {
    /// Notes a driver; what is read from here on belongs to it. One whose name is taken is a driver
    /// of its own all the same: what it reads is not read by its namesake.
    pub(crate) fn enter_driver(
        &mut self,
        name: &str,
        span: Range<usize>,
        after: &[(String, Range<usize>)],
        mistakes: &mut Vec<Mistake>,
    ) {
        let index = self.drivers.len();
        let first = *self.by_name.entry(name.to_owned()).or_insert(index);
        if first != index {
            mistakes.push(Mistake::DuplicateName {
                name: name.to_owned(),
                first: convert::span(self.drivers[first].span.clone()),
                span: convert::span(span.clone()),
            });
        }
        self.drivers.push(Driver {
            name: name.to_owned(),
            span,
            after: after.to_vec(),
        });
        self.current = Some(index);
    }

    pub(crate) fn leave(&mut self) {
        self.current = None;
    }

    /// Notes every driver that an option's value reads from.
    pub(crate) fn read_option(
        &mut self,
        place: &str,
        option: &OptionDescription,
        spanned: &Spanned<DeValue<'_>>,
        value: &Value,
    ) {
        if option.holds().context {
            self.find_contexts(place, option.name(), spanned);
        }
        if !option.holds().template {
            return;
        }
        let mut visit = |text: &str, path: &[Step]| {
            for driver in drivers_read(text) {
                self.contexts.push(Reference {
                    from: self.current,
                    to: driver,
                    key: option.name().to_owned(),
                    place: place.to_owned(),
                    span: convert::span_at(spanned, path, false),
                    is_own: true,
                });
            }
        };
        option
            .kind()
            .for_each_template(value, &mut Vec::new(), &mut visit);
    }

    fn find_contexts(&mut self, place: &str, key: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Array(items) => {
                for item in items {
                    self.find_contexts(place, key, item);
                }
            }
            DeValue::Table(table) => {
                let is_context = table.len() == 2 && table.contains_key("value");
                match table.get("driver") {
                    Some(driver) if is_context => {
                        if let Some(name) = driver.get_ref().as_str() {
                            self.contexts.push(Reference {
                                from: self.current,
                                to: name.to_owned(),
                                key: key.to_owned(),
                                place: place.to_owned(),
                                span: driver.span(),
                                is_own: false,
                            });
                        }
                    }
                    _ => {
                        for (_, item) in table {
                            self.find_contexts(place, key, item);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// Reports names that no driver has, and drivers that wait for each other.
    pub(crate) fn check(self, mistakes: &mut Vec<Mistake>, suggestions: &mut Suggestions) -> Links {
        let mut links = Links::default();
        let mut edges: Vec<Vec<(usize, Range<usize>)>> = vec![Vec::new(); self.drivers.len()];
        for (index, driver) in self.drivers.iter().enumerate() {
            for (name, span) in &driver.after {
                match self.by_name.get(name) {
                    Some(&to) => {
                        edges[index].push((to, span.clone()));
                        links.after.push(Link {
                            driver: driver.name.clone(),
                            needs: name.clone(),
                            option: AFTER.to_owned(),
                            span: span.clone(),
                        });
                    }
                    None => mistakes.push(Mistake::UnknownDependency {
                        name: name.clone(),
                        place: format!("driver {:?}", driver.name),
                        help: self.help(name, suggestions),
                        span: convert::span(span.clone()),
                    }),
                }
            }
        }
        for reference in &self.contexts {
            match (self.by_name.get(&reference.to), reference.from) {
                (Some(&to), Some(from)) if reference.is_own && to == from => {}
                (Some(&to), Some(from)) => {
                    edges[from].push((to, reference.span.clone()));
                    links.reads.push(Link {
                        driver: self.drivers[from].name.clone(),
                        needs: reference.to.clone(),
                        option: reference.key.clone(),
                        span: reference.span.clone(),
                    });
                }
                (Some(_), None) => {}
                (None, _) => mistakes.push(Mistake::UnknownContextDriver {
                    name: reference.to.clone(),
                    key: reference.key.clone(),
                    place: reference.place.clone(),
                    help: self.help(&reference.to, suggestions),
                    span: convert::span(reference.span.clone()),
                }),
            }
        }
        let closing = self.check_cycles(&edges, mistakes);
        links.after.retain(|link| !closing.contains(&link.span));
        links
    }

    /// A depth-first walk without recursion: a file may chain any number of drivers. The answer is
    /// where the cycles are closed.
    fn check_cycles(
        &self,
        edges: &[Vec<(usize, Range<usize>)>],
        mistakes: &mut Vec<Mistake>,
    ) -> HashSet<Range<usize>> {
        let mut closing = HashSet::new();
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; edges.len()];
        for start in 0..edges.len() {
            if marks[start] != Mark::New {
                continue;
            }
            let mut path = vec![(start, 0)];
            marks[start] = Mark::Open;
            while let Some((node, next)) = path.last_mut() {
                let node = *node;
                let Some((to, span)) = edges[node].get(*next) else {
                    marks[node] = Mark::Done;
                    path.pop();
                    continue;
                };
                *next += 1;
                match marks[*to] {
                    Mark::New => {
                        marks[*to] = Mark::Open;
                        path.push((*to, 0));
                    }
                    Mark::Open => {
                        let names = path
                            .iter()
                            .map(|(index, _)| *index)
                            .skip_while(|index| index != to)
                            .chain([*to])
                            .map(|index| self.drivers[index].name.as_str())
                            .collect::<Vec<_>>();
                        mistakes.push(Mistake::Cycle {
                            cycle: names.join(" -> "),
                            span: convert::span(span.clone()),
                        });
                        closing.insert(span.clone());
                    }
                    Mark::Done => {}
                }
            }
        }
        closing
    }

    fn help(&self, name: &str, suggestions: &mut Suggestions) -> String {
        let names = || self.drivers.iter().map(|driver| driver.name.as_str());
        match suggestions.nearest(name, names()) {
            Some(known) => format!("did you mean {known:?}?"),
            None => {
                let all: Vec<&str> = names().take(20).collect();
                let more = match self.drivers.len() > all.len() {
                    true => ", ...",
                    false => "",
                };
                format!("the drivers are: {}{more}", all.join(", "))
            }
        }
    }
}
