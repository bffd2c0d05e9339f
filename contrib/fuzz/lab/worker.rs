//! The process that opens broken images, one after the other. What it says on its standard output
//! is what is known of a case when it dies.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use imgmount::stack::Content;

use super::cases::{self, Case, Prepared};
use super::explore;
use super::family::Family;
use super::limits::{self, within};
use super::opened;
use super::oracle::shared;
use super::record::Recorded;

/// How the process ends whose case had more memory than it may.
pub const OVER_MEMORY: i32 = 71;

/// Bytes that a whole image is read for at the most, to judge it.
const JUDGED: u64 = 64 << 20;

/// What became of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing in it opens.
    Refused,
    /// As sound as its seed, as far as can be seen.
    Opened,
    /// Some of it is damaged.
    Damaged,
}

impl Outcome {
    pub const ALL: [Self; 3] = [Self::Refused, Self::Opened, Self::Damaged];

    pub fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Opened => "opened",
            Self::Damaged => "damaged",
        }
    }
}

/// Runs the cases from `first` up to `end`.
///
/// # Errors
/// What keeps the worker itself from working.
pub fn run(
    family: &dyn Family,
    prepared: &Path,
    seed: u64,
    first: u64,
    end: u64,
) -> Result<(), String> {
    let bytes = std::fs::read(prepared).map_err(|error| error.to_string())?;
    let seeds: Vec<Prepared> = postcard::from_bytes(&bytes).map_err(|error| error.to_string())?;
    drop(bytes);
    limits::enforce()?;
    for number in first..end {
        let case = cases::make(family, &seeds, seed, number).ok_or("there are no seeds")?;
        say(&format!("start {number} {}", case.what));
        let before = limits::forget_peak();
        let Judged {
            outcome,
            compared,
            differs,
        } = judge(&seeds[case.seed], case);
        let peak = limits::peak().saturating_sub(before);
        if let Some(differs) = differs {
            say(&format!("differs {number} {}", differs.replace('\n', " ")));
        }
        if peak > limits::MEMORY {
            eprintln!("over memory: {} MiB", peak >> 20);
            std::process::exit(OVER_MEMORY);
        }
        say(&format!("end {number} {} {compared}", outcome.word()));
    }
    Ok(())
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody reads it any more: the work has no end to go for.
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// What became of a case.
struct Judged {
    outcome: Outcome,
    /// How many things were compared with the reference.
    compared: u64,
    /// What it shows differently without having been hit there.
    differs: Option<String>,
}

fn judge(prepared: &Prepared, mut case: Case) -> Judged {
    let files = shared(&prepared.seed, std::mem::take(&mut case.files));
    let key = prepared.seed.key.as_deref();
    let reference = &prepared.reference;
    let image = Recorded::new(&files, 0, None);
    let opened = within("open", limits::FOR_OPENING, || {
        opened::stack(&files, key, case.ignores_checksums, None)
    });
    let stack = match opened {
        Ok(stack) => Arc::new(stack),
        Err(error) => {
            let is_spared = !case.is_cut && !reference.opening_is_hit(&case.touched);
            let differs = is_spared && !reference.has_other_magics(&*image, None);
            let differs = differs.then(|| format!("refused: {error}"));
            return Judged {
                outcome: Outcome::Refused,
                compared: u64::from(is_spared),
                differs,
            };
        }
    };
    let nodes = stack.nodes();
    let refused = nodes
        .iter()
        .filter(|node| is_refused(&node.content))
        .count();
    let is_refused = !nodes.iter().any(|node| is_open(&node.content))
        && !stack.sets.iter().any(|set| is_open(&set.content));
    let composed = within("compose", limits::FOR_REQUEST, || {
        opened::tree(stack.clone())
    });
    let tree = composed.expect("no volume was asked for that could be missing");
    let met = explore::explore(&tree);
    let (compared, differs) = reference.compare(&case, &tree);
    // A magic number at another format's place makes it that format, or both.
    let differs = differs.filter(|_| !reference.has_other_magics(&*image, Some(&stack)));
    let mut findings = 0;
    if met.claimed <= JUDGED && !met.is_more {
        within("check", limits::FOR_CHECK, || {
            imgmount::check::check(&stack, &mut |_| findings += 1, &mut |_| {})
        });
    }
    let outcome = match (is_refused, met.errors + findings + refused as u64) {
        (true, _) => Outcome::Refused,
        (false, 0) => Outcome::Opened,
        (false, _) => Outcome::Damaged,
    };
    Judged {
        outcome,
        compared,
        differs,
    }
}

fn is_refused(content: &Content) -> bool {
    matches!(content, Content::Damaged { .. } | Content::Locked { .. })
}

/// A file system, or a table whose volumes are bytes.
fn is_open(content: &Content) -> bool {
    matches!(content, Content::FileSystem { .. } | Content::Table { .. })
}
