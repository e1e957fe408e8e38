//! The secrets of conversations, with which captures of them are decrypted.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Arc, Mutex};

use standin_error::open_without_waiting;
use standin_sync::Unpoisoned;

/// A callback for each line of a key log, in the format of `SSLKEYLOGFILE`.
pub type OnSecret = Arc<dyn Fn(&str) + Send + Sync>;

/// Passes secrets on: to the callback, and to the file that the environment variable
/// `SSLKEYLOGFILE` names, as other programs do.
pub(crate) struct KeyLog {
    on_secret: Option<OnSecret>,
    file: Option<Mutex<File>>,
}

impl KeyLog {
    pub(crate) fn new(on_secret: Option<OnSecret>) -> KeyLog {
        let path = std::env::var_os("SSLKEYLOGFILE").filter(|path| !path.is_empty());
        let file = path.and_then(|path| {
            // It is for looking at, and no reason for a test to fail or to wait.
            let mut options = OpenOptions::new();
            let file = open_without_waiting(options.create(true).append(true), path.as_ref());
            file.inspect_err(|error| {
                tracing::warn!(?path, %error, "SSLKEYLOGFILE cannot be written to");
            })
            .ok()
        });
        KeyLog {
            on_secret,
            file: file.map(Mutex::new),
        }
    }
}

impl rustls::KeyLog for KeyLog {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut line = String::with_capacity(label.len() + 2 * (client_random.len() + 50));
        line.push_str(label);
        for bytes in [client_random, secret] {
            line.push(' ');
            for byte in bytes {
                let digits = [byte >> 4, byte & 15];
                line.extend(
                    digits
                        .map(|digit| char::from_digit(digit.into(), 16))
                        .iter()
                        .flatten(),
                );
            }
        }
        if let Some(on_secret) = &self.on_secret {
            on_secret(&line);
        }
        if let Some(file) = &self.file {
            line.push('\n');
            // In one piece: other processes write to the same file.
            if let Err(error) = file.lock().unpoisoned().write_all(line.as_bytes()) {
                tracing::warn!(%error, "SSLKEYLOGFILE cannot be written to");
            }
        }
    }

    fn will_log(&self, _label: &str) -> bool {
        self.on_secret.is_some() || self.file.is_some()
    }
}

impl fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLog").finish_non_exhaustive()
    }
}
