//! [`OptionValue`]: the types that an option can have.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use indexmap::IndexMap;

use crate::kind::Kind;
use crate::{Value, ValueError};

/// A type that an option can have: it is read from a [`Value`] and written as one.
///
/// Implemented for booleans, numbers, `String`, `PathBuf`, `Duration`, the types of this crate,
/// and options, lists, pairs and maps of them. Derive it for an enum without fields; implement it
/// for any other type of your own.
///
/// ```
/// use standin_config::{Kind, OptionValue, Value, ValueError};
///
/// #[derive(Clone, Debug, PartialEq, OptionValue)]
/// enum Greeting { Hello, GoodMorning }
///
/// assert_eq!(Greeting::from_value(&Value::from("good-morning"))?, Greeting::GoodMorning);
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct Percent(u8);
///
/// impl OptionValue for Percent {
///     fn kind() -> Kind {
///         Kind::Int { min: Some(0), max: Some(100) }
///     }
///     fn from_value(value: &Value) -> Result<Self, ValueError> {
///         Self::kind().check(value)?;
///         u8::from_value(value).map(Percent)
///     }
///     fn to_value(&self) -> Value {
///         self.0.to_value()
///     }
/// }
/// let error = Percent::from_value(&Value::from(101)).unwrap_err();
/// assert_eq!(error.to_string(), "101 is not a whole number from 0 to 100");
/// # Ok::<(), ValueError>(())
/// ```
pub trait OptionValue: Clone + fmt::Debug + Send + Sync + Sized + 'static {
    /// Returns the values that fit, for messages and for the JSON Schema.
    fn kind() -> Kind;

    /// Reads the value.
    ///
    /// # Errors
    ///
    /// Returns an error if the value is of another kind or out of the type's range.
    fn from_value(value: &Value) -> Result<Self, ValueError>;

    /// Reads the value as [`OptionValue::from_value`] does, and returns everything that is wrong
    /// with it. A type that consists of values of other types implements this by reading each of
    /// them; for others the [kind](OptionValue::kind) finds what `from_value` did not get to.
    ///
    /// # Errors
    ///
    /// Returns one error for each mistake.
    fn read(value: &Value) -> Result<Self, Vec<ValueError>> {
        Self::from_value(value).map_err(|error| Self::kind().mistakes_beside(value, error))
    }

    /// Writes the value so that [`OptionValue::from_value`] reads it again.
    fn to_value(&self) -> Value;

    /// Checks a value that code made without reading it; types that cannot be wrong need not
    /// implement this.
    ///
    /// # Errors
    ///
    /// Returns an error if the value is one that [`OptionValue::from_value`] would refuse.
    fn check(&self) -> Result<(), ValueError> {
        Ok(())
    }
}

/// What is wrong with the parts of a value.
#[derive(Default)]
struct Parts {
    mistakes: Vec<ValueError>,
}

impl Parts {
    /// Returns the part that was read; notes its mistakes where `place` puts them.
    fn take<T>(
        &mut self,
        read: Result<T, Vec<ValueError>>,
        place: impl Fn(ValueError) -> ValueError,
    ) -> Option<T> {
        match read {
            Ok(part) => Some(part),
            Err(mistakes) => {
                self.mistakes.extend(mistakes.into_iter().map(place));
                None
            }
        }
    }

    fn or_mistakes<T>(self, whole: T) -> Result<T, Vec<ValueError>> {
        match self.mistakes.is_empty() {
            true => Ok(whole),
            false => Err(self.mistakes),
        }
    }
}

/// The first of the mistakes in `value`, of which there is at least one.
pub(crate) fn first_of(value: &Value) -> impl Fn(Vec<ValueError>) -> ValueError {
    move |mistakes| {
        let first = mistakes.into_iter().next();
        first.unwrap_or_else(|| Kind::Any.unfit(value))
    }
}

impl OptionValue for Value {
    fn kind() -> Kind {
        Kind::Any
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        Ok(value.clone())
    }

    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl OptionValue for bool {
    fn kind() -> Kind {
        Kind::Bool
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        value.as_bool().ok_or_else(|| Kind::Bool.unfit(value))
    }

    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
}

macro_rules! integer {
    ($($int:ty),*) => {$(
        impl OptionValue for $int {
            fn kind() -> Kind {
                Kind::Int { min: i64::try_from(<$int>::MIN).ok(), max: i64::try_from(<$int>::MAX).ok() }
            }

            fn from_value(value: &Value) -> Result<Self, ValueError> {
                value
                    .as_int()
                    .and_then(|number| <$int>::try_from(number).ok())
                    .ok_or_else(|| Self::kind().unfit(value))
            }

            fn to_value(&self) -> Value {
                Value::Int(i64::try_from(*self).unwrap_or(i64::MAX))
            }

            // A file's numbers have 63 bits and a sign; larger ones could not be read again.
            fn check(&self) -> Result<(), ValueError> {
                match i64::try_from(*self) {
                    Ok(_) => Ok(()),
                    Err(_) => Err(ValueError::new(Self::kind().to_string(), self.to_string())
                        .because(format!("the largest number is {}", i64::MAX))),
                }
            }
        }
    )*};
}
integer!(i8, i16, i32, i64, u8, u16, u32, u64, usize);

impl OptionValue for f64 {
    fn kind() -> Kind {
        Kind::Float
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        value.as_float().ok_or_else(|| Kind::Float.unfit(value))
    }

