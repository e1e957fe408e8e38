//! The differences between platforms: timers of a poll, and its events.

use mio::Interest;

/// What an actor is woken for: whatever its socket can do, and that it has urgent bytes.
#[cfg(target_os = "linux")]
pub(crate) const CHANGES: Interest = Interest::READABLE
    .add(Interest::WRITABLE)
    .add(Interest::PRIORITY);
#[cfg(not(target_os = "linux"))]
pub(crate) const CHANGES: Interest = Interest::READABLE.add(Interest::WRITABLE);

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use self::linux::Alarm;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub(crate) use self::elsewhere::Alarm;
