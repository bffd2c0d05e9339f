//! Does one kind of work on many files of a mount as fast as it can: what a benchmark row times.
//!
//! `client WORK ROOT LIST COUNT JOBS SEED SPAN`: LIST names one file below ROOT in each line. `stat` asks
//! for the attributes of COUNT of them, `open` opens, reads and closes COUNT of them, both in an
//! order that the seed gives; `random` reads COUNT times 4 KiB at places that the seed gives, in the
//! first SPAN bytes of each file;
//! `sequential` reads all of all of them in pieces of 1 MiB. One line of JSON says what was done, in
//! how many seconds, and a sum over what was read: the same for every reader of the same image.
#![allow(clippy::arithmetic_side_effects)]

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::thread;
use std::time::Instant;

use rustix::fs::Advice;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const PAGE: u64 = 4096;
const PIECE: u64 = 1 << 20;

/// What was asked for.
struct Task {
    work: String,
    paths: Vec<String>,
    count: usize,
    jobs: usize,
    seed: u64,
    span: u64,
}

/// What was done, and a sum over what was seen.
#[derive(Default)]
struct Done {
    operations: u64,
    bytes: u64,
    sum: u64,
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [work, root, list, count, jobs, seed, span] = words.as_slice() else {
        return Err("client WORK ROOT LIST COUNT JOBS SEED SPAN".into());
    };
    let paths = std::fs::read_to_string(list)?;
    let mut task = Task {
        work: work.clone(),
        paths: paths.lines().map(str::to_owned).collect(),
        count: count.parse()?,
        jobs: jobs.parse::<usize>()?.max(1),
        seed: seed.parse()?,
        span: span.parse()?,
    };
    std::env::set_current_dir(root)?;
    if matches!(work.as_str(), "stat" | "open") {
        shuffle(&mut task.paths, task.seed);
        task.paths.truncate(task.count);
    }
    let start = Instant::now();
    let done = all_jobs(&task)?;
    let seconds = start.elapsed().as_secs_f64();
    let Done {
        operations,
        bytes,
        sum,
    } = done;
    println!(
        r#"{{"operations": {operations}, "bytes": {bytes}, "sum": {sum}, "seconds": {seconds:.6}}}"#
    );
    Ok(())
}

/// The work, split among the jobs.
fn all_jobs(task: &Task) -> Result<Done> {
    let mut all = Done::default();
    thread::scope(|scope| {
        let jobs: Vec<_> = (0..task.jobs)
            .map(|job| scope.spawn(move || one_job(task, job)))
            .collect();
        for job in jobs {
            let done = job.join().map_err(|_| "a job panicked")??;
            all.operations += done.operations;
            all.bytes += done.bytes;
            all.sum = all.sum.wrapping_add(done.sum);
        }
        Ok(all)
    })
}

fn one_job(task: &Task, job: usize) -> Result<Done> {
    let own = task.paths.iter().skip(job).step_by(task.jobs);
    match task.work.as_str() {
        "stat" => stat(own),
        "open" => read_whole(own, 64 << 10),
        "sequential" => read_whole(own, PIECE),
        "random" => random(task, u64::try_from(job)?),
        other => Err(format!("no such work: {other}").into()),
    }
}

fn stat<'a>(paths: impl Iterator<Item = &'a String>) -> Result<Done> {
    let mut done = Done::default();
    for path in paths {
        let found = std::fs::symlink_metadata(path)?;
        done.operations += 1;
        done.sum = done.sum.wrapping_add(found.size());
    }
    Ok(done)
}

/// Opens each, reads it to its end in pieces, and closes it.
fn read_whole<'a>(paths: impl Iterator<Item = &'a String>, piece: u64) -> Result<Done> {
    let mut done = Done::default();
    let mut buf = vec![0; usize::try_from(piece)?];
    for path in paths {
        let file = File::open(path)?;
        let mut at = 0;
        loop {
            let len = file.read_at(&mut buf, at)?;
            if len == 0 {
                break;
            }
            at += u64::try_from(len)?;
            done.sum = done.sum.wrapping_add(sum(buf.get(..len).unwrap_or(&[])));
        }
        done.operations += 1;
        done.bytes += at;
    }
    Ok(done)
}

/// Reads pages here and there in the files, each of which this job opens for itself.
fn random(task: &Task, job: u64) -> Result<Done> {
    let mut files = Vec::new();
    for path in &task.paths {
        let file = File::open(path)?;
        // No readahead: what is asked for is all that is wanted.
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::Random);
        let pages = file.metadata()?.size().min(task.span) / PAGE;
        files.push((file, pages));
    }
    let pages: u64 = files.iter().map(|(_, pages)| pages).sum();
    if pages == 0 {
        return Err("no file has 4 KiB".into());
    }
    let mut state = task.seed ^ (job << 32);
    let mut done = Done::default();
    let mut buf = vec![0; usize::try_from(PAGE)?];
    for _ in 0..task.count / task.jobs {
        let mut page = next(&mut state) % pages;
        for (file, own) in &files {
            if page < *own {
                file.read_exact_at(&mut buf, page * PAGE)?;
                break;
            }
            page -= own;
        }
        done.operations += 1;
        done.bytes += PAGE;
        done.sum = done.sum.wrapping_add(sum(&buf));
    }
    Ok(done)
}

/// The first eight bytes of each page: enough to tell other contents, and nothing beside the read.
fn sum(bytes: &[u8]) -> u64 {
    let pages = bytes.chunks(4096);
    let words = pages.filter_map(|page| page.first_chunk::<8>());
    words.fold(0, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
}

fn shuffle(paths: &mut [String], seed: u64) {
    let mut state = seed;
    for last in (1..paths.len()).rev() {
        let other = next(&mut state) % u64::try_from(last + 1).unwrap_or(1);
        paths.swap(last, usize::try_from(other).unwrap_or(0));
    }
}

/// SplitMix64: the next number of a sequence that the seed alone gives.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
