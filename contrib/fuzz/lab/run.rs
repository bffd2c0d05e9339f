//! Deals the cases out to workers, and says what became of those that died.

use std::io::{BufRead, BufReader, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::cases::Prepared;
use super::family::{Family, Seed, Structure};
use super::limits::HANGS;
use super::oracle;
use super::report::{Fault, Finding, Report};
use super::tools::skip;
use super::worker::{OVER_MEMORY, Outcome};

/// Cases that one worker gets.
const CHUNK: u64 = 100;

/// What is to be run.
pub struct Plan<'a> {
    pub families: Vec<&'static dyn Family>,
    pub images: Option<&'a Path>,
    pub seed: u64,
    /// The numbers of the cases of each family.
    pub first: u64,
    pub end: u64,
    pub jobs: usize,
    pub time: Option<Duration>,
}

/// Cases of one family.
struct Chunk {
    family: &'static dyn Family,
    first: u64,
    end: u64,
}

/// The seeds of `family` that open, with all that has to be known of them.
pub fn prepare(family: &dyn Family, images: Option<&Path>) -> Vec<Prepared> {
    let mut prepared = Vec::new();
    for seed in family.seeds(images) {
        let structures = family.structures(&seed);
        let what = format!("{}: {}", family.name(), seed.name);
        if let Some(wrong) = wrongly_sealed(family, &seed, &structures) {
            skip(
                &what,
                &format!("the checksum of {wrong} is not that of its seal"),
            );
            continue;
        }
        match oracle::reference(&seed) {
            Ok(reference) => prepared.push(Prepared {
                seed,
                structures,
                reference,
            }),
            Err(error) => skip(&what, &error.to_string()),
        }
    }
    if prepared.is_empty() {
        skip(family.name(), "no seed: nothing of this family is tried");
    }
    prepared
}

/// The first of the `structures` whose seal changes the sound image: it would hide what is behind it.
fn wrongly_sealed(family: &dyn Family, seed: &Seed, structures: &[Structure]) -> Option<String> {
    let sound = seed.files.iter().map(|(_, bytes)| bytes.clone());
    let mut files: Vec<Vec<u8>> = sound.collect();
    let wrong = structures.iter().find(|found| {
        family.seal(&mut files, structures, (found.file, found.range.clone()));
        files
            .iter()
            .zip(&seed.files)
            .any(|(file, (_, sound))| file != sound)
    });
    wrong.map(|found| found.name.clone())
}

/// The file in `folder` with what is known of the seeds of `family`.
pub fn prepared_file(folder: &Path, family: &dyn Family) -> PathBuf {
    folder.join(family.name())
}

