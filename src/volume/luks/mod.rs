//! LUKS volumes: one source, locked or open, under a header at its start or in a file of its own.

use std::sync::Arc;

use super::{Open, Opened};
use crate::crypt::luks::{Header, Trace, find};
use crate::error::{Error, Result};
use crate::format::{Context, Description, Format, Set, Volume};
use crate::source::cached::Cached;
use crate::source::{SharedSource, Source, joined};

pub(super) const FORMAT: Format<Open> = Format {
    name: "crypto_LUKS",
    claim,
    describe,
    open,
};

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let Some(trace) = find(source) else {
        return Ok(None);
    };
    let header = Header::read(source, false);
    Ok(match (trace, header) {
        (_, Ok(header)) => Some(Set::Sealed {
            is_whole: header.is_first_whole(),
        }),
        // It says why when it is opened.
        (Trace::Header, Err(_)) => Some(Set::Alone),
        (Trace::SecondHeader, Err(_)) => None,
    })
}

fn describe(source: &dyn Source) -> Result<Description> {
    Ok(Header::read(source, false)?.describe())
}

fn open(members: &[SharedSource], context: &Context) -> Result<Opened> {
    let data = members.first();
    let data = data.ok_or_else(|| Error::invalid("no volume"))?;
    let source = context.header.as_ref().unwrap_or(data);
    let is_detached = context.header.is_some();
    let header = Header::read(&**source, context.options.ignore_checksums)?;
    for notice in header.notices() {
        let subject = crate::error::printable(context.subject.as_bytes());
        let text = format!("{subject}: {}: {notice}", FORMAT.name);
        context.notices.add(text);
    }
    header.check_data(&**data, is_detached)?;
    let description = Description {
        volumes: vec![header.makeup(&context.named("luks"), &**data)],
        ..header.describe()
    };
    let segments = header.unlock(&**source, context)?.segments(data)?;
    let joined = match <[_; 1]>::try_from(segments) {
        Ok([segment]) => segment,
        Err(segments) => joined::join(segments, context.cache.clone())?,
    };
    let volume = Volume {
        name: context.named("luks"),
        source: Ok(Arc::new(Cached::new(joined, context.cache.clone()))),
        location: None,
        partition: None,
    };
    Ok(Opened {
        volumes: vec![volume],
        description: Some(description),
    })
}
