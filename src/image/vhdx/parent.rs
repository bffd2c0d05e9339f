//! The parent of a differencing disk: found by its paths, known by its `DataWriteGuid`, which
//! changes whenever its bytes do. [MS-VHDX] 2.6.2.6.3.

use super::header::Header;
use super::layout::Guid;
use super::locator::Locator;
use crate::error::{Error, Result, ResultExt, printable};
use crate::format::Context;
use crate::image::windows;
use crate::source::{SharedSource, Source};

/// The parent's disk.
///
/// # Errors
/// `Corrupt` where it is another disk, or was written since; as [`Context::disk`].
pub(super) fn open(locator: &Locator, context: &Context) -> Result<SharedSource> {
    let paths = locator.paths();
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
        check(locator, &*file, context).context(|| printable(name))?;
        context.disk(name, Some("vhdx"))
    });
    Ok(opened.context(shown)?.source)
}

/// Whether `parent` is as it was when the child was made from it.
fn check(locator: &Locator, parent: &dyn Source, context: &Context) -> Result<()> {
    let found = Header::read(parent)?.data_write_guid();
    let linkages = locator.linkages();
    if found != Guid::NIL && linkages.contains(&found.to_string()) {
        return Ok(());
    }
    let wanted = linkages.first().map_or("missing", String::as_str);
    let wanted = printable(wanted.as_bytes());
    let text = format!(
        "its DataWriteGuid is {found}, and parent_linkage {wanted}: it is another disk, or was changed"
    );
    if context.options.ignore_checksums {
        context.notices.add(format!("vhdx: parent: {text}"));
        return Ok(());
    }
    Err(Error::corrupt(text).hint("--ignore-checksums reads it all the same"))
}
