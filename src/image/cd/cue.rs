//! The text of a CUE sheet: `FILE "disc.bin" BINARY`, then for each track
//! `TRACK 01 MODE1/2352` and `INDEX 01 MM:SS:FF`, 75 frames a second.

use super::Layout;
use crate::error::{Error, Result, printable};

/// What a sheet says of one track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Track {
    /// Its number.
    pub(super) number: u32,
    /// The file that it is in, by the number of its `FILE` line.
    pub(super) file: usize,
    /// How its sectors are laid out; none for sound.
    pub(super) layout: Option<Layout>,
    /// Frames in the file before it, by its first index and by index 1.
    pub(super) starts: (Option<u64>, Option<u64>),
}

/// A whole sheet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sheet {
    /// The names of the files.
    pub(super) files: Vec<Vec<u8>>,
    /// The tracks in order.
    pub(super) tracks: Vec<Track>,
}

/// As many as a disc has.
const MOST_TRACKS: usize = 99;

/// Takes a sheet apart.
///
/// # Errors
/// `Corrupt` for a track in no file, or more tracks than a disc has; `Unsupported` for a track or a
/// file of a kind that is not read.
pub(super) fn read(text: &[u8]) -> Result<Sheet> {
    let mut sheet = Sheet::default();
    for line in text.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let words = words(line.trim_ascii());
        let Some((keyword, rest)) = words.split_first() else {
            continue;
        };
        match (keyword.to_ascii_uppercase().as_slice(), rest) {
            (b"FILE", [name, kind, ..]) => sheet.add_file(name, kind)?,
            (b"TRACK", [number, mode, ..]) => sheet.add_track(number, mode)?,
            (b"INDEX", [index, time, ..]) => sheet.add_index(index, time)?,
            _ => {}
        }
    }
    Ok(sheet)
}

impl Sheet {
    fn add_file(&mut self, name: &[u8], kind: &[u8]) -> Result<()> {
        if self.files.len() >= MOST_TRACKS {
            return Err(Error::corrupt(format!("more than {MOST_TRACKS} files")));
        }
        let known = [&b"BINARY"[..], b"WAVE", b"MP3", b"AIFF", b"MOTOROLA"];
        if !known.iter().any(|known| kind.eq_ignore_ascii_case(known)) {
            let kind = printable(kind);
            return Err(Error::unsupported(format!("a FILE of the kind {kind}")));
        }
        self.files.push(name.to_vec());
        Ok(())
    }

    fn add_track(&mut self, number: &[u8], mode: &[u8]) -> Result<()> {
        let file = self.files.len().checked_sub(1);
        let file = file.ok_or_else(|| Error::corrupt("a TRACK before any FILE"))?;
        if self.tracks.len() >= MOST_TRACKS {
            return Err(Error::corrupt(format!("more than {MOST_TRACKS} tracks")));
        }
        self.tracks.push(Track {
            number: decimal(number)
                .and_then(|it| u32::try_from(it).ok())
                .unwrap_or(0),
            file,
            layout: layout(mode)?,
            starts: (None, None),
        });
        Ok(())
    }

    fn add_index(&mut self, index: &[u8], time: &[u8]) -> Result<()> {
        let wrong = || Error::corrupt(format!("INDEX {} {}", printable(index), printable(time)));
        let frames = frames(time).ok_or_else(wrong)?;
        let starts = self.tracks.last_mut().map(|track| &mut track.starts);
        let (first, one) = starts.ok_or_else(wrong)?;
        first.get_or_insert(frames);
        if decimal(index) == Some(1) {
            one.get_or_insert(frames);
        }
        Ok(())
    }
}

/// The words of a line; quotes hold a word with spaces together.
fn words(line: &[u8]) -> Vec<&[u8]> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    while let Some(first) = rest.first() {
        let (start, end) = match first {
            b'"' => (1, b'"'),
            _ => (0, b' '),
        };
        let inside = rest.get(start..).unwrap_or_default();
        let is_end = |byte: &u8| *byte == end || end == b' ' && *byte == b'\t';
        let length = inside.iter().position(is_end).unwrap_or(inside.len());
        words.push(inside.get(..length).unwrap_or_default());
        let behind = inside.get(length.saturating_add(1)..);
        rest = behind.unwrap_or_default().trim_ascii_start();
    }
    words
}

/// How sectors of `mode` are laid out; none for sound and what is like it.
fn layout(mode: &[u8]) -> Result<Option<Layout>> {
    let (sector, skip) = match mode.to_ascii_uppercase().as_slice() {
        b"MODE1/2048" | b"MODE2/2048" => (2048, 0),
        b"MODE1/2352" => (2352, 16),
        b"MODE1/2448" => (2448, 16),
        b"MODE2/2336" | b"CDI/2336" => (2336, 8),
        b"MODE2/2352" | b"CDI/2352" => (2352, 24),
        b"MODE2/2448" => (2448, 24),
        b"AUDIO" | b"CDG" => return Ok(None),
        other => {
            let mode = printable(other);
            return Err(Error::unsupported(format!("a TRACK of the mode {mode}")));
        }
    };
    Ok(Some(Layout { sector, skip }))
}

/// `MM:SS:FF` in frames.
fn frames(time: &[u8]) -> Option<u64> {
    let mut parts = time.split(|byte| *byte == b':').map(decimal);
    let (minutes, seconds, frames) = (parts.next()??, parts.next()??, parts.next()??);
    let seconds = minutes.checked_mul(60)?.checked_add(seconds)?;
    seconds.checked_mul(75)?.checked_add(frames)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_of_data_and_sound() {
        let text = b"REM made by hand\r\nFILE \"my disc.bin\" BINARY\r\n  TRACK 01 MODE1/2352\r\n\
            \tINDEX 01 00:00:00\r\n  TRACK 02 AUDIO\r\n    INDEX 00 00:02:10\r\n    INDEX 01 00:04:10\r\n";
        let sheet = read(text).unwrap();
        assert_eq!(sheet.files, [b"my disc.bin"]);
        let [data, sound] = &sheet.tracks[..] else {
            panic!("{sheet:?}");
        };
        let layout = Layout {
            sector: 2352,
            skip: 16,
        };
        assert_eq!((data.number, data.layout), (1, Some(layout)));
        assert_eq!(data.starts, (Some(0), Some(0)));
        assert_eq!((sound.layout, sound.starts), (None, (Some(160), Some(310))));
    }

    #[test]
    fn what_a_sheet_cannot_say_is_named() {
        for (text, error) in [
            (&b"TRACK 01 MODE1/2352"[..], "a TRACK before any FILE"),
            (
                b"FILE a BINARY\nTRACK 01 MODE9",
                "a TRACK of the mode MODE9",
            ),
            (b"FILE a ZIP", "a FILE of the kind ZIP"),
            (b"FILE a BINARY\nINDEX 01 00:00:00", "INDEX 01 00:00:00"),
            (b"FILE a BINARY\nTRACK 1 AUDIO\nINDEX 01 x", "INDEX 01 x"),
        ] {
            assert_eq!(read(text).unwrap_err().message(), error);
        }
        assert!(read(&b"FILE a BINARY\n".repeat(100)).is_err());
    }
}
