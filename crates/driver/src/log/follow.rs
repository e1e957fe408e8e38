use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// A line without an end counts as one when nothing has come for this long:
/// its writer may be in the middle of it.
const SETTLED: Duration = Duration::from_millis(50);

/// A line that is longer is taken in pieces of this size.
const LONGEST: usize = 1 << 20;

const CHUNK: usize = 64 << 10;

/// Reads the lines of a file as they are written.
///
/// - A file that is not there yet has no lines.
/// - When another file takes its place (rotation), the rest of the old one is
///   read, and then the new one from its beginning.
/// - When it becomes shorter than what has been read (truncation), it is read
///   from its beginning. One that has grown beyond that again by the time it is
///   looked at cannot be told from one that was only appended to.
#[derive(Debug)]
pub(crate) struct Follower {
    path: PathBuf,
    open: Option<Open>,
    /// What has been read; lines before `line.start` are done with.
    buffer: Vec<u8>,
    /// The current line, with its end, within the buffer.
    line: Range<usize>,
    /// Up to where the buffer has no end of line.
    searched: usize,
    grown: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    file: File,
    id: FileId,
    /// How much of it has been read.
    read: u64,
}

/// Tells files apart, whatever their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(metadata.dev(), metadata.ino())
    }

    // Good enough to notice a rotation: the new file is made later.
    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Self {
        let created = metadata.created().ok();
        let since = created.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        Self(0, since.unwrap_or_default().as_nanos() as u64)
    }
}

/// A place in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// `None` before the file was there.
    pub(crate) file: Option<FileId>,
    pub(crate) offset: u64,
}

impl Follower {
    /// Begins at the beginning of the file.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            open: None,
            buffer: Vec::new(),
            line: 0..0,
            searched: 0,
            grown: None,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Goes to the next whole line; answers whether there is one.
    pub(crate) fn advance(&mut self) -> io::Result<bool> {
        loop {
            let start = self.line.end;
            let from = self.searched.max(start);
            let end = self.buffer[from..]
                .iter()
                .position(|byte| *byte == b'\n')
                .map(|at| from + at + 1)
                .or_else(|| (self.buffer.len() - start >= LONGEST).then_some(self.buffer.len()));
            if let Some(end) = end {
                self.line = start..end;
                self.searched = end;
                return Ok(true);
            }
            self.searched = self.buffer.len();
            self.line = start..start;
            match self.fill()? {
                Filled::More => {}
                Filled::Nothing => return Ok(false),
                Filled::Rotated if self.buffer.len() > start => {
                    // Nobody will end the last line of the old file.
                    self.line = start..self.buffer.len();
                    self.searched = self.buffer.len();
                    return Ok(true);
                }
                Filled::Rotated => {}
            }
        }
    }

    /// The line that [`advance`](Follower::advance) went to, with its end.
    pub(crate) fn line(&self) -> &[u8] {
        &self.buffer[self.line.clone()]
    }

    /// What follows the last whole line, if its writer seems to be done with it,
    /// or `is_final`: nobody can write any more.
    pub(crate) fn partial(&self, is_final: bool) -> Option<&[u8]> {
        let partial = &self.buffer[self.line.end..];
        let settled = || {
            let quiet = self.grown.is_none_or(|grown| grown.elapsed() >= SETTLED);
            quiet || self.age().is_some_and(|age| age >= SETTLED)
        };
        (!partial.is_empty() && (is_final || settled())).then_some(partial)
    }

    /// Takes the partial line as a whole one.
    pub(crate) fn take_partial(&mut self) {
        self.line = self.line.end..self.buffer.len();
        self.searched = self.buffer.len();
    }

    /// How long ago the file was written to, by its own clock.
    fn age(&self) -> Option<Duration> {
        let modified = self.open.as_ref()?.file.metadata().ok()?.modified().ok()?;
        SystemTime::now().duration_since(modified).ok()
    }

    /// Where the next line begins.
    pub(crate) fn position(&self) -> Position {
        match &self.open {
            None => Position::default(),
            Some(open) => Position {
                file: Some(open.id),
                offset: open.read - (self.buffer.len() - self.line.end) as u64,
            },
        }
    }

    /// Goes to a place. One in a file that is not there any more is the
    /// beginning of the file that is.
    pub(crate) fn seek(&mut self, position: Position) -> io::Result<()> {
        *self = Self::new(std::mem::take(&mut self.path));
        self.open()?;
        if let Some(open) = &mut self.open
            && position.file == Some(open.id)
        {
            open.read = open.file.seek(SeekFrom::Start(position.offset))?;
        }
        Ok(())
    }

