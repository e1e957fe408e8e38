//! [`Resolver`]: hands the values of a node to a typed config.

use std::borrow::Cow;
use std::sync::Arc;

use crate::description::Places;
use crate::node::Found;
use crate::option::{OptionDescription, Source};
use crate::stored::Stored;
use crate::{Config, ConfigDescription, Layer, Node, OptionError, OptionValue, Origin, ValueError};

/// Hands the values of a node to the struct that the derive declares, and collects what is wrong.
#[doc(hidden)]
#[derive(Debug)]
pub struct Resolver<'a> {
    node: &'a Node,
    layer: &'a Layer,
    description: &'static ConfigDescription,
    places: Places<'a>,
    /// How many changes there had been when it began.
    changes: u64,
    errors: &'a mut Vec<OptionError>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new<C: Config>(
        node: &'a Node,
        layer: &'a Layer,
        changes: u64,
        errors: &'a mut Vec<OptionError>,
    ) -> Self {
        Self {
            node,
            layer,
            description: C::description(),
            places: node.description().places::<C>().unwrap_or(Places::ByName),
            changes,
            errors,
        }
    }

    /// Returns the values of an included config.
    pub fn included<C: Config>(&mut self) -> Option<C> {
        if let Some(config) = self.node.kept::<C>(self.changes) {
            return Some(C::clone(&config));
        }
        let mut resolver = Resolver::new::<C>(self.node, self.layer, self.changes, self.errors);
        let config = C::resolve_from(&mut resolver)?;
        self.node.keep(self.changes, Arc::new(config.clone()));
        Some(config)
    }

    /// Returns the value of the option at `index` of the config that is resolved.
    pub fn option<T: OptionValue>(&mut self, index: usize) -> Option<T> {
        self.take(index, |stored| match stored.get::<T>() {
            Some(value) => Ok(value.clone()),
            // Another declaration of the same name may use another type.
            None => T::from_value(&stored.written(T::kind)?),
        })
    }

    /// As [`Resolver::option`], for values that can only be set in code.
    pub fn code<T: Clone + Send + Sync + 'static>(&mut self, index: usize) -> Option<T> {
        self.take(index, |stored| match stored.get::<T>() {
            Some(value) => Ok(value.clone()),
            None => Err(crate::Kind::Code.unfit(&stored.value().unwrap_or_default())),
        })
    }

    // Compiled for the type of every option, so what does not depend on it is elsewhere.
    fn take<T>(
        &mut self,
        index: usize,
        convert: impl Fn(&Stored) -> Result<T, ValueError>,
    ) -> Option<T> {
        let option = self.description.options().get(index)?;
        let stored = self.stored(index, option)?;
        let error = match convert(&stored) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        if let Some(own) = self.own(option)
            && let Ok(value) = convert(own)
        {
            return Some(value);
        }
        self.fail(option.wrong_type(self.node.owner(), error));
        None
    }

    /// The value of an option, whichever type it has.
    fn stored(&mut self, index: usize, option: &OptionDescription) -> Option<Cow<'a, Stored>> {
        let place = self.place(index, option);
        // Most values are the node's own: there is nothing to note of them.
        if let Some(stored) = place.and_then(|place| self.local(place)) {
            return Some(Cow::Borrowed(stored));
        }
        let found = match self.find(place, option) {
            Ok(found) => found,
            Err(error) => {
                self.fail(error);
                return None;
            }
        };
        if found.from.is_some() && !option.constraints().is_empty() {
            let broken = option.check_constraints(self.node.owner(), &found.stored);
            if !broken.is_empty() {
                self.errors.extend(broken);
                return None;
            }
        }
        Some(Cow::Owned(found.stored))
    }

    /// What an option has by itself, if a config that includes this one has declared it again,
    /// perhaps with another type: the included struct then has that.
    fn own<'o>(&self, option: &'o OptionDescription) -> Option<&'o Stored> {
        match option.source() {
            Source::Default(own) | Source::InheritedOr(own) if self.is_redeclared(option) => {
                Some(own)
            }
            _ => None,
        }
    }

    /// Where in the node's config the option at `index` of the resolved one is.
    fn place(&self, index: usize, option: &OptionDescription) -> Option<usize> {
        match self.places {
            Places::Same => Some(index),
            Places::At(places) => places.get(index).copied(),
            Places::ByName => self.node.description().index(option.name()),
        }
    }

    /// A value of the node itself.
    fn local(&self, place: usize) -> Option<&'a Stored> {
        let layer = self.layer;
        if let Some((stored, _)) = layer.find(place) {
            return Some(stored);
        }
        match self.node.description().options().get(place)?.source() {
            Source::Default(default) => Some(default),
            _ => None,
        }
    }

    fn find(&self, place: Option<usize>, option: &OptionDescription) -> Result<Found, OptionError> {
        let node = self.node;
        if let Some(place) = place {
            return node.find_at(self.layer, place, &node.description().options()[place]);
        }
        if let Some(value) = self.layer.extra(option.name()) {
            return Ok(Found {
                stored: Stored::new(value.clone()),
                from: None,
                origin: Origin::Explicit,
            });
        }
        let own = |stored: &Stored, origin| Found {
            stored: stored.clone(),
            from: None,
            origin,
        };
        match option.source() {
            Source::Required => Err(option.missing(node.owner())),
            Source::Default(default) => Ok(own(default, Origin::Default)),
            Source::InheritedOr(fallback) => Ok(node
                .find_set_above(option.name())
                .unwrap_or_else(|| own(fallback, Origin::Fallback))),
            Source::Inherited => node
                .find_above(option.name())
                .ok_or_else(|| node.no_value(option.name())),
        }
    }

    fn is_redeclared(&self, option: &OptionDescription) -> bool {
        self.node
            .description()
            .option(option.name())
            .is_some_and(|own| own.declared_in() != option.declared_in())
    }

    // An option that two structs share is reported once.
    fn fail(&mut self, error: OptionError) {
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }
}