    fn to_value(&self) -> Value {
        Value::Float(*self)
    }
}

impl OptionValue for String {
    fn kind() -> Kind {
        Kind::String
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Kind::String.unfit(value))
    }

    fn to_value(&self) -> Value {
        Value::String(self.clone())
    }
}

impl OptionValue for PathBuf {
    fn kind() -> Kind {
        Kind::Path
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        let text = value.as_str().ok_or_else(|| Kind::Path.unfit(value))?;
        let path = PathBuf::from(text);
        path.check()?;
        Ok(path)
    }

    fn to_value(&self) -> Value {
        Value::from(self.clone())
    }

    fn check(&self) -> Result<(), ValueError> {
        match self.as_os_str().as_encoded_bytes().contains(&0) {
            true => Err(ValueError::new("a valid path", self.to_value().to_string())
                .because("a path cannot contain a NUL character")),
            false => Ok(()),
        }
    }
}

/// `None` is [`Value::Null`].
impl<T: OptionValue> OptionValue for Option<T> {
    fn kind() -> Kind {
        Kind::Union(vec![T::kind(), Kind::Null])
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }

    fn read(value: &Value) -> Result<Self, Vec<ValueError>> {
        match value {
            Value::Null => Ok(None),
            value => T::read(value).map(Some),
        }
    }

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }

    fn check(&self) -> Result<(), ValueError> {
        self.as_ref().map_or(Ok(()), T::check)
    }
}

impl<T: OptionValue> OptionValue for Vec<T> {
    fn kind() -> Kind {
        Kind::List(Box::new(T::kind()))
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        Self::read(value).map_err(first_of(value))
    }

    fn read(value: &Value) -> Result<Self, Vec<ValueError>> {
        let Some(written) = value.as_list() else {
            return Err(vec![Self::kind().unfit(value)]);
        };
        let mut parts = Parts::default();
        let items = written.iter().enumerate();
        let items = items
            .filter_map(|(index, item)| parts.take(T::read(item), |error| error.at_index(index)));
        let items = items.collect();
        parts.or_mistakes(items)
    }

    fn to_value(&self) -> Value {
        Value::List(self.iter().map(T::to_value).collect())
    }

    fn check(&self) -> Result<(), ValueError> {
        for (index, item) in self.iter().enumerate() {
            item.check().map_err(|error| error.at_index(index))?;
        }
        Ok(())
    }
}

impl<A: OptionValue, B: OptionValue> OptionValue for (A, B) {
    fn kind() -> Kind {
        Kind::Tuple(vec![A::kind(), B::kind()])
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        Self::read(value).map_err(first_of(value))
    }

    fn read(value: &Value) -> Result<Self, Vec<ValueError>> {
        let Some([first, second]) = value.as_list() else {
            return Err(vec![Self::kind().unfit(value)]);
        };
        let mut parts = Parts::default();
        let first = parts.take(A::read(first), |error| error.at_index(0));
        let second = parts.take(B::read(second), |error| error.at_index(1));
        match (first, second) {
            (Some(first), Some(second)) => Ok((first, second)),
            _ => Err(parts.mistakes),
        }
    }

    fn to_value(&self) -> Value {
        Value::List(vec![self.0.to_value(), self.1.to_value()])
    }

    fn check(&self) -> Result<(), ValueError> {
        self.0.check().map_err(|error| error.at_index(0))?;
        self.1.check().map_err(|error| error.at_index(1))
    }
}

macro_rules! map {
    ($($map:ident),*) => {$(
        impl<T: OptionValue> OptionValue for $map<String, T> {
            fn kind() -> Kind {
                Kind::Map(Box::new(T::kind()))
            }

            fn from_value(value: &Value) -> Result<Self, ValueError> {
                Self::read(value).map_err(first_of(value))
            }

            fn read(value: &Value) -> Result<Self, Vec<ValueError>> {
                let Some(written) = value.as_map() else {
                    return Err(vec![Self::kind().unfit(value)]);
                };
                let mut parts = Parts::default();
                let entries = written.iter().filter_map(|(key, value)| {
                    let value = parts.take(T::read(value), |error| error.at_key(key))?;
                    Some((key.clone(), value))
                });
                let entries = entries.collect();
                parts.or_mistakes(entries)
            }

            fn to_value(&self) -> Value {
                Value::Map(self.iter().map(|(key, value)| (key.clone(), value.to_value())).collect())
            }

            fn check(&self) -> Result<(), ValueError> {
                self.iter()
                    .try_for_each(|(key, value)| value.check().map_err(|error| error.at_key(key)))
            }
        }
    )*};
}
map!(BTreeMap, IndexMap);