    /// Goes to the end of what is there now.
    pub(crate) fn seek_end(&mut self) -> io::Result<()> {
        *self = Self::new(std::mem::take(&mut self.path));
        self.open()?;
        if let Some(open) = &mut self.open {
            open.read = open.file.seek(SeekFrom::End(0))?;
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<bool> {
        match File::open(&self.path) {
            Ok(file) => {
                let id = FileId::of(&file.metadata()?);
                self.open = Some(Open { file, id, read: 0 });
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
        if self.read_some()? {
            return Ok(Filled::More);
        }
        let Some(open) = &mut self.open else {
            return Ok(Filled::Nothing);
        };
        // Gone for now: a rotation may be under way.
        let Ok(now) = fs::metadata(&self.path) else {
            return Ok(Filled::Nothing);
        };
        if FileId::of(&now) == open.id {
            if now.len() < open.read {
                open.read = open.file.seek(SeekFrom::Start(0))?;
                self.forget_read();
                return Ok(Filled::More);
            }
            return Ok(Filled::Nothing);
        }
        // Its writer may have written between the read and the rotation.
        if self.read_some()? {
            return Ok(Filled::More);
        }
        self.open = None;
        Ok(Filled::Rotated)
    }

    fn read_some(&mut self) -> io::Result<bool> {
        let Some(open) = &mut self.open else {
            return Ok(false);
        };
        // What is done with goes before more comes.
        if self.line.start > 0 {
            self.buffer.drain(..self.line.start);
            self.searched -= self.line.start;
            self.line = 0..self.line.end - self.line.start;
        }
        let old = self.buffer.len();
        self.buffer.resize(old + CHUNK, 0);
        let read = loop {
            match open.file.read(&mut self.buffer[old..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let count = *read.as_ref().unwrap_or(&0);
        self.buffer.truncate(old + count);
        read?;
        open.read += count as u64;
        if count > 0 {
            self.grown = Some(Instant::now());
        }
        Ok(count > 0)
    }

    fn forget_read(&mut self) {
        self.buffer.clear();
        self.line = 0..0;
        self.searched = 0;
    }
}

enum Filled {
    More,
    Nothing,
    /// Another file has taken the place of the one that was read to its end.
    Rotated,
}

/// The line without its end, as patterns see it.
pub(crate) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
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

    #[track_caller]
    fn check(follower: &mut Follower, expected: &[&str]) {
        let mut lines = Vec::new();
        while follower.advance().unwrap() {
            lines.push(String::from_utf8_lossy(follower.line()).into_owned());
        }
        assert_eq!(lines, expected);
    }

    #[test]
    fn gives_each_line_once_and_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut follower = Follower::new(&path);
        check(&mut follower, &[]);
        append(&path, b"one\ntw");
        check(&mut follower, &["one\n"]);
        assert_eq!(follower.partial(true), Some(&b"tw"[..]));
        check(&mut follower, &[]);
        append(&path, b"o\n\xff\n");
        check(&mut follower, &["two\n", "\u{fffd}\n"]);
        assert_eq!(follower.partial(true), None);
    }

    #[test]
    fn a_line_that_is_being_written_is_no_line_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, b"port=8");
        let mut follower = Follower::new(&path);
        check(&mut follower, &[]);
        assert_eq!(follower.partial(false), None);
        std::thread::sleep(SETTLED);
        assert_eq!(follower.partial(false), Some(&b"port=8"[..]));
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
        check(&mut follower, &["three\n"]);
    }

    #[test]
    fn returns_to_a_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, b"one\ntwo\nthree\n");
        let mut follower = Follower::new(&path);
        assert!(follower.advance().unwrap());
        let place = follower.position();
        check(&mut follower, &["two\n", "three\n"]);
        follower.seek(place).unwrap();
        check(&mut follower, &["two\n", "three\n"]);
        follower.seek_end().unwrap();
        append(&path, b"four\n");
        check(&mut follower, &["four\n"]);
    }

    #[test]
    fn takes_an_endless_line_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, &vec![b'x'; LONGEST + 10]);
        append(&path, b"\nend\n");
        let mut follower = Follower::new(&path);
        let mut sizes = Vec::new();
        while follower.advance().unwrap() {
            sizes.push(follower.line().len());
        }
        assert_eq!(sizes.iter().sum::<usize>(), LONGEST + 15);
        assert_eq!(sizes.len(), 3);
    }
}
