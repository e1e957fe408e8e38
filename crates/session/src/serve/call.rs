//! [`Call`]: a request with its parameters checked.

use std::future::Future;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use standin::config::{self, OptionValue};
use standin::record::Place;
use standin::socket::framing::{Delimiter, Endian, FixedSize, Framing, LengthPrefix, Lines, Width};
use standin::{Error, Result};

use super::client::Client;
use super::error::ServeError;
use super::field::Field;
use super::waiter::Waiter;

/// A request that is being carried out.
pub(crate) struct Call<'s> {
    pub(crate) client: &'s Client,
    /// The name of the method.
    pub(crate) method: &'static str,
    /// The line of the test that asks.
    pub(crate) place: Place,
    /// Who waits for it.
    pub(crate) waiter: &'s Waiter,
    pub(crate) parameters: Map<String, Value>,
}

/// Bytes of a request: as they are, or a text that becomes bytes in the encoding of a connection.
pub(crate) enum Data {
    Bytes(Vec<u8>),
    Text(String),
}

impl Data {
    /// The bytes; those of a text in UTF-8.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        match self {
            Data::Bytes(bytes) => bytes,
            Data::Text(text) => text.into_bytes(),
        }
    }
}

impl Call<'_> {
    /// Checks the parameters against the declaration of the method: `fields`.
    pub(crate) fn check(&self, fields: &[Field]) -> Result<(), ServeError> {
        for (name, value) in &self.parameters {
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                return Err(ServeError::UnknownParameter {
                    method: self.method.to_owned(),
                    parameter: name.clone(),
                    known: fields.iter().map(|field| field.name.to_owned()).collect(),
                });
            };
            if !field.kind.allows(value) {
                return Err(self.bad(name, &field.kind.describe()));
            }
        }
        let missing = fields
            .iter()
            .find(|field| field.is_required && !self.parameters.contains_key(field.name));
        match missing {
            Some(field) => Err(ServeError::MissingParameter {
                method: self.method.to_owned(),
                parameter: field.name.to_owned(),
                expected: field.kind.describe(),
            }),
            None => Ok(()),
        }
    }

    /// The error for a parameter whose value is not one that it can have.
    pub(crate) fn bad(&self, parameter: &str, expected: &str) -> ServeError {
        let value = self.parameters.get(parameter).unwrap_or(&Value::Null);
        let mut found = value.to_string();
        if let Some((end, _)) = found.char_indices().nth(60) {
            found.truncate(end);
            found.push_str("...");
        }
        ServeError::BadParameter {
            method: self.method.to_owned(),
            parameter: parameter.to_owned(),
            expected: expected.to_owned(),
            found,
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)?.as_str()
    }

    /// A text that the checks have found to be there.
    pub(crate) fn required_text(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        let list = self.parameters.get(name).and_then(Value::as_array);
        let texts = list.into_iter().flatten();
        texts.filter_map(Value::as_str).collect()
    }

    pub(crate) fn count(&self, name: &str) -> Option<usize> {
        let count = self.parameters.get(name)?.as_u64()?;
        // What is beyond all memory is refused as that by its receiver.
        Some(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// A number that the checks have found to be there.
    pub(crate) fn required_count(&self, name: &str) -> usize {
        self.count(name).unwrap_or_default()
    }

    /// Whether a flag is set.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.parameters.get(name).and_then(Value::as_bool) == Some(true)
    }

    pub(crate) fn id(&self, name: &str) -> &Value {
        self.parameters.get(name).unwrap_or(&Value::Null)
    }

    /// A time that the checks have found to be there.
    pub(crate) fn required_seconds(&self, name: &str) -> Duration {
        self.seconds(name).unwrap_or_default()
    }

    /// A time; `None` if it is not given.
    pub(crate) fn seconds(&self, name: &str) -> Option<Duration> {
        self.parameters
            .get(name)
            .and_then(Value::as_f64)
            .map(duration)
    }

    /// A limit; `None` if there is none, and `default` if it is not given.
    pub(crate) fn limit(&self, name: &str, default: Duration) -> Option<Duration> {
        match self.parameters.get(name) {
            Some(limit) => limit.as_f64().map(duration),
            None => Some(default),
        }
    }

    /// Bytes that the checks have found to be there.
    pub(crate) fn data(&self, name: &str) -> Result<Data, ServeError> {
        const EXPECTED: &str = "{\"text\": ..} or {\"base64\": ..}";
        let object = self.parameters.get(name).and_then(Value::as_object);
        let mut entries = object.into_iter().flatten();
        let entry = entries.next().filter(|_| entries.next().is_none());
        let text = entry.and_then(|(key, text)| Some((key.as_str(), text.as_str()?)));
        match text {
            Some(("text", text)) => Ok(Data::Text(text.to_owned())),
            Some(("base64", text)) => {
                let bytes = BASE64.decode(text.as_bytes());
                let bytes = bytes.map_err(|_| self.bad(name, "base64 with its padding"))?;
                Ok(Data::Bytes(bytes))
            }
            _ => Err(self.bad(name, EXPECTED)),
        }
    }

    /// How the stream is cut into frames.
    pub(crate) fn framing(&self, name: &str) -> Result<Box<dyn Framing>, ServeError> {
        const EXPECTED: &str = "\"lines\", {\"delimiter\": {\"text\": ..}}, {\"fixed_size\": 8} or \
                                {\"length_prefix\": {\"width\": 4, \"endian\": \"big\"}}";
        let bad = || self.bad(name, EXPECTED);
        let value = self.parameters.get(name).unwrap_or(&Value::Null);
        if value == "lines" {
            return Ok(Box::new(Lines::new()));
        }
        let mut entries = value.as_object().into_iter().flatten();
        let entry = entries.next().filter(|_| entries.next().is_none());
        let (kind, value) = entry.ok_or_else(bad)?;
        match kind.as_str() {
            "delimiter" => {
                let bytes = bytes_of(value).ok_or_else(bad)?;
                let delimiter = Delimiter::new(bytes).map_err(|_| bad())?;
                Ok(Box::new(delimiter))
            }
            "fixed_size" => {
                let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
                let size = size.filter(|size| *size > 0).ok_or_else(bad)?;
                Ok(Box::new(FixedSize::new(size)))
            }
            "length_prefix" => Ok(Box::new(length_prefix(value).ok_or_else(bad)?)),
            _ => Err(bad()),
        }
    }

    /// An option of a driver, with the values that it has in files.
    pub(crate) fn option<T: OptionValue>(&self, name: &str) -> Result<Option<T>, ServeError> {
        let Some(value) = self.parameters.get(name) else {
            return Ok(None);
        };
        let bad = |problem: String| ServeError::BadOption {
            method: self.method.to_owned(),
            parameter: name.to_owned(),
            problem,
        };
        let value: config::Value =
            serde_json::from_value(value.clone()).map_err(|error| bad(error.to_string()))?;
        let value = T::from_value(&value).map_err(|error| bad(error.to_string()))?;
        Ok(Some(value))
    }

    /// What a future comes to in which the [`waiter`](Call::waiter) waits, unless the client
    /// cancels the request before. What has been received by then stays where the next receive
    /// finds it.
    pub(crate) fn wait<T, E>(&self, future: impl Future<Output = Result<T, E>>) -> Result<T>
    where
        Error: From<E>,
    {
        match self.waiter.run(future) {
            Some(done) => Ok(done?),
            None => Err(self.cancelled().into()),
        }
    }

    fn cancelled(&self) -> ServeError {
        ServeError::Cancelled {
            method: self.method.to_owned(),
        }
    }
}

