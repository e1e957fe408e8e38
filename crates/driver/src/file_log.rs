use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

use standin_error::open_file_or_device;
use standin_sync::Unpoisoned;
use tracing::Level;

/// The file that a driver's own log goes to, if it is configured.
#[derive(Debug, Default)]
pub(crate) struct FileLog(Mutex<Option<File>>);

impl FileLog {
    pub(crate) fn open(&self, path: PathBuf) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut options = File::options();
        *self.lock() = Some(open_file_or_device(
            options.append(true).create(true),
            &path,
        )?);
        Ok(())
    }

    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    /// Writes a line; answers whether there is a file for it.
    pub(crate) fn write(&self, level: Level, message: &dyn fmt::Display) -> bool {
        if self.lock().is_none() {
            return false;
        }
        // Not under the lock: what is shown may write to this log itself.
        let now = humantime::format_rfc3339_millis(SystemTime::now());
        let line = format!("{now} {level} {message}\n");
        let mut file = self.lock();
        let Some(open) = file.as_mut() else {
            return false;
        };
        let Err(error) = open.write_all(line.as_bytes()) else {
            return true;
        };
        *file = None;
        drop(file);
        tracing::warn!(%error, "the driver's log cannot be written any more");
        false
    }

    fn lock(&self) -> MutexGuard<'_, Option<File>> {
        self.0.lock().unpoisoned()
    }
}
