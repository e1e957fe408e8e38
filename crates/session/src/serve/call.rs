//! [`Call`]: a request with its parameters checked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use standin::reply::{HandOverError, WaitError};
use standin::socket::framing::{Delimiter, Endian, FixedSize, Framing, LengthPrefix, Lines, Width};
use standin::socket::{AcceptError, ReceiveError};
use standin::{Result, TcpError};

use super::client::Client;
use super::error::ServeError;
use super::field::Field;

/// How long something is waited for before a look whether anybody still wants it.
const SLICE: Duration = Duration::from_millis(200);

/// A request that is being carried out.
pub(crate) struct Call<'s> {
    pub(crate) client: &'s Client,
    /// The name of the method.
    pub(crate) method: &'static str,
    parameters: Map<String, Value>,
    is_cancelled: &'s AtomicBool,
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

impl<'s> Call<'s> {
    /// Checks the parameters against what the method says of them: `fields`.
    pub(crate) fn new(
        client: &'s Client,
        method: &'static str,
        fields: &[Field],
        parameters: Map<String, Value>,
        is_cancelled: &'s AtomicBool,
    ) -> Result<Self, ServeError> {
        let call = Self {
            client,
            method,
            parameters,
            is_cancelled,
        };
        for (name, value) in &call.parameters {
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                return Err(ServeError::UnknownParameter {
                    method: method.to_owned(),
                    parameter: name.clone(),
                    known: fields.iter().map(|field| field.name.to_owned()).collect(),
                });
            };
            if !field.kind.allows(value) {
                return Err(call.bad(name, &field.kind.describe()));
            }
        }
        let missing = fields
            .iter()
            .find(|field| field.is_required && !call.parameters.contains_key(field.name));
        match missing {
            Some(field) => Err(ServeError::MissingParameter {
                method: method.to_owned(),
                parameter: field.name.to_owned(),
                expected: field.kind.describe(),
            }),
            None => Ok(call),
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
        // What is beyond all memory is refused as that by whoever gets it.
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
        let seconds = self.parameters.get(name).and_then(Value::as_f64);
        duration(seconds.unwrap_or_default())
    }

    /// A limit; `None` if there is none, and `default` if nothing is said.
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

    /// Tries to get something within a limit, a slice of time after the other, until the client
    /// cancels the request. What an attempt has received stays where the next one finds it.
    pub(crate) fn wait<T>(
        &self,
        limit: Option<Duration>,
        mut attempt: impl FnMut(Duration) -> Result<T, TcpError>,
    ) -> Result<T> {
        let begin = Instant::now();
        loop {
            let left = limit.map(|limit| limit.saturating_sub(begin.elapsed()));
            let slice = left.map_or(SLICE, |left| left.min(SLICE));
            match attempt(slice) {
                Err(error) if error.is_timeout() => {
                    if self.is_cancelled.load(Ordering::SeqCst) {
                        return Err(self.cancelled().into());
                    }
                    if left.is_some_and(|left| left <= SLICE) {
                        return Err(of_all_slices(error, begin.elapsed(), limit).into());
                    }
                }
                done => return Ok(done?),
            }
        }
    }

    fn cancelled(&self) -> ServeError {
        ServeError::Cancelled {
            method: self.method.to_owned(),
        }
    }
}

/// The error of the last slice, with the time that all of them took.
fn of_all_slices(mut error: TcpError, whole: Duration, allowed: Option<Duration>) -> TcpError {
    match &mut error {
        TcpError::Receive(ReceiveError::TimedOut(failure)) => {
            failure.circumstances.elapsed = whole;
            failure.circumstances.limit = allowed;
        }
        TcpError::Accept(AcceptError::TimedOut { elapsed, limit, .. }) => {
            *elapsed = whole;
            *limit = allowed;
        }
        TcpError::Moved { failed, .. } => {
            if let TcpError::Accept(AcceptError::TimedOut { elapsed, limit, .. }) = &mut **failed {
                *elapsed = whole;
                *limit = allowed;
            }
        }
        TcpError::HandOver {
            failed: HandOverError::TimedOut { limit, .. },
            ..
        }
        | TcpError::NotSeen {
            failed: WaitError::TimedOut { limit, .. },
            ..
        } => *limit = allowed.unwrap_or(whole),
        _ => {}
    }
    error
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