/// Bytes as a result has them.
pub(crate) fn base64(bytes: &[u8]) -> Value {
    json!({ "base64": BASE64.encode(bytes) })
}

fn duration(seconds: f64) -> Duration {
    // What no time can be is as long as it gets.
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    if let Some(text) = value.get("text") {
        return Some(text.as_str()?.as_bytes().to_vec());
    }
    BASE64
        .decode(value.get("base64")?.as_str()?.as_bytes())
        .ok()
}

fn length_prefix(value: &Value) -> Option<LengthPrefix> {
    let options = value.as_object()?;
    let known = ["width", "endian", "counts_itself", "limit"];
    if options.keys().any(|key| !known.contains(&key.as_str())) {
        return None;
    }
    let width = match options.get("width")?.as_u64()? {
        1 => Width::U8,
        2 => Width::U16,
        4 => Width::U32,
        8 => Width::U64,
        _ => return None,
    };
    let endian = match options.get("endian").map(Value::as_str) {
        None | Some(Some("big")) => Endian::Big,
        Some(Some("little")) => Endian::Little,
        Some(_) => return None,
    };
    let mut framing = LengthPrefix::new(width, endian);
    match options.get("counts_itself").map(Value::as_bool) {
        None | Some(Some(false)) => {}
        Some(Some(true)) => framing = framing.counts_itself(),
        Some(None) => return None,
    }
    match options.get("limit") {
        Some(limit) => Some(framing.limit(limit.as_u64()?)),
        None => Some(framing),
    }
}
