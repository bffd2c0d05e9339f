//! What a sound image shows, and whether a broken one shows the same of what was not hit.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use imgmount::error::Result;
use imgmount::filesystem::{FileSystem, FileType};
use imgmount::signature;
use imgmount::source::Source;
use imgmount::stack::{Content, Node, Stack};
use imgmount::tree::Tree;
use serde::{Deserialize, Serialize};

use super::cases::Case;
use super::facts::{self, Facts, PIECE, Part, WHOLE};
use super::family::Seed;
use super::limits::request;
use super::opened;
use super::record::{Files, Log, Piece, Recorded, merged, overlap};

/// Files of a seed that are compared, and pieces of each.
const FILES: usize = 60;
const PIECES: u64 = 6;

/// The path of a file from the root of the tree, name by name.
type Path = Vec<Vec<u8>>;

/// What a sound image shows.
#[derive(Serialize, Deserialize)]
pub struct Reference {
    /// What is read to open it, but for what is read to find magic numbers.
    opening: Vec<Piece>,
    /// The formats whose magic numbers are in it.
    magics: String,
    /// Where the volumes are of a disk that is the image itself.
    areas: Vec<Area>,
    targets: Vec<Target>,
    /// Each read of what is no file's contents.
    pub seen: Vec<Piece>,
}

/// Where a volume is.
#[derive(Serialize, Deserialize)]
struct Area {
    name: String,
    range: Range<u64>,
    /// It holds no other volumes.
    is_leaf: bool,
}

/// Something that is compared.
#[derive(Serialize, Deserialize)]
struct Target {
    path: Path,
    part: Part,
    facts: Facts,
    /// What is read for it, beyond opening.
    read: Vec<Piece>,
}

impl Target {
    fn name(&self) -> String {
        let names = self
            .path
            .iter()
            .map(|name| imgmount::error::printable(name));
        let names: Vec<String> = names.collect();
        match self.part {
            Part::Itself => format!("/{}", names.join("/")),
            Part::Piece(offset) => format!("/{} from byte {offset} on", names.join("/")),
        }
    }
}

/// The files of `seed`, shared.
pub fn shared(names: &Seed, files: Vec<Vec<u8>>) -> Files {
    let names = names.files.iter().map(|(name, _)| name.clone());
    Arc::new(names.zip(files.into_iter().map(Arc::new)).collect())
}

/// What `seed` shows.
///
/// # Errors
/// What keeps it from being opened.
pub fn reference(seed: &Seed) -> Result<Reference> {
    let bytes = seed.files.iter().map(|(_, bytes)| bytes.clone());
    let files = shared(seed, bytes.collect());
    let open = || {
        let log = Arc::<Log>::default();
        let stack = opened::stack(&files, seed.key.as_deref(), false, Some(log.clone()))?;
        let stack = Arc::new(stack);
        Ok((stack.clone(), opened::tree(stack)?, log))
    };
    let (stack, tree, log) = open()?;
    let mut opening = log.take();
    let image = Recorded::new(&files, 0, Some(log.clone()));
    let magics = magics(&*image, Some(&stack));
    without(&mut opening, log.take());
    let (parts, listing) = parts(&tree, &log);
    let mut targets = Vec::new();
    for (path, part) in parts {
        // Nothing that was read for another one helps.
        let (_, tree, log) = open()?;
        log.take();
        let facts = facts::look(&tree, &path, &part);
        targets.push(Target {
            path,
            part,
            facts,
            read: merged(log.take()),
        });
    }
    let seen: BTreeSet<_> = opening.iter().chain(&listing).map(key).collect();
    let seen = seen
        .into_iter()
        .map(|(file, start, end)| (file, start..end));
    Ok(Reference {
        seen: seen.filter(|(_, range)| !range.is_empty()).collect(),
        opening: merged(opening),
        magics,
        areas: areas(&stack),
        targets,
    })
}

/// The partitions of the first disk, where it is the image byte for byte.
fn areas(stack: &Stack) -> Vec<Area> {
    let is_raw = stack.layers.len() == 1 && stack.image_format() == "raw";
    let first = stack
        .disks
        .first()
        .filter(|_| is_raw && stack.sets.is_empty());
    let partitions = first.map_or(&[][..], |disk| disk.content.children());
    let area = |node: &Node| {
        let (start, len) = node.location?;
        Some(Area {
            name: node.name.clone(),
            range: start..start.checked_add(len)?,
            is_leaf: matches!(node.content, Content::FileSystem { .. }),
        })
    };
    partitions.iter().filter_map(area).collect()
}

/// The formats whose magic numbers are in `image` and in each volume of it.
pub fn magics(image: &dyn Source, stack: Option<&Stack>) -> String {
    let names = |source: &dyn Source| {
        let found = signature::find(source);
        found
            .iter()
            .fold(String::new(), |names, found| names + " " + found.name)
    };
    let mut all = format!("image:{}", names(image));
    for node in stack.iter().flat_map(|stack| stack.nodes()) {
        if let Ok(source) = &node.source {
            all += &format!(" {}:{}", node.name, names(&**source));
        }
    }
    all
}

/// Takes `probes` out of `opening`, each as often as it is there.
fn without(opening: &mut Vec<Piece>, mut probes: Vec<Piece>) {
    opening.retain(|piece| {
        let found = probes.iter().position(|probe| probe == piece);
        found.map(|place| probes.swap_remove(place)).is_none()
    });
}

