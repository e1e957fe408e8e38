use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use standin_error::open_file_or_device;

use super::line::{Extent, Line};
use super::position::{BEFORE, End, FileId, Position, before, hash};

/// A line without an end counts as one when nothing has come for this long:
/// its writer may be in the middle of it.
const SETTLED: Duration = Duration::from_millis(50);

/// Of a line that is longer, only so much is looked at.
pub(crate) const LONGEST: usize = 4 << 20;

/// Read at once. A log that is waited for rarely says more, and every page of it costs.
const CHUNK: usize = 16 << 10;

/// After so many bytes the caller is asked whether to continue: a log that is written faster
/// than it is read has no end.
pub(crate) const ONE_LOOK: usize = 1 << 20;

/// Reads the lines of a file as they are written.
///
/// - A file that is not there yet has no lines.
/// - When another file takes its place (rotation), the rest of the old one is
///   read, and then the new one from its beginning.
/// - When it is truncated, it is read from its beginning. That is noticed by its
///   size and by the last bytes that were read: they must still be there. A file
///   that has the very same bytes there again cannot be told from one that was
///   only appended to.
/// - Of a line that is longer than [`LONGEST`] the beginning is given, and the
///   rest is passed over.
#[derive(Debug)]
pub(crate) struct Follower {
    path: PathBuf,
    open: Option<Open>,
    /// What has been read. Lines before `line.start` are done with, but the last
    /// bytes of them stay.
    buffer: Vec<u8>,
    /// Where what was read of the open file begins in the buffer.
    begins: usize,
    /// The current line, with its end, within the buffer.
    line: Range<usize>,
    /// It continues beyond what the buffer may have of it.
    is_too_long: bool,
    /// Up to where the buffer has no end of line.
    searched: usize,
    /// How many bytes were looked at since the last pause.
    looked: usize,
    grown: Option<Instant>,
}

/// What [`Follower::advance`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advance {
    /// A line.
    Line,
    /// No line yet, after [`ONE_LOOK`] bytes: it continues if it is asked again.
    Pause,
    /// The end of what is written.
    End,
}

#[derive(Debug)]
struct Open {
    file: File,
    id: FileId,
    /// How much of it has been read.
    read: u64,
    /// Its end was seen there: before more is read, what came before is compared.
    was_at_end: bool,
    /// When it was written to last before anything was read, if a later time
    /// without a later end means that it was written again.
    written: Option<SystemTime>,
}

impl Follower {
    /// Begins at the beginning of the file.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            open: None,
            buffer: Vec::new(),
            begins: 0,
            line: 0..0,
            is_too_long: false,
            searched: 0,
            looked: 0,
            grown: None,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Goes to the next whole line, or the beginning of one that is too long.
    pub(crate) fn advance(&mut self) -> io::Result<Advance> {
        loop {
            if self.looked >= ONE_LOOK {
                self.looked = 0;
                self.line.start = self.line.end;
                return Ok(Advance::Pause);
            }
            let start = self.line.end;
            let from = self.searched.max(start);
            let end = memchr::memchr(b'\n', &self.buffer[from..]).map(|at| from + at + 1);
            self.searched = end.unwrap_or(self.buffer.len());
            if self.is_too_long {
                // Its beginning has been looked at.
                self.looked += self.searched - start;
                self.line = self.searched..self.searched;
                self.is_too_long = end.is_none();
                if !self.is_too_long {
                    continue;
                }
            } else if self.searched - start > LONGEST {
                self.line = start..start + LONGEST;
                self.searched = self.line.end;
                self.is_too_long = true;
                self.looked += LONGEST;
                return Ok(Advance::Line);
            } else if let Some(end) = end {
                self.line = start..end;
                self.looked += end - start;
                return Ok(Advance::Line);
            } else {
                self.line = start..start;
            }
            match self.fill()? {
                Filled::More => {}
                Filled::Nothing => return Ok(Advance::End),
                Filled::Ended => {
                    // Nobody will end the last line of what was there.
                    let rest = self.line.end..self.buffer.len();
                    self.begins = self.buffer.len();
                    self.searched = self.buffer.len();
                    let is_line = !self.is_too_long && !rest.is_empty();
                    self.is_too_long = false;
                    self.line = rest;
                    if is_line {
                        return Ok(Advance::Line);
                    }
                }
            }
        }
    }

