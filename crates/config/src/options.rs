//! The traits that the derive implements: [`Config`], [`Options`], and [`FromOptions`].

use std::fmt;
use std::sync::OnceLock;

use crate::option_value::first_of;
use crate::{ConfigDescription, Kind, Layer, OptionValue, Resolver, Value, ValueError};

/// A struct of declared options. Derive it; see the crate's documentation.
pub trait Config: Clone + fmt::Debug + Send + Sync + 'static {
    /// The user's values: the same options, each of them optional.
    type Options: Options;

    /// The options as a value.
    fn description() -> &'static ConfigDescription;

    /// Takes the value of every option from `resolver`, which collects what is wrong. `None` when
    /// something is.
    #[doc(hidden)]
    fn resolve_from(resolver: &mut Resolver<'_>) -> Option<Self>;
}

/// The user's values of a config's options, before defaults and parents.
pub trait Options: Sized {
    /// The options that there are.
    fn description(&self) -> &ConfigDescription;

    /// The options that are set.
    fn layer(&self) -> &Layer;

    /// The options that are set.
    fn into_layer(self) -> Layer;
}

/// Options that a layer converts into: all that the derive generates. A program that reads options
/// from a file turns them into typed ones this way.
pub trait TypedOptions: Options {
    /// The config that has these options.
    type Config: Config;

    /// The layer as typed options; hands it back when it is of another config.
    ///
    /// # Errors
    ///
    /// Returns an error if the layer's description is not [`Config::description`] of this config.
    fn from_layer(layer: Layer) -> Result<Self, Layer>;
}

/// Builds something from a config's options: implemented by a driver for the options of its config.
///
/// With `#[config(builds = Driver)]` the options get a method `build` that calls it.
pub trait FromOptions<O>: Sized {
    /// Why it cannot be built.
    type Error;

    /// Builds it.
    ///
    /// # Errors
    ///
    /// Returns an error of the implementor, usually because the options are invalid.
    fn from_options(options: O) -> Result<Self, Self::Error>;
}

/// The type of the option at index `N` of a config, for setters of configs that include it.
#[doc(hidden)]
pub trait OptionAt<const N: usize> {
    /// The parameter type of the setter: the declared type without `Option` and `Vec` around it.
    type Input;
}

/// Reads a config from a table, for an option that has a config as its type.
#[doc(hidden)]
pub fn read_nested<C: Config + OptionValue>(value: &Value) -> Result<C, Vec<ValueError>> {
    let description = C::description();
    let node = description.nested_node(value)?;
    node.resolve().map_err(|errors| {
        let errors = errors.into_errors().into_iter();
        errors
            .map(|error| description.unfit_nested(value, error))
            .collect()
    })
}

/// The first mistake in a table, for code that asks for one.
#[doc(hidden)]
pub fn read_nested_or_first<C: Config + OptionValue>(value: &Value) -> Result<C, ValueError> {
    read_nested(value).map_err(first_of(value))
}

// The derives call these, and are spared the code of a `OnceLock` for every closure.

/// The kind of a choice, which is made once.
#[doc(hidden)]
pub fn kind(kind: &'static OnceLock<Kind>, make: fn() -> Kind) -> Kind {
    kind.get_or_init(make).clone()
}

/// Everything that is wrong with a value, of which `error` is what was found first.
#[doc(hidden)]
pub fn mistakes<T: OptionValue>(value: &Value, error: ValueError) -> Vec<ValueError> {
    T::kind().mistakes_beside(value, error)
}

/// A config's description, which is made once.
#[doc(hidden)]
pub fn describe(
    description: &'static OnceLock<ConfigDescription>,
    make: fn() -> ConfigDescription,
) -> &'static ConfigDescription {
    description.get_or_init(make)
}

/// Checks a config that code wrote as a struct.
#[doc(hidden)]
pub fn check_nested<C: Config + OptionValue>(config: &C) -> Result<(), ValueError> {
    let value = config.to_value();
    let node = C::description().nested_node(&value);
    node.map(drop).map_err(first_of(&value))
}
