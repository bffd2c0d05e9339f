//! The parent of a differencing disk: found by its path, known by its unique identifier.

use super::dynamic::Dynamic;
use super::footer::{self, spell};
use crate::error::{Error, Result, ResultExt, printable};
use crate::format::Context;
use crate::image::windows;
use crate::source::{SharedSource, Source};

/// The parent's disk.
///
/// # Errors
/// `Corrupt` where it is another disk; as [`Context::disk`].
pub(super) fn open(
    header: &Dynamic,
    source: &dyn Source,
    context: &Context,
) -> Result<SharedSource> {
    let paths = header.parent_paths(source)?;
    let mut names = Vec::new();
    for name in paths.iter().flat_map(|path| windows::candidates(path)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let shown = || match paths.first() {
        Some(path) => format!("parent {}", printable(path.as_bytes())),
        None => "parent".to_owned(),
    };
    let opened = windows::first(&names, |name| {
        let file = context.file(name)?;
        check(header, &*file, context).context(|| printable(name))?;
        context.disk(name, Some("vhd"))
    });
    Ok(opened.context(shown)?.source)
}

/// Whether `parent` is the file that the child was made from.
fn check(header: &Dynamic, parent: &dyn Source, context: &Context) -> Result<()> {
    let ignore = context.options.ignore_checksums;
    let found = footer::find(parent, ignore)?.footer.unique_id();
    let wanted = header.parent_unique_id;
    if found == wanted {
        return Ok(());
    }
    let text = format!(
        "its unique_id is {}, and parent_unique_id {}: it is another disk",
        spell(found),
        spell(wanted)
    );
    if ignore {
        context.notices.add(format!("vhd: parent: {text}"));
        return Ok(());
    }
    Err(Error::corrupt(text).hint("--ignore-checksums reads it all the same"))
}
