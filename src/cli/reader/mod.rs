//! The process that reads an image for a verb: what it does for its job. It has neither the user's
//! terminal nor standard output; what is to be seen of it, the verb's own process shows.

mod answers;
mod parts;
mod told;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::exit::{Failure, Outcome};
use super::output::Output;
use super::remote::protocol::{End, Job, Said, Verb};
use super::{check, info};
use crate::error::{Error, Result, ResultExt, caught};
use crate::filesystem::{Counts, Guarded};
use crate::format::Progress;
use crate::service::open::{Image, Seen};
use crate::service::reader::Reader;
use crate::stack::{Node, Stack};
use crate::tree::{self, Tree};
use answers::{Asked, Of};
use told::{Lines, Shared, Told};

#[cfg(test)]
pub(super) use answers::answer;
#[cfg(test)]
pub(super) use parts::parts;

/// The process's whole life.
pub(crate) fn work(mut reader: Reader) -> Result<()> {
    let none = || Error::invalid("no stream came from the verb");
    let lane = reader.lanes.first_mut().ok_or_else(none)?;
    let job: Job = lane.expect()?;
    let told = Arc::new(Told::new(lane.writer()?));
    let progress: Arc<dyn Progress> = Arc::new(Shared(told.clone()));
    let seen = Seen {
        progress: Some(progress),
        ..Seen::default()
    };
    let opened = open(&mut reader, &job, &seen);
    match &job.verb {
        Verb::Walk => walk(reader, &job, &told, opened),
        Verb::Volume(volume) => read(reader, &job, &told, opened, volume.as_deref()),
        Verb::Info { json, width } => {
            told.close();
            let page = info::Page {
                image: Path::new(OsStr::from_bytes(&job.image)),
                json: *json,
                width: *width,
                confined: reader.confined(),
                output: lines(&told),
            };
            over(&told, guarded(|| page.write(opened, &seen)))
        }
        Verb::Check { json } => {
            told.close();
            let progress = told.begin_anyway(None);
            let advance = &mut |bytes| progress.advance(bytes);
            let outcome = guarded(|| check::page(opened, &seen, *json, lines(&told), advance));
            drop(progress);
            over(&told, outcome)
        }
    }
}

fn open(reader: &mut Reader, job: &Job, seen: &Seen) -> std::result::Result<Image, Failure> {
    let image = reader.open(seen).context(|| job.name.as_str());
    let image = image.map_err(|error| Failure::Image(Reader::shortened(&error)))?;
    for notice in &job.notices {
        image.notices.add(notice.clone());
    }
    Ok(image)
}

/// Nobody counts bugs here: the verb sees each as the error of a file.
fn nobody() -> Counts {
    Arc::new(|| ())
}

/// Runs all of a verb; a bug ends it with that error.
fn guarded(
    verb: impl FnOnce() -> std::result::Result<Outcome, Failure>,
) -> std::result::Result<Outcome, Failure> {
    caught(|| Ok(verb())).unwrap_or_else(|bug| Err(bug.into()))
}

fn lines(told: &Arc<Told>) -> Output {
    Output::to(Box::new(Lines::new(told.clone())), false)
}

fn over(told: &Told, outcome: std::result::Result<Outcome, Failure>) -> Result<()> {
    told.say(&Said::Over(outcome.map(End::Verb)))
}

fn walk(
    reader: Reader,
    job: &Job,
    told: &Told,
    opened: std::result::Result<Image, Failure>,
) -> Result<()> {
    told.close();
    let composed = opened.and_then(|image| {
        let notices = image.notices.clone();
        let tree =
            caught(|| Tree::compose(image.stack, reader.tree())).context(|| job.name.as_str());
        let tree = tree.map_err(|error| Failure::Image(Reader::shortened(&error)))?;
        Ok((tree, notices))
    });
    let (tree, notices) = match composed {
        Ok(composed) => composed,
        Err(failure) => return told.say(&Said::Over(Err(failure))),
    };
    let end = End::Tree {
        root: crate::filesystem::FileSystem::root(&tree),
        notices: Reader::few(notices.all()),
    };
    told.say(&Said::Over(Ok(end)))?;
    let asked = Asked {
        of: Of::Tree(&Guarded::new(&tree, nobody())),
        uid: job.uid,
        notices: &notices,
    };
    serve(reader, &asked)
}

fn read(
    reader: Reader,
    job: &Job,
    told: &Told,
    opened: std::result::Result<Image, Failure>,
    volume: Option<&str>,
) -> Result<()> {
    told.close();
    let image = match opened {
        Ok(image) => image,
        Err(failure) => return told.say(&Said::Over(Err(failure))),
    };
    let source = choose(&image.stack, volume).and_then(|node| {
        let source = node.source.as_ref();
        source.map_err(|error| error.clone().context(&*node.name))
    });
    let source = match source.context(|| job.name.as_str()) {
        Ok(source) => source,
        Err(error) => return told.say(&Said::Over(Err(Reader::shortened(&error).into()))),
    };
    let end = End::Volume {
        size: source.size(),
        notices: Reader::few(image.notices.all()),
    };
    told.say(&Said::Over(Ok(end)))?;
    let asked = Asked {
        of: Of::Volume(&**source),
        uid: job.uid,
        notices: &image.notices,
    };
    serve(reader, &asked)
}

/// Answers on all streams until the verb has enough.
fn serve(reader: Reader, asked: &Asked<'_>) -> Result<()> {
    let mut lanes = reader.lanes.into_iter();
    let first = lanes.next();
    std::thread::scope(|scope| {
        for mut lane in lanes {
            scope.spawn(move || asked.serve(&mut lane));
        }
        first.map_or(Ok(()), |mut lane| asked.serve(&mut lane))
    })
}

/// The volume that the user named, or the one disk.
fn choose<'a>(stack: &'a Stack, volume: Option<&str>) -> Result<&'a Node> {
    match (volume, stack.disks.as_slice()) {
        (Some(volume), _) => tree::select(stack, volume),
        (None, [disk]) => Ok(disk),
        (None, disks) => {
            let names: Vec<_> = disks.iter().map(|disk| disk.name.as_str()).collect();
            let error = Error::invalid(format!("it holds {} disks", disks.len()));
            Err(error.hint(format!("name one as VOLUME: {}", names.join(", "))))
        }
    }
}
