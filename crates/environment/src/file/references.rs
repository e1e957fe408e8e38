//! [`References`]: who names whom in a file, and whether there is such a driver.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use standin_config::{OptionDescription, ReferenceBy, Suggestions, Value, toml_span_at};
use standin_error::text::{Quoted, Shortened};
use toml::Spanned;
use toml::de::DeValue;

use super::keys::AFTER;
use super::mistake::Mistake;
use crate::order::Order;

/// Who names whom.
#[derive(Default)]
pub(crate) struct References {
    drivers: Vec<Driver>,
    by_name: HashMap<String, usize>,
    /// What is below `context` without being a driver.
    values: HashSet<String>,
    contexts: Vec<Read>,
    /// Some driver has no name that could be read, so that any name may be meant to be its.
    has_nameless: bool,
    /// The driver whose table is being read.
    current: Option<usize>,
}

struct Driver {
    name: String,
    span: Range<usize>,
    after: Vec<(String, Range<usize>)>,
}

/// A context value, or a template that reads a context.
struct Read {
    /// The driver that reads, if it is one and not the defaults.
    from: Option<usize>,
    to: String,
    key: String,
    place: String,
    span: Range<usize>,
    by: ReferenceBy,
}

/// Which driver needs which, by place, and where that is said first.
type Needs = HashMap<(usize, usize), Range<usize>>;

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
    /// It needs one that comes later in the file, and could come before.
    pub(crate) is_later: bool,
}

impl References {
    /// Notes a driver; what is read from here on belongs to it. One whose name is taken is a driver
    /// of its own anyway: what it reads is not read by its namesake.
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
                first: self.drivers[first].span.clone().into(),
                span: span.clone().into(),
            });
        }
        self.drivers.push(Driver {
            name: name.to_owned(),
            span,
            after: after.to_vec(),
        });
        self.current = Some(index);
    }

    /// Notes a driver whose name cannot be read.
    pub(crate) fn enter_nameless(&mut self) {
        self.has_nameless = true;
    }

    /// Notes a name below `context` that is not a driver's.
    pub(crate) fn add_value(&mut self, name: &str) {
        self.values.insert(name.to_owned());
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
        for reference in option.references(value) {
            self.contexts.push(Read {
                from: self.current,
                to: reference.name,
                key: option.name().to_owned(),
                place: place.to_owned(),
                span: toml_span_at(spanned, &reference.path),
                by: reference.by,
            });
        }
    }

    /// Reports names that no driver has, and drivers that wait for each other.
    pub(crate) fn check(self, mistakes: &mut Vec<Mistake>, suggestions: &mut Suggestions) -> Links {
        let mut links = Links::default();
        let mut needs = Needs::new();
        for (index, driver) in self.drivers.iter().enumerate() {
            for (name, span) in &driver.after {
                match self.by_name.get(name) {
                    Some(&to) => {
                        needs.entry((index, to)).or_insert_with(|| span.clone());
                        links.after.push(Link {
                            driver: driver.name.clone(),
                            needs: name.clone(),
                            option: AFTER.to_owned(),
                            span: span.clone(),
                            is_later: false,
                        });
                    }
                    None if self.has_nameless => {}
                    None => mistakes.push(Mistake::UnknownDependency {
                        name: name.clone(),
                        place: format!("driver {}", Quoted(&driver.name)),
                        help: self.help(name, suggestions),
                        span: span.clone().into(),
                    }),
                }
            }
        }
        let mut reported = HashSet::new();
        for reference in &self.contexts {
            match (self.by_name.get(&reference.to), reference.from) {
                // A driver may read in a template what it publishes itself.
                (Some(&to), Some(from))
                    if to == from && reference.by != ReferenceBy::ContextValue => {}
                (Some(&to), Some(from)) => {
                    if reference.by != ReferenceBy::Word {
                        let span = reference.span.clone();
                        needs.entry((from, to)).or_insert(span);
                    }
                    links.reads.push(Link {
                        driver: self.drivers[from].name.clone(),
                        needs: reference.to.clone(),
                        option: reference.key.clone(),
                        span: reference.span.clone(),
                        is_later: to > from,
                    });
                }
                (Some(_), None) => {}
                // Not every word is meant to be a name.
                (None, _) if reference.by == ReferenceBy::Word => {}
                (None, _) if self.has_nameless => {}
                (None, _) if self.values.contains(&reference.to) => {}
                // An option in `[defaults]` is read for each type that has it.
                (None, _) if !reported.insert((&reference.to, reference.span.clone())) => {}
                (None, _) => mistakes.push(Mistake::UnknownContextDriver {
                    name: reference.to.clone(),
                    key: reference.key.clone(),
                    place: reference.place.clone(),
                    help: self.help(&reference.to, suggestions),
                    span: reference.span.clone().into(),
                }),
            }
        }
        let (order, closing) = self.check_cycles(&needs, mistakes);
        links.after.retain(|link| !closing.contains(&link.span));
        for link in links.reads.iter_mut().filter(|link| link.is_later) {
            let place = |name: &String| self.by_name.get(name).copied();
            let way = place(&link.driver).zip(place(&link.needs));
            link.is_later = way.is_some_and(|(from, to)| order.way(from, to).is_none());
        }
        links
    }

    /// Reports drivers that wait for each other, each where the last of them says so. Returns their
    /// order, and these places.
    fn check_cycles(
        &self,
        needs: &Needs,
        mistakes: &mut Vec<Mistake>,
    ) -> (Order, Vec<Range<usize>>) {
        let mut order = Order::new(self.drivers.len());
        // Where everybody needs earlier ones only, nobody waits for a later one.
        if needs.keys().all(|(driver, needed)| needed < driver) {
            return (order, Vec::new());
        }
        for &(driver, needed) in needs.keys() {
            order.add(needed, driver);
        }
        let mut closing = Vec::new();
        for mut circle in order.cycles() {
            // From the one that waits to the one that it waits for, and back to the first.
            circle[1..].reverse();
            let (first, last) = (circle[0], circle[circle.len() - 1]);
            let span = needs.get(&(last, first)).cloned().unwrap_or_default();
            let names = circle.iter().chain([&first]);
            let name = |at: &usize| Shortened(&self.drivers[*at].name).to_string();
            let names: Vec<String> = names.map(name).collect();
            mistakes.push(Mistake::Cycle {
                cycle: names.join(" -> "),
                span: span.clone().into(),
            });
            closing.push(span);
        }
        (order, closing)
    }

    fn help(&self, name: &str, suggestions: &mut Suggestions) -> String {
        let names = || self.drivers.iter().map(|driver| driver.name.as_str());
        match suggestions.nearest(name, names()) {
            Some(known) => format!("did you mean {known:?}?"),
            None => {
                let all = names().take(20).map(|name| Shortened(name).to_string());
                let all: Vec<String> = all.collect();
                let more = match self.drivers.len() > all.len() {
                    true => ", ...",
                    false => "",
                };
                format!("the drivers are: {}{more}", all.join(", "))
            }
        }
    }
}