fn key((file, range): &Piece) -> (usize, u64, u64) {
    (*file, range.start, range.end)
}

/// Everything there is to compare, and what was read to find it.
fn parts(tree: &Tree, log: &Log) -> (Vec<(Path, Part)>, Vec<Piece>) {
    let mut left = vec![(Path::new(), tree.root())];
    let mut parts = Vec::new();
    let mut listing = Vec::new();
    let mut files = 0;
    while let Some((path, inode)) = left.pop() {
        files += 1;
        if files > FILES {
            break;
        }
        parts.push((path.clone(), Part::Itself));
        let Ok(found) = request("attributes", |on| tree.attributes(on, inode)) else {
            continue;
        };
        if found.kind == FileType::Directory {
            let mut names = Vec::new();
            // What cannot be listed is so in every image made of this one.
            let _ = request("read_dir", |on| {
                tree.read_dir(on, inode, 0, &mut |entry| {
                    names.push(entry.name.to_vec());
                    names.len() < FILES
                })
            });
            for name in names
                .into_iter()
                .filter(|name| !matches!(&name[..], b"." | b".."))
            {
                let found = request("lookup", |on| tree.lookup(on, inode, &name));
                if let Ok(Some(child)) = found {
                    left.push(([&path[..], &[name]].concat(), child));
                }
            }
        } else if found.kind == FileType::Regular && found.size > WHOLE {
            let last = (found.size - PIECE) / PIECE;
            let pieces: BTreeSet<u64> = (0..PIECES).map(|nth| last * nth / (PIECES - 1)).collect();
            parts.extend(
                pieces
                    .into_iter()
                    .map(|piece| (path.clone(), Part::Piece(piece * PIECE))),
            );
        }
        let _ = facts::xattrs(tree, inode);
        listing.extend(log.take());
    }
    (parts, listing)
}

impl Reference {
    /// Whether opening an image reads any of the bytes `touched`.
    pub fn opening_is_hit(&self, touched: &[Piece]) -> bool {
        overlap(&self.opening, touched)
    }

    /// How many things are compared.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether the bytes `touched` put other formats into `image`, or took one out, by their magic.
    pub fn has_other_magics(&self, image: &dyn Source, stack: Option<&Stack>) -> bool {
        let now = magics(image, stack);
        match stack {
            Some(_) => now != self.magics,
            None => !self.magics.starts_with(&format!("{now} ")),
        }
    }

    /// Compares what none of the bytes were touched of that it takes to read it: how many things
    /// these are, and what `tree` shows differently.
    pub fn compare(&self, case: &Case, tree: &Tree) -> (u64, Option<String>) {
        let is_hit = self.opening_is_hit(&case.touched);
        let hit_area = self.hit_area(&case.touched);
        let spared = self.targets.iter().filter(|target| {
            let is_elsewhere = hit_area.is_some_and(|hit| self.is_apart(target, hit));
            (!is_hit || is_elsewhere) && !overlap(&target.read, &case.touched)
        });
        let (mut compared, mut first) = (0, None);
        for target in spared {
            compared += 1;
            first = first.or(differs(target, tree, case.is_cut));
        }
        (compared, first)
    }

    /// The one volume that all of the bytes `touched` are in.
    fn hit_area(&self, touched: &[Piece]) -> Option<&Area> {
        let holds = |area: &&Area| {
            let is_inside = |(file, range): &Piece| {
                *file == 0 && area.range.start <= range.start && range.end <= area.range.end
            };
            area.is_leaf && touched.iter().all(is_inside)
        };
        self.areas.iter().find(holds)
    }

    /// Whether `target` is in a volume that shares no byte with `hit`: nothing in the one bears on the
    /// other.
    fn is_apart(&self, target: &Target, hit: &Area) -> bool {
        let name = target.path.first().map_or(&[][..], |name| &name[..]);
        let name = name.strip_suffix(b".img").unwrap_or(name);
        let mut others = self.areas.iter();
        let other = others.find(|other| other.name.as_bytes() == name);
        other.is_some_and(|other| {
            other.range.end <= hit.range.start || hit.range.end <= other.range.start
        })
    }
}

/// How `target` looks now, unless it looks as before. An image that was cut off may be told from its
/// size by any reader, and be refused; but nothing may look sound and be another.
fn differs(target: &Target, tree: &Tree, is_cut: bool) -> Option<String> {
    let now = facts::look(tree, &target.path, &target.part);
    let is_gone = matches!(&now, Facts::Seen(seen) if seen == facts::NOTHING);
    let is_same = match (&target.facts, &now) {
        (Facts::Seen(before), Facts::Seen(now)) if is_cut => {
            is_gone || without_blocks(before) == without_blocks(now)
        }
        (Facts::Seen(before), Facts::Seen(now)) => before == now,
        (Facts::Failed(_), Facts::Failed(_)) => true,
        _ => is_cut,
    };
    (!is_same).then(|| format!("{}: was {:?}, is {now:?}", target.name(), target.facts))
}

/// All but how many blocks a raw file takes: holes are not known of what is gone.
fn without_blocks(said: &str) -> (&str, &str) {
    let (before, behind) = said.split_once(" blocks: ").unwrap_or((said, ""));
    (
        before,
        behind.split_once(',').map_or(behind, |(_, rest)| rest),
    )
}
