//! The children of this process, as the system lists them, and which of them have ended.
//!
//! Called by a supervisor, which is a copy of the test with one thread: no allocation, no
//! lock, no panic.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use rustix::fs::{Mode, OFlags, RawDir};
use rustix::process::{Pid, WaitId, WaitIdOptions, getpid, waitid};

use crate::Exit;

/// How the leader has ended, and whether it is the only child that is left; `None` while it runs.
/// Reaps the other children that have ended.
pub(super) fn look(leader: Pid) -> Option<(Exit, bool)> {
    look_with(leader, ended, |each| each_child(each))
}

fn look_with(
    leader: Pid,
    mut ended: impl FnMut(Pid, WaitIdOptions) -> Option<Exit>,
    mut each_child: impl FnMut(&mut dyn FnMut(Pid)) -> bool,
) -> Option<(Exit, bool)> {
    // The list is precise when nobody disappears from it meanwhile.
    loop {
        // Before the list: once the leader has ended, its children are this process's, and in it.
        let exit = ended(leader, WaitIdOptions::NOWAIT);
        let mut others = 0;
        let mut reaped = false;
        let is_known = each_child(&mut |child| {
            if child != leader {
                match ended(child, WaitIdOptions::empty()) {
                    Some(_) => reaped = true,
                    None => others += 1,
                }
            }
        });
        if !reaped {
            return exit.map(|exit| (exit, is_known && others == 0));
        }
    }
}

fn ended(child: Pid, options: WaitIdOptions) -> Option<Exit> {
    let options = options | WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let status = waitid(WaitId::Pid(child), options).ok()??;
    Some(Exit::of(status.terminating_signal(), status.exit_status()))
}

/// Calls `each` with the number of every child of this process. Answers whether
/// they are known.
pub(super) fn each_child(mut each: impl FnMut(Pid)) -> bool {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let Ok(list) = rustix::fs::open(c"/proc/thread-self/children", flags, Mode::empty()) else {
        return each_child_by_parent(each);
    };
    let mut buffer = [0; 2048];
    let mut number = 0;
    while let Ok(count @ 1..) = rustix::io::read(&list, &mut buffer) {
        for byte in buffer.iter().take(count) {
            match byte {
                b'0'..=b'9' => number = next_digit(number, *byte),
                _ => {
                    if let Some(child) = pid(number) {
                        each(child);
                    }
                    number = 0;
                }
            }
        }
    }
    true
}

/// For systems that have no list of the children: asks every process for its
/// parent.
fn each_child_by_parent(mut each: impl FnMut(Pid)) -> bool {
    let own = getpid().as_raw_pid();
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let Ok(folder) = rustix::fs::open(c"/proc", flags | OFlags::DIRECTORY, Mode::empty()) else {
        return false;
    };
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(&folder, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name().to_bytes();
        let number = name.iter().try_fold(0, |number, byte| {
            byte.is_ascii_digit().then(|| next_digit(number, *byte))
        });
        let Some(child) = number.and_then(pid) else {
            continue;
        };
        // `<number>/stat`, with the NUL that ends it.
        let mut path = [0; 24];
        let end = b"/stat";
        let Some(place) = path.get_mut(..name.len() + end.len()) else {
            continue;
        };
        let (number, rest) = place.split_at_mut(name.len());
        number.copy_from_slice(name);
        rest.copy_from_slice(end);
        let Ok(path) = CStr::from_bytes_until_nul(&path) else {
            continue;
        };
        if let Ok(file) = rustix::fs::openat(&folder, path, flags, Mode::empty()) {
            let mut stat = [0; 512];
            let count = rustix::io::read(&file, &mut stat).unwrap_or_default();
            if parent_in(stat.get(..count).unwrap_or_default()) == Some(own) {
                each(child);
            }
        }
    }
    true
}

/// `12 (the name) S 1 ...`: the name may have anything in it.
fn parent_in(stat: &[u8]) -> Option<i32> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = stat.get(end + 1..)?.split(|byte| *byte == b' ').skip(2);
    fields.next()?.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| next_digit(number, *byte))
    })
}

fn next_digit(number: i32, digit: u8) -> i32 {
    number
        .wrapping_mul(10)
        .wrapping_add(i32::from(digit.wrapping_sub(b'0')))
}

fn pid(number: i32) -> Option<Pid> {
    match number {
        1.. => Pid::from_raw(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn children_are_found_in_both_ways() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let number = child.id() as i32;
        // Another thread's children are not in the list of this one.
        let mut found = 0;
        assert!(each_child(
            |child| found += i32::from(child.as_raw_pid() == number)
        ));
        assert!(each_child_by_parent(|child| {
            found += i32::from(child.as_raw_pid() == number);
        }));
        child.kill().unwrap();
        let _ = child.wait();
        assert_eq!(found, 2);
    }

    #[test]
    fn a_parent_is_found_behind_any_name() {
        assert_eq!(parent_in(b"12 (a) b) S) S 17 7 7 0"), Some(17));
        assert_eq!(parent_in(b"12 (x) S"), None);
        assert_eq!(parent_in(b"nonsense"), None);
    }

    /// A leader that ends, and leaves its child to the supervisor, as soon as that has listed its
    /// children once.
    #[test]
    fn a_leader_that_ends_after_the_list_was_made_is_not_taken_to_be_alone() {
        let [leader, left] = [7, 8].map(|number| Pid::from_raw(number).unwrap());
        let has_ended = Cell::new(false);
        let look = || {
            let ended = |child, _| (child == leader && has_ended.get()).then_some(Exit::Code(0));
            look_with(leader, ended, |each| {
                let children = if has_ended.replace(true) {
                    &[leader, left][..]
                } else {
                    &[leader]
                };
                children.iter().for_each(|child| each(*child));
                true
            })
        };
        assert_eq!(look(), None);
        assert_eq!(look(), Some((Exit::Code(0), false)));
    }

    #[test]
    fn a_leader_is_alone_once_the_others_are_reaped() {
        let [leader, left] = [7, 8].map(|number| Pid::from_raw(number).unwrap());
        let is_left = Cell::new(true);
        let ended = |child, _| {
            if child == left {
                is_left.set(false);
            }
            Some(Exit::Code(0))
        };
        let seen = look_with(leader, ended, |each| {
            each(leader);
            if is_left.get() {
                each(left);
            }
            true
        });
        assert_eq!(seen, Some((Exit::Code(0), true)));
        let unknown = look_with(leader, |_, _| Some(Exit::Code(0)), |_| false);
        assert_eq!(unknown, Some((Exit::Code(0), false)));
    }
}
