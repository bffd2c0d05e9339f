//! A container of several images: how its disks are called, and which of them the user wants.

use std::collections::HashMap;

use crate::error::{Error, Result, ResultExt, printable};
use crate::format::{Context, Disk};

/// Opens the image called so.
type Opens<'a> = &'a dyn Fn(&[u8], &Context) -> Result<Vec<Disk>>;

/// How many are opened at once.
const MOST: usize = 64;

/// The disks in the images called `files`, each of which `open` opens. One alone keeps its name;
/// several are `disk1`, `disk2` … in their order, and one that cannot be opened is a notice. With
/// `--disk` it is the one of that name, file name or file name without its suffix, and is called
/// what the user calls it.
pub(super) fn open(files: &[Vec<u8>], context: &Context, open: Opens<'_>) -> Result<Vec<Disk>> {
    let mut below = context.clone();
    if let [only] = files
        && !is_wanted(0, only, context)
    {
        return open(only, context);
    }
    below.options.disk = None;
    if let Some(wanted) = context.options.disk.as_deref() {
        let mut numbered = files.iter().enumerate();
        let file = numbered.find(|(index, file)| is_wanted(*index, file, context));
        let (_, file) = file.ok_or_else(|| not_there(wanted, files))?;
        let mut disk = only(open(file, &below)?).context(|| printable(file))?;
        disk.name = wanted.to_owned();
        return Ok(vec![disk]);
    }
    if files.len() > MOST {
        let text = format!("it holds {} images, over {MOST}", files.len());
        return Err(Error::unsupported(text).hint("--disk NAME opens one of them"));
    }
    all(files, &below, open)
}

/// Those in all `files`. One that is named several times is opened once, with its tables.
fn all(files: &[Vec<u8>], context: &Context, open: Opens<'_>) -> Result<Vec<Disk>> {
    let (mut disks, mut first_error) = (Vec::new(), None);
    let mut known: HashMap<&[u8], Result<Disk>> = HashMap::new();
    let alone =
        |file| open(file, context).and_then(|disks| only(disks).context(|| printable(file)));
    for (index, file) in files.iter().enumerate() {
        match known.entry(file).or_insert_with(|| alone(file)).clone() {
            Ok(disk) => disks.push(Disk {
                name: name(index),
                ..disk
            }),
            Err(error) => {
                let text = format!("{}: {error}", name(index));
                context.notices.add(text);
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        Some(error) if disks.is_empty() => Err(error),
        _ => Ok(disks),
    }
}

fn name(index: usize) -> String {
    format!("disk{}", index.saturating_add(1))
}

/// Whether the user asked for the file at `index`.
fn is_wanted(index: usize, file: &[u8], context: &Context) -> bool {
    let Some(wanted) = context.options.disk.as_deref() else {
        return false;
    };
    let base = file.rsplit(|byte| *byte == b'/').next().unwrap_or(file);
    let dot = base.iter().rposition(|byte| *byte == b'.');
    let stem = dot.and_then(|dot| base.get(..dot)).unwrap_or(base);
    let names = [file, base, stem];
    wanted == name(index) || names.contains(&wanted.as_bytes())
}

fn not_there(wanted: &str, files: &[Vec<u8>]) -> Error {
    let wanted = printable(wanted.as_bytes());
    let numbered = files.iter().take(MOST).enumerate();
    let known: Vec<String> = numbered
        .map(|(index, file)| format!("{} ({})", name(index), printable(file)))
        .collect();
    let error = Error::not_found(format!("--disk {wanted}: no disk is called that"));
    error.hint(format!("it holds: {}", known.join(", ")))
}

fn only(disks: Vec<Disk>) -> Result<Disk> {
    let count = disks.len();
    let mut disks = disks.into_iter();
    match (disks.next(), count) {
        (Some(disk), 1) => Ok(disk),
        _ => Err(Error::unsupported(format!(
            "it holds {count} disks by itself"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;

    use super::*;
    use crate::cache::Cache;
    use crate::source::Memory;

    #[test]
    fn a_file_that_is_named_several_times_is_opened_once() {
        let context = Context::new(Cache::new(1 << 20));
        let opened = RefCell::new(Vec::new());
        let files = [b"a", b"b", b"a", b"c", b"b"].map(|name| name.to_vec());
        let disks = super::open(&files, &context, &|name, _| {
            opened.borrow_mut().push(name.to_vec());
            match name {
                b"b" => Err(Error::corrupt("it is no disk")),
                _ => Ok(vec![Disk::alone(Arc::new(Memory(name.to_vec())))]),
            }
        });
        let disks = disks.unwrap();
        let names: Vec<&str> = disks.iter().map(|disk| &*disk.name).collect();
        assert_eq!(names, ["disk1", "disk3", "disk4"]);
        assert!(Arc::ptr_eq(&disks[0].source, &disks[1].source));
        assert_eq!(opened.into_inner(), [b"a", b"b", b"c"]);
        let said = ["disk2: it is no disk", "disk5: it is no disk"];
        assert_eq!(context.notices.all(), said);
    }
}
