//! Ends process groups when the test process itself is gone, however it went.
//!
//! A killed process cannot clean up. So a small shell holds one end of a pipe
//! whose other end only this process has: when the pipe ends, it kills the
//! groups that it has been told of. There is one for all drivers of a process,
//! as long as there is one that runs.

use std::io::{self, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::sys;

// Only what POSIX has, for any `/bin/sh`.
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
  esac
done
for g in $groups; do kill -s KILL -- "-$g" 2>/dev/null; done
"#;

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
            .env_clear()
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
        // The end of the pipe is its end.
        drop(
            self.orders
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = child.wait() {
            tracing::debug!(%error, "the guardian was reaped by somebody else");
        }
    }
}
