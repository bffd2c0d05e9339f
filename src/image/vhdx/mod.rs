//! VHDX, the disks of Hyper-V: blocks that are found through a table, and a log of the changes to
//! what is not data. [MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format".

mod describe;
mod disk;
mod header;
mod layout;
mod locator;
mod log;
mod metadata;
mod parent;
mod region;
mod replay;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::header::Header;
use self::log::Log;
use self::metadata::Metadata;
use self::region::{Region, Regions};
use self::replay::Replay;
use self::table::Table;
use super::Open;
use crate::error::{Error, Result};
use crate::format::{Context, Disk, Format, Notices, Set};
use crate::source::mapped::Mapped;
use crate::source::{SharedSource, Source, read_vec};

pub(super) const FORMAT: Format<Open> = Format {
    name: "vhdx",
    claim,
    describe: describe::describe,
    open,
};

/// By what the log is to be aligned.
const MIB: u64 = 1 << 20;

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let magic = layout::FILE_SIGNATURE;
    if source.size() < crate::number::to_u64(magic.len()) {
        return Ok(None);
    }
    let is_one = read_vec(source, 0, magic.len())? == magic;
    Ok(is_one.then_some(Set::Alone))
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let header = Header::read(&**source)?;
    let say = |notice: &Option<String>| {
        if let Some(notice) = notice {
            context.notices.add(format!("vhdx: {notice}"));
        }
    };
    say(&header.notice);
    let source = replayed(source, &header, context)?;
    let regions = Regions::read(&*source, log_region(&header))?;
    say(&regions.notice);
    let metadata = Metadata::read(&*source, regions.metadata)?;
    let table = Table::new(regions.bat, &metadata)?;
    let map = disk::Disk::new(source.clone(), table);
    let parent = match &metadata.parent {
        Some(locator) => Some(parent::open(locator, context)?),
        None => None,
    };
    let mapped = Mapped::new(map, vec![source], parent, context.cache.clone());
    Ok(vec![Disk {
        name: "disk".to_owned(),
        source: Arc::new(mapped),
        sector_size: metadata.sector_size,
    }])
}

fn log_region(header: &Header) -> Region {
    let (offset, len) = header.log();
    Region { offset, len }
}

/// `source` as it is after its log was replayed, in memory.
fn replayed(source: &SharedSource, header: &Header, context: &Context) -> Result<SharedSource> {
    let Some(guid) = header.dirty()? else {
        return Ok(source.clone());
    };
    let notices = &context.notices;
    if context.options.no_replay {
        notices.add("vhdx: the log is not replayed: blocks may be missing or old");
        return Ok(source.clone());
    }
    let hint = "--no-replay shows the disk as it lies";
    let region = log_region(header);
    check_log(region, notices);
    let log = Log::new(&**source, region, guid);
    let mut log = log.map_err(|error| error.at(header.offset()).hint(hint))?;
    let entries = log.active().map_err(|error| error.hint(hint))?;
    if entries.is_empty() {
        notices.add("vhdx: the log has no valid entry: the disk is shown as it lies");
        return Ok(source.clone());
    }
    let replay = Replay::new(source.clone(), &log, &entries).map_err(|error| error.hint(hint))?;
    notices.add(format!(
        "vhdx: it was not closed: {} entries of its log are replayed in memory",
        entries.len()
    ));
    let members = vec![source.clone()];
    let cache = context.cache.clone();
    Ok(Arc::new(Mapped::new(replay, members, None, cache)))
}

fn check_log(region: Region, notices: &Notices) {
    let Region { offset, len } = region;
    if offset % MIB != 0 || len % MIB != 0 {
        notices.add(format!(
            "vhdx: LogOffset {offset:#x}, LogLength {len:#x} are not whole MiB"
        ));
    }
}
