//! All methods.

use standin::config::nearest;

use super::error::ServeError;
use super::method::Method;
use super::{environment, held, proxy, talk};

/// All methods, in the order of the reference page.
pub(crate) fn all() -> impl Iterator<Item = &'static Method> {
    environment::METHODS
        .iter()
        .chain(talk::METHODS)
        .chain(held::METHODS)
        .chain(proxy::METHODS)
}

/// The method of that name.
pub(crate) fn find(name: &str) -> Result<&'static Method, ServeError> {
    all()
        .find(|method| method.name == name)
        .ok_or_else(|| ServeError::UnknownMethod {
            nearest: nearest(name, all().map(|method| method.name)).map(str::to_owned),
            method: name.to_owned(),
        })
}
