//! The lab: makes broken images from a number, has our readers look at everything in them, and says
//! which of them crashed, hung, took too much memory, or saw something else where nothing was hit.
//! See README.md in the folder above.
#![allow(missing_docs, unreachable_pub)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

mod bytes;
mod cases;
mod corpus;
mod explore;
mod facts;
mod families;
mod family;
mod input;
mod limits;
mod numbers;
mod opened;
mod oracle;
mod record;
mod report;
mod run;
mod tools;
mod values;
mod worker;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use self::family::Family;
use self::run::Plan;

/// Has broken images looked at.
#[derive(Parser)]
#[command(name = "lab")]
struct Arguments {
    /// The families, with commas between them, or all.
    #[arg(long, alias = "family", default_value = "all")]
    families: String,
    /// How many images of each family.
    #[arg(long, default_value_t = 5000)]
    n: u64,
    /// The seed of the generator.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the case with this number.
    #[arg(long)]
    case: Option<u64>,
    /// Write the image of that case there, and nothing else is done with it.
    #[arg(long, requires = "case")]
    write: Option<PathBuf>,
    /// Write the seeds there, and small collected images, a folder for each fuzz target; no case is
    /// made.
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// Write the files there that an input of the fuzz targets stands for, as image.0, image.1 …
    #[arg(long, value_names = ["INPUT", "FOLDER"], num_args = 2)]
    unpack: Option<Vec<PathBuf>>,
    /// How many at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Start nothing more after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// The folder of collected images; ../shared/images where it is there.
    #[arg(long)]
    images: Option<PathBuf>,
    /// Print the table for a README.
    #[arg(long)]
    markdown: bool,
    /// The number of the first case of each family.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// That behind the last, in a worker.
    #[arg(long, hide = true, requires = "worker")]
    end: Option<u64>,
    /// What a worker gets its seeds from.
    #[arg(long, hide = true)]
    worker: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was found.
fn run(arguments: &Arguments) -> Result<bool, String> {
    let families = chosen(&arguments.families)?;
    let (seed, first) = (arguments.seed, arguments.first);
    if let Some(prepared) = &arguments.worker {
        let family = families.first().ok_or("no family")?;
        let end = arguments.end.unwrap_or(first);
        return worker::run(*family, prepared, seed, first, end).map(|()| true);
    }
    let images = arguments.images.clone().or_else(beside);
    if let Some([input, folder]) = arguments.unpack.as_deref() {
        let unpacked = corpus::unpack(input, folder);
        let failed = |error| format!("{}: {error}", input.display());
        return unpacked.map_err(failed).map(|()| true);
    }
    if let Some(folder) = &arguments.corpus {
        let counts = corpus::write(&families, images.as_deref(), folder);
        let counts = counts.map_err(|error| format!("{}: {error}", folder.display()))?;
        let lines = counts
            .iter()
            .map(|(name, count)| format!("{name:18} {count:5}\n"));
        print!("{}", lines.collect::<String>());
        return Ok(true);
    }
    if let (Some(case), Some(folder)) = (arguments.case, &arguments.write) {
        let family = families.first().ok_or("no family")?;
        return write(*family, images.as_deref(), seed, case, folder).map(|()| true);
    }
    let report = run::run(&Plan {
        families,
        images: images.as_deref(),
        seed,
        first: arguments.case.unwrap_or(first),
        end: arguments.case.map_or(first + arguments.n, |case| case + 1),
        jobs: arguments.jobs.max(1),
        time: arguments.seconds.map(Duration::from_secs),
    })?;
    let skipped = tools::skipped();
    println!("\n{}", report.table(arguments.markdown));
    if !skipped.is_empty() {
        println!("{} skipped:\n  {}\n", skipped.len(), skipped.join("\n  "));
    }
    print!("{}", report.listing(seed));
    Ok(report.findings.is_empty())
}

fn chosen(names: &str) -> Result<Vec<&'static dyn Family>, String> {
    let all = || families::ALL.iter().copied();
    let one = |name: &str| {
        let mut all = all();
        let found = all.find(|family| family.name() == name);
        let known: Vec<_> = families::ALL.iter().map(|family| family.name()).collect();
        found.ok_or_else(|| {
            format!(
                "no family is called {name}; there are: {}",
                known.join(", ")
            )
        })
    };
    match names {
        "all" => Ok(all().collect()),
        names => names.split(',').map(one).collect(),
    }
}

/// The folder of collected images where the tests look for it.
fn beside() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/images");
    folder.is_dir().then_some(folder)
}

/// Writes the image of a case, and the seed that it was made from beside it.
fn write(
    family: &dyn Family,
    images: Option<&Path>,
    seed: u64,
    number: u64,
    folder: &Path,
) -> Result<(), String> {
    let seeds = run::prepare(family, images);
    let case = cases::make(family, &seeds, seed, number).ok_or("the family has no seeds")?;
    println!("{}", case.what);
    let before = seeds[case.seed].seed.files.iter();
    for ((name, before), after) in before.zip(&case.files) {
        for (path, bytes) in [
            (folder.join(name), after),
            (folder.join("seed").join(name), before),
        ] {
            let parent = path.parent().unwrap_or(folder);
            let written =
                std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&path, bytes));
            written.map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    for (file, range) in &case.touched {
        println!("file {file}: bytes {:#x} to {:#x}", range.start, range.end);
    }
    Ok(())
}
