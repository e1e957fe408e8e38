use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use standin_error::open_file_or_device;

/// How much is read of a log at most, however few lines that makes.
const MOST: u64 = 4 << 20;

const BLOCK: u64 = 32 << 10;

/// Returns the last lines of a file, without line endings and without blank lines at the end.
/// `None` returns all of them, up to a few megabytes. Invalid UTF-8 is replaced.
///
/// The file is read backwards, from its end to the first line that is wanted:
/// what comes before costs nothing. A file that is not there has no lines.
pub(crate) fn tail(path: &Path, lines: Option<usize>) -> io::Result<Vec<String>> {
    let mut file = match open_file_or_device(File::options().read(true), path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result?,
    };
    let size = file.seek(SeekFrom::End(0))?;
    let mut start = size;
    // Blocks from the end; the text is put together once it is known how many.
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    let mut ends = 0;
    let mut is_blank = true;
    while start > 0 && size - start < MOST {
        let length = BLOCK.min(start);
        start -= length;
        let mut block = Vec::with_capacity(length as usize);
        file.seek(SeekFrom::Start(start))?;
        // A file that is truncated meanwhile just has less.
        Read::by_ref(&mut file)
            .take(length)
            .read_to_end(&mut block)?;
        // Ends of lines count from the last line that has something in it.
        let text = if is_blank {
            let blank = |byte: &u8| matches!(byte, b'\n' | b'\r');
            let end = block.iter().rposition(|byte| !blank(byte));
            end.map_or(&block[..0], |end| &block[..=end])
        } else {
            &block[..]
        };
        is_blank &= text.is_empty();
        ends += text.iter().filter(|byte| **byte == b'\n').count();
        blocks.push(block);
        if lines.is_some_and(|lines| ends >= lines) {
            break;
        }
    }
    blocks.reverse();
    let bytes = blocks.concat();
    let text = String::from_utf8_lossy(&bytes);
    let mut found: Vec<&str> = text.lines().collect();
    while found.last().is_some_and(|line| line.is_empty()) {
        found.pop();
    }
    let first = lines.map_or(0, |lines| found.len().saturating_sub(lines));
    let mut found: Vec<String> = found[first..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect();
    if first == 0
        && start > 0
        && let Some(line) = found.first_mut()
    {
        // It begins somewhere before what was read.
        line.insert(0, '…');
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[track_caller]
    fn check(text: &[u8], lines: Option<usize>, expected: &[&str]) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        assert_eq!(tail(file.path(), lines).unwrap(), expected);
    }

    #[test]
    fn gives_the_last_lines() {
        check(b"a\nb\nc\n", Some(2), &["b", "c"]);
        check(b"a\nb\nc", Some(2), &["b", "c"]);
        check(b"a\r\nb\r\n", Some(9), &["a", "b"]);
        check(b"a\nb\n", None, &["a", "b"]);
        check(b"", Some(2), &[]);
        check(b"a\n\xff\n", Some(1), &["\u{fffd}"]);
    }

    #[test]
    fn leaves_out_blank_lines_at_the_end_only() {
        check(b"a\n\nb\n\n\n", Some(3), &["a", "", "b"]);
        check(b"\n\n\n", Some(3), &[]);
        let mut text = b"a\nb\n".to_vec();
        text.extend(vec![b'\n'; 3 * BLOCK as usize]);
        check(&text, Some(2), &["a", "b"]);
    }

    #[test]
    fn gives_long_lines_whole_across_blocks() {
        let long = "x".repeat(BLOCK as usize + 17);
        check(
            format!("a\n{long}1\n{long}2\n").as_bytes(),
            Some(2),
            &[&format!("{long}1"), &format!("{long}2")],
        );
    }

    #[test]
    fn reads_no_more_than_a_few_megabytes_of_a_line_without_an_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![b'x'; 2 * MOST as usize]).unwrap();
        let lines = tail(file.path(), Some(3)).unwrap();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("…x"));
        assert!(lines[0].len() as u64 <= MOST + BLOCK);
    }

    #[test]
    fn a_file_that_is_not_there_has_no_lines() {
        assert!(tail(Path::new("/nowhere/at/all"), None).unwrap().is_empty());
    }
}