/// Runs everything.
///
/// # Errors
/// What keeps the lab itself from working.
pub fn run(plan: &Plan<'_>) -> Result<Report, String> {
    let folder = tempfile::Builder::new().prefix("imgmount-lab-").tempdir();
    let folder = folder.map_err(|error| error.to_string())?;
    let mut report = Report::default();
    let mut ready = Vec::new();
    for family in &plan.families {
        let prepared = prepare(*family, plan.images);
        report.rows.entry(family.name()).or_default().seeds = prepared.len();
        announce(family.name(), &prepared);
        if prepared.is_empty() {
            continue;
        }
        let bytes = postcard::to_allocvec(&prepared).map_err(|error| error.to_string())?;
        let file = prepared_file(folder.path(), *family);
        std::fs::write(&file, bytes).map_err(|error| error.to_string())?;
        ready.push(*family);
    }
    let starts = (plan.first..plan.end).step_by(CHUNK as usize);
    let chunks = starts.flat_map(|first| {
        let end = plan.end.min(first + CHUNK);
        ready.iter().map(move |family| Chunk {
            family: *family,
            first,
            end,
        })
    });
    let mut chunks: Vec<Chunk> = chunks.collect();
    chunks.reverse();
    let (chunks, report) = (Mutex::new(chunks), Mutex::new(report));
    let start = Instant::now();
    std::thread::scope(|scope| {
        let jobs = (0..plan.jobs).map(|_| {
            scope.spawn(|| {
                while let Some(chunk) = locked(&chunks).pop() {
                    if plan.time.is_some_and(|time| start.elapsed() > time) {
                        break;
                    }
                    work(plan.seed, folder.path(), chunk, &report)?;
                }
                Ok::<(), String>(())
            })
        });
        let jobs: Vec<_> = jobs.collect();
        let ends = jobs
            .into_iter()
            .map(|job| job.join().unwrap_or(Err("a job died".to_owned())));
        ends.collect::<Result<Vec<()>, String>>()
    })?;
    let report = report.into_inner();
    Ok(report.unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn announce(family: &str, prepared: &[Prepared]) {
    let structures = prepared.iter().flat_map(|seed| &seed.structures);
    let fields: usize = structures.map(|structure| structure.fields.len()).sum();
    let compared: usize = prepared.iter().map(|seed| seed.reference.len()).sum();
    let seeds = prepared.len();
    eprintln!("lab: {family}: {seeds} seeds, {fields} fields, {compared} things compared");
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    let guard = mutex.lock();
    guard.unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Has the cases of `chunk` run, by a new worker after each that dies.
fn work(seed: u64, folder: &Path, chunk: Chunk, report: &Mutex<Report>) -> Result<(), String> {
    let mut first = chunk.first;
    while first < chunk.end {
        let rest = Chunk { first, ..chunk };
        match worker(seed, folder, &rest, report)? {
            Some(died_at) => first = died_at + 1,
            None => break,
        }
    }
    Ok(())
}

/// Has them run by one worker; gives the number of the case that it died of.
fn worker(
    seed: u64,
    folder: &Path,
    chunk: &Chunk,
    report: &Mutex<Report>,
) -> Result<Option<u64>, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut errors = tempfile::tempfile().map_err(text)?;
    let mut child = Command::new(std::env::current_exe().map_err(text)?)
        .args([
            "--families",
            chunk.family.name(),
            "--seed",
            &seed.to_string(),
        ])
        .args([
            "--first",
            &chunk.first.to_string(),
            "--end",
            &chunk.end.to_string(),
        ])
        .arg("--worker")
        .arg(prepared_file(folder, chunk.family))
        // One arena, or the address space is gone with a few threads.
        .env("MALLOC_ARENA_MAX", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors.try_clone().map_err(text)?)
        .spawn()
        .map_err(text)?;
    let mut at = None;
    let family = chunk.family.name();
    for line in BufReader::new(child.stdout.take().ok_or("no output")?).lines() {
        let line = line.map_err(text)?;
        let mut words = line.splitn(3, ' ');
        let word = words.next().unwrap_or_default();
        let number = words.next().and_then(|word| word.parse::<u64>().ok());
        let number = number.ok_or_else(|| format!("a worker said {line:?}"))?;
        let rest = words.next().unwrap_or_default();
        match word {
            "start" => at = Some((number, rest.to_owned())),
            "differs" => {
                let what = at.as_ref().map_or(String::new(), |(_, what)| what.clone());
                let finding = Finding {
                    family,
                    number,
                    fault: Fault::Differs,
                    what,
                    said: rest.to_owned(),
                };
                tell(&finding);
                locked(report).fault(finding, false);
            }
            _ => {
                let outcome = Outcome::ALL
                    .into_iter()
                    .find(|it| rest.starts_with(it.word()));
                let compared = rest.rsplit(' ').next().and_then(|word| word.parse().ok());
                let (Some(outcome), Some(compared)) = (outcome, compared) else {
                    return Err(format!("a worker said {line:?}"));
                };
                locked(report).add(family, outcome, compared);
                at = None;
            }
        }
    }
    let status = child.wait().map_err(text)?;
    errors.rewind().map_err(text)?;
    let said = std::io::read_to_string(errors).unwrap_or_default();
    match at {
        None if status.success() => Ok(None),
        None => Err(format!("a worker for {family} failed: {status}: {said}")),
        Some((number, what)) => {
            let finding = death(family, number, what, status, &said);
            tell(&finding);
            locked(report).fault(finding, true);
            Ok(Some(number))
        }
    }
}

/// What a worker died of, by its status and its last words.
fn death(
    family: &'static str,
    number: u64,
    what: String,
    status: ExitStatus,
    said: &str,
) -> Finding {
    let is_allocation = said.contains("memory allocation of") || said.contains("out of memory");
    let fault = match status.code() {
        Some(HANGS) => Fault::Hang,
        Some(OVER_MEMORY) => Fault::OverMemory,
        _ if is_allocation => Fault::OverMemory,
        _ => Fault::Crash,
    };
    let said: Vec<&str> = said
        .trim()
        .lines()
        .filter(|line| !line.starts_with("note:"))
        .collect();
    let said = said.join(" ");
    let status = match status.signal() {
        Some(signal) => format!("signal {signal}: "),
        None => String::new(),
    };
    Finding {
        family,
        number,
        fault,
        what,
        said: format!("{status}{said}").chars().take(600).collect(),
    }
}

fn tell(finding: &Finding) {
    let (fault, family, number) = (finding.fault.word(), finding.family, finding.number);
    eprintln!(
        "lab: {fault}: {family} case {number}: {}\n    {}",
        finding.what, finding.said
    );
}
