//! A CUE sheet as an image: the data of its tracks, in files beside it.

use super::cue::{self, Sheet, Track};
use super::track;
use crate::error::{Error, Result, ResultExt, printable};
use crate::format::{Context, Description, Disk, Format, Set};
use crate::image::Open;
use crate::number::to_usize;
use crate::source::{SharedSource, Source, read_vec};

/// The sheet, its files beside it.
pub(in crate::image) const FORMAT: Format<Open> = Format {
    name: "cue",
    claim,
    describe,
    open,
};

/// Bytes of a sheet: one line of each kind for 99 tracks, with titles, are 20 KiB.
const LARGEST: u64 = 256 << 10;

/// How far the first `TRACK` may be from the start.
const START: u64 = 4 << 10;

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    if source.size() > LARGEST {
        return Ok(None);
    }
    let start = read_vec(source, 0, to_usize(source.size().min(START)))?;
    let has = |keyword: &[u8]| {
        let mut lines = start.split(|byte| matches!(byte, b'\n' | b'\r'));
        lines.any(|line| {
            let line = line.trim_ascii_start();
            let word = line.get(..keyword.len());
            word.is_some_and(|word| word.eq_ignore_ascii_case(keyword))
        })
    };
    let is_sheet = !start.contains(&0) && has(b"FILE ") && has(b"TRACK ");
    Ok(is_sheet.then_some(Set::Alone))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let sheet = text(source).and_then(|text| cue::read(&text));
    let sheet = sheet.unwrap_or_default();
    Ok(Description {
        facts: vec![("tracks", sheet.tracks.len().to_string())],
        second_files: sheet.files,
        ..Description::default()
    })
}

fn text(source: &dyn Source) -> Result<Vec<u8>> {
    read_vec(source, 0, to_usize(source.size().min(LARGEST)))
}

/// Every track with data is a disk.
fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let sheet = cue::read(&text(&**source)?)?;
    let mut disks = Vec::new();
    for (index, one) in sheet.tracks.iter().enumerate() {
        if one.layout.is_some() {
            let disk = disk(&sheet, index, one, context);
            disks.push(disk.context(|| format!("track {}", one.number))?);
        }
    }
    match disks.as_mut_slice() {
        [] => return Err(Error::unsupported("no track has data")),
        [only] => "disk".clone_into(&mut only.name),
        _ => {}
    }
    Ok(disks)
}

/// The data of track `index`, up to the next one in its file.
fn disk(sheet: &Sheet, index: usize, one: &Track, context: &Context) -> Result<Disk> {
    let (Some(layout), Some(name)) = (one.layout, sheet.files.get(one.file)) else {
        return Err(Error::corrupt("no data"));
    };
    let file = context.file(name).context(|| printable(name))?;
    let start = one.starts.1.or(one.starts.0);
    let start = start.ok_or_else(|| Error::corrupt("no INDEX says where it begins"))?;
    let behind = index.saturating_add(1);
    let next = sheet
        .tracks
        .get(behind)
        .filter(|next| next.file == one.file);
    let end = next.and_then(|next| next.starts.0);
    let start = byte(sheet, one.file, start);
    let end = end.map_or(u64::MAX, |end| byte(sheet, one.file, end));
    let number = one.number;
    let mut disk = track(&file, layout, start, end, context);
    disk.name = format!("track{number:02}");
    Ok(disk)
}

/// The byte of a file at which frame `at` begins: tracks before it may have smaller sectors.
fn byte(sheet: &Sheet, file: usize, at: u64) -> u64 {
    let inside: Vec<&Track> = sheet.tracks.iter().filter(|one| one.file == file).collect();
    let mut bytes: u64 = 0;
    for (index, one) in inside.iter().enumerate() {
        let first = one.starts.0.unwrap_or(0).min(at);
        let next = inside
            .get(index.saturating_add(1))
            .and_then(|next| next.starts.0);
        let end = next.unwrap_or(at).min(at);
        let sector = one.layout.map_or(2352, |layout| layout.sector);
        bytes = bytes.saturating_add(end.saturating_sub(first).saturating_mul(sector));
    }
    bytes
}