    /// The line that [`advance`](Follower::advance) went to, with its end.
    pub(crate) fn line(&self) -> Line<'_> {
        Line {
            bytes: &self.buffer[self.line.clone()],
            extent: if self.is_too_long {
                Extent::Beginning
            } else {
                Extent::Whole
            },
        }
    }

    /// What follows the last whole line, if its writer seems to be done with it,
    /// or `is_final`: nobody can write any longer.
    pub(crate) fn partial(&self, is_final: bool) -> Option<Line<'_>> {
        let bytes = &self.buffer[self.line.end..];
        if bytes.is_empty() || self.is_too_long {
            return None;
        }
        let settled = || {
            let quiet = self.grown.is_none_or(|grown| grown.elapsed() >= SETTLED);
            quiet || self.age().is_some_and(|age| age >= SETTLED)
        };
        let extent = if is_final {
            Extent::Whole
        } else {
            Extent::Unfinished
        };
        (is_final || settled()).then_some(Line { bytes, extent })
    }

    /// Takes the partial line as a whole one.
    pub(crate) fn take_partial(&mut self) {
        self.line = self.line.end..self.buffer.len();
        self.searched = self.buffer.len();
    }

    /// How long ago the file was written to, by its own clock.
    fn age(&self) -> Option<Duration> {
        SystemTime::now().duration_since(self.written()?).ok()
    }

    fn written(&self) -> Option<SystemTime> {
        self.open.as_ref()?.file.metadata().ok()?.modified().ok()
    }

    /// Nothing was read of the log, or passed over.
    pub(crate) fn is_at_beginning(&self) -> bool {
        self.open.as_ref().is_none_or(|open| open.read == 0)
    }

    /// Where the next line begins.
    pub(crate) fn position(&self) -> Position {
        Position {
            before: hash(before(&self.buffer, self.begins..self.line.end)),
            ..self.place()
        }
    }

    /// As [`position`](Follower::position), only to compare it with others.
    pub(crate) fn place(&self) -> Position {
        match &self.open {
            None => Position::default(),
            Some(open) => Position {
                file: Some(open.id),
                offset: open.read - (self.buffer.len() - self.line.end) as u64,
                before: 0,
                is_within: self.is_too_long,
            },
        }
    }

    /// Goes to a place. One in a file that no longer exists, or has been
    /// truncated since, is the beginning of the file that is.
    pub(crate) fn seek(&mut self, position: Position) -> io::Result<()> {
        self.restart();
        self.open()?;
        let is_there = |open: &Open| position.file == Some(open.id);
        if self.open.as_ref().is_some_and(is_there) {
            let is_whole = self.go_to(position.offset)?;
            if is_whole && hash(&self.buffer) == position.before {
                self.is_too_long = position.is_within;
            } else {
                self.restart();
                self.open()?;
            }
        }
        Ok(())
    }

    /// Where the log ends now. One that is not there, or cannot be read, ends at its beginning.
    pub(crate) fn end_of(path: &Path) -> End {
        let mut follower = Self::new(path);
        match follower.seek_end() {
            Ok(()) => End {
                position: follower.position(),
                written: follower.written(),
            },
            Err(_) => End::default(),
        }
    }

    /// Goes to what was the end at some time.
    pub(crate) fn seek_after(&mut self, end: End) -> io::Result<()> {
        self.seek(end.position)?;
        let position = self.position();
        if let Some(open) = &mut self.open
            && position == end.position
        {
            open.written = end.written;
        }
        Ok(())
    }

    /// Goes to the end of what is there now.
    pub(crate) fn seek_end(&mut self) -> io::Result<()> {
        self.restart();
        self.open()?;
        if let Some(open) = &mut self.open {
            let end = open.file.seek(SeekFrom::End(0))?;
            self.go_to(end)?;
        }
        Ok(())
    }

    fn restart(&mut self) {
        *self = Self::new(std::mem::take(&mut self.path));
    }

    /// Reads what is before a place, to know it again. Answers whether that was
    /// all there.
    fn go_to(&mut self, offset: u64) -> io::Result<bool> {
        let Some(open) = &mut self.open else {
            return Ok(false);
        };
        let length = offset.min(BEFORE as u64);
        open.file.seek(SeekFrom::Start(offset - length))?;
        let read = Read::by_ref(&mut open.file)
            .take(length)
            .read_to_end(&mut self.buffer)?;
        open.read = offset - length + read as u64;
        open.was_at_end = true;
        self.line = read..read;
        self.searched = read;
        Ok(read as u64 == length)
    }

    fn open(&mut self) -> io::Result<bool> {
        match open_file_or_device(File::options().read(true), &self.path) {
            Ok(file) => {
                self.open = Some(Open {
                    id: FileId::of(&file.metadata()?),
                    file,
                    read: 0,
                    was_at_end: false,
                    written: None,
                });
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn fill(&mut self) -> io::Result<Filled> {
        if self.open.is_none() && !self.open()? {
            return Ok(Filled::Nothing);
        }
        let filled = self.read_some()?;
        let (Filled::Nothing, Some(open)) = (&filled, &mut self.open) else {
            return Ok(filled);
        };
        // Gone for now: a rotation may be under way.
        let Ok(now) = fs::metadata(&self.path) else {
            return Ok(Filled::Nothing);
        };
        if FileId::of(&now) != open.id {
            // Its writer may have written between the read and the rotation.
            let filled = self.read_some()?;
            if let Filled::Nothing = filled {
                self.open = None;
                return Ok(Filled::Ended);
            }
            return Ok(filled);
        }
        if let (Some(then), Ok(written)) = (open.written, now.modified())
            && then != written
            && now.len() == open.read
            // Its writer is not in the middle of it.
            && SystemTime::now().duration_since(written).is_ok_and(|age| age >= SETTLED)
        {
            return self.begin_again();
        }
        Ok(Filled::Nothing)
    }

    fn read_some(&mut self) -> io::Result<Filled> {
        // What is done with goes before more comes.
        let done = self.line.start.saturating_sub(BEFORE);
        if done > 0 {
            self.buffer.drain(..done);
            self.begins = self.begins.saturating_sub(done);
            self.searched -= done;
            self.line = self.line.start - done..self.line.end - done;
        }
        let Some(open) = &mut self.open else {
            return Ok(Filled::Nothing);
        };
        let old = self.buffer.len();
        // At the end what is there already is read once more: in one go with
        // what is new, so that nobody truncates in between.
        let again = if open.was_at_end {
            before(&self.buffer, self.begins..old).len()
        } else {
            0
        };
        if again > 0 {
            open.file.seek(SeekFrom::Start(open.read - again as u64))?;
        }
        self.buffer.resize(old + CHUNK, 0);
        let read = loop {
            match open.file.read(&mut self.buffer[old..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A device that has nothing now.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(0),
                result => break result,
            }
        };
        let count = *read.as_ref().unwrap_or(&0);
        self.buffer.truncate(old + count);
        read?;
        if count < again || self.buffer[old - again..old] != self.buffer[old..old + again] {
            self.buffer.truncate(old);
            return self.begin_again();
        }
        self.buffer.drain(old..old + again);
        let count = count - again;
        open.read += count as u64;
        open.was_at_end = count + again < CHUNK;
        if count == 0 {
            return Ok(Filled::Nothing);
        }
        open.written = None;
        self.grown = Some(Instant::now());
        Ok(Filled::More)
    }

    /// Reads the open file from its beginning from now on.
    fn begin_again(&mut self) -> io::Result<Filled> {
        if let Some(open) = &mut self.open {
            open.read = open.file.seek(SeekFrom::Start(0))?;
            open.was_at_end = false;
            open.written = None;
        }
        Ok(Filled::Ended)
    }
}

enum Filled {
    More,
    Nothing,
    /// What was read is not followed by more: another file has taken its place,
    /// or it was truncated.
    Ended,
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn append(path: &Path, text: &[u8]) {
        let mut options = File::options();
        let mut file = options.append(true).create(true).open(path).unwrap();
        file.write_all(text).unwrap();
    }

    fn advance(follower: &mut Follower) -> bool {
        loop {
            match follower.advance().unwrap() {
                Advance::Line => return true,
                Advance::Pause => {}
                Advance::End => return false,
            }
        }
    }

    #[track_caller]
    fn check(follower: &mut Follower, expected: &[&str]) {
        let mut lines = Vec::new();
        while advance(follower) {
            lines.push(String::from_utf8_lossy(follower.line().bytes).into_owned());
        }
        assert_eq!(lines, expected);
    }

    fn partial(follower: &Follower, is_final: bool) -> Option<&str> {
        let line = follower.partial(is_final)?;
        Some(std::str::from_utf8(line.bytes).unwrap())
    }

    #[test]
    fn gives_each_line_once_and_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut follower = Follower::new(&path);
        check(&mut follower, &[]);
        append(&path, b"one\ntw");
        check(&mut follower, &["one\n"]);
        assert_eq!(partial(&follower, true), Some("tw"));
        check(&mut follower, &[]);
        append(&path, b"o\n\xff\n");
        check(&mut follower, &["two\n", "\u{fffd}\n"]);
        assert_eq!(partial(&follower, true), None);
    }

    #[test]
    fn a_line_that_is_being_written_is_no_line_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let follower = loop {
            let _ = fs::remove_file(&path);
            let begun = Instant::now();
            append(&path, b"port=8");
            let mut follower = Follower::new(&path);
            check(&mut follower, &[]);
            let early = partial(&follower, false).map(str::to_owned);
            // A busy machine may have let the time pass. That of a file is a little earlier.
            if begun.elapsed() < SETTLED / 2 {
                assert_eq!(early, None);
                break follower;
            }
        };
        std::thread::sleep(SETTLED);
        assert_eq!(partial(&follower, false), Some("port=8"));
    }

    #[test]
    fn goes_on_with_the_file_that_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, b"one\n");
        let mut follower = Follower::new(&path);
        check(&mut follower, &["one\n"]);
        append(&path, b"two\nlast");
        fs::rename(&path, folder.path().join("log.1")).unwrap();
        check(&mut follower, &["two\n"]);
        append(&path, b"three\n");
        check(&mut follower, &["last", "three\n"]);
    }

    #[test]
    fn begins_again_when_it_is_truncated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, b"one\ntwo\npart");
        let mut follower = Follower::new(&path);
        check(&mut follower, &["one\n", "two\n"]);
        fs::write(&path, b"three\n").unwrap();
        check(&mut follower, &["part", "three\n"]);
    }

    #[test]
    fn begins_again_when_it_has_outgrown_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, b"one\n");
        let mut follower = Follower::new(&path);
        check(&mut follower, &["one\n"]);
        fs::write(&path, b"not ready\ntwo\n").unwrap();
        check(&mut follower, &["not ready\n", "two\n"]);
        // As long as before.
        fs::write(&path, b"and ready\ntwo\n").unwrap();
        check(&mut follower, &["and ready\n", "two\n"]);
        let mark = follower.position();
        fs::write(&path, b"one two three four\n").unwrap();
        follower.seek(mark).unwrap();
        check(&mut follower, &["one two three four\n"]);
    }

    #[test]
    fn after_an_end_is_what_was_written_since() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let was_written = |at: SystemTime| {
            let file = File::options().append(true).open(&path).unwrap();
            file.set_modified(at).unwrap();
        };
        let hour = Duration::from_secs(3600);
        let follow_after = |end| {
            let mut follower = Follower::new(&path);
            follower.seek_after(end).unwrap();
            follower
        };
        check(&mut follow_after(Follower::end_of(&path)), &[]);
        fs::write(&path, b"ready\n").unwrap();
        was_written(SystemTime::now() - 2 * hour);
        check(&mut follow_after(Follower::end_of(&path)), &[]);
        // A program that writes the same again has written it, too, once it has settled.
        let end = Follower::end_of(&path);
        fs::write(&path, b"ready\n").unwrap();
        was_written(SystemTime::now() + hour);
        let mut follower = follow_after(end);
        check(&mut follower, &[]);
        was_written(SystemTime::now() - hour);
        check(&mut follower, &["ready\n"]);
        check(&mut follow_after(Follower::end_of(&path)), &[]);
    }

    #[test]
    fn returns_to_a_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, b"one\ntwo\nthree\n");
        let mut follower = Follower::new(&path);
        assert!(advance(&mut follower));
        let place = follower.position();
        check(&mut follower, &["two\n", "three\n"]);
        follower.seek(place).unwrap();
        assert_eq!(follower.position(), place);
        check(&mut follower, &["two\n", "three\n"]);
        follower.seek_end().unwrap();
        append(&path, b"four\n");
        check(&mut follower, &["four\n"]);
    }

    #[test]
    fn gives_the_beginning_of_a_line_that_is_too_long_and_never_its_middle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut follower = Follower::new(&path);
        append(&path, b"first\n");
        append(&path, &vec![b'x'; LONGEST + 10]);
        assert!(advance(&mut follower));
        assert!(advance(&mut follower));
        assert_eq!(follower.line().bytes.len(), LONGEST);
        assert_eq!(follower.line().extent, Extent::Beginning);
        let within = follower.position();
        for _ in 0..3 {
            check(&mut follower, &[]);
            assert_eq!(partial(&follower, true), None);
            append(&path, &vec![b'x'; LONGEST]);
        }
        assert!(follower.buffer.len() < LONGEST);
        append(&path, b"ready\nready\nlast");
        check(&mut follower, &["ready\n"]);
        follower.seek(within).unwrap();
        check(&mut follower, &["ready\n"]);
        assert_eq!(partial(&follower, true), Some("last"));
        // Exactly as much as is looked at is a line like others.
        append(
            &path,
            &[b"\n", &vec![b'y'; LONGEST - 1][..], b"\n"].concat(),
        );
        assert!(advance(&mut follower) && advance(&mut follower));
        assert_eq!(follower.line().bytes.len(), LONGEST);
        assert_eq!(follower.line().extent, Extent::Whole);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_log_without_an_end_makes_pauses() {
        let mut follower = Follower::new("/dev/zero");
        assert_eq!(follower.advance().unwrap(), Advance::Line);
        for _ in 0..10 {
            assert_eq!(follower.advance().unwrap(), Advance::Pause);
            assert!(follower.buffer.len() <= LONGEST + 2 * CHUNK);
        }
    }
}
