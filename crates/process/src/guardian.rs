//! Ends processes when the test process itself is gone, however it went.
//!
//! A killed process cannot clean up. So a small shell holds one end of a pipe
//! whose other end only this process has. When the pipe ends, it kills the groups
//! that it has been told of, and where there is `/proc` whatever has the mark of
//! this process in its environment: what has left its group, and what was
//! started a moment before the end. There is one shell for all drivers of a
//! process, as long as there is one that runs.

use std::io::{self, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sys;

// Only what POSIX has, for any `/bin/sh`. The second look, a second later, is
// for what was between its fork and its exec at the first.
const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT
groups=
while read -r verb group; do
  case $verb in
    add) groups="$groups $group" ;;
    del)
      rest=
      for g in $groups; do [ "$g" = "$group" ] || rest="$rest $g"; done
      groups=$rest ;;
    end) exit ;;
  esac
done
for g in $groups; do kill -s KILL -- "-$g"; done
for pause in 0 1; do
  sleep $pause
  for environ in /proc/[0-9]*/environ; do
    if grep -q "$1" "$environ"; then
      pid=${environ#/proc/}
      kill -s KILL "${pid%/environ}"
    fi
  done
done
"#;

/// The environment variable by which what a process has started is found.
pub(crate) const MARK: &str = "STANDIN_PROCESS";

/// What the marks of this process begin with, and those of no other.
fn own_mark() -> &'static str {
    static OWN: LazyLock<String> = LazyLock::new(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let nanos = now.unwrap_or_default().as_nanos();
        format!("{}-{nanos}-", std::process::id())
    });
    &OWN
}

/// A mark that nothing has that was started before.
pub(crate) fn new_mark() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{}{}", own_mark(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The shell. It ends when the last handle is dropped.
#[derive(Debug)]
pub(crate) struct Guardian {
    child: Mutex<Child>,
    orders: Mutex<Option<ChildStdin>>,
}

impl Guardian {
    /// The one of this process, started if need be.
    pub(crate) fn get() -> io::Result<Arc<Self>> {
        static CURRENT: Mutex<Weak<Guardian>> = Mutex::new(Weak::new());
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(guardian) = current.upgrade() {
            return Ok(guardian);
        }
        let guardian = Arc::new(Self::start()?);
        *current = Arc::downgrade(&guardian);
        Ok(guardian)
    }

    fn start() -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "standin-guardian"])
            .arg(format!("{MARK}={}", own_mark()))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Ctrl-C in a terminal ends the test's group, and must not end this one first.
        sys::lead_group(&mut command);
        let mut child = command.spawn()?;
        Ok(Self {
            orders: Mutex::new(child.stdin.take()),
            child: Mutex::new(child),
        })
    }

    /// From now on the group is killed when this process is gone.
    pub(crate) fn add(&self, group: u32) {
        self.order("add", group);
    }

    /// The group is none of its business any more.
    pub(crate) fn remove(&self, group: u32) {
        self.order("del", group);
    }

    fn order(&self, verb: &str, group: u32) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = orders.as_mut()
            && let Err(error) = pipe.write_all(format!("{verb} {group}\n").as_bytes())
        {
            tracing::warn!(%error, "the guardian is gone: processes may outlive a killed test");
            *orders = None;
        }
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        // An end that is announced is no reason to look for what is left.
        let orders = self.orders.get_mut();
        if let Some(mut pipe) = orders.unwrap_or_else(PoisonError::into_inner).take() {
            let _ = pipe.write_all(b"end\n");
        }
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = child.wait() {
            tracing::debug!(%error, "the guardian was reaped by somebody else");
        }
    }
}
