//! What the fuzz targets begin with: seeds of the families, and small images of the collection, each
//! with the targets of the formats that claim it.

use std::collections::BTreeMap;
use std::path::Path;

use imgmount::format::Format;
use imgmount::source::{Memory, Source};
use imgmount::stack::Registries;

use crate::family::Family;
use crate::input;
use crate::tools;

/// Bytes of one input: of what is larger, few of the fuzzer's changes would hit what matters.
const LARGEST: usize = 256 << 10;
/// Bytes of a collected image that is unpacked to see how large an input it makes.
const LARGEST_IMAGE: usize = 4 << 20;

/// Writes them to a folder for each target below `folder`; gives how many each has.
///
/// # Errors
/// What cannot be written.
pub fn write(
    families: &[&dyn Family],
    images: Option<&Path>,
    folder: &Path,
) -> std::io::Result<BTreeMap<&'static str, usize>> {
    let mut counts = BTreeMap::new();
    for family in families {
        for seed in family.seeds(images) {
            let files: Vec<&[u8]> = seed.files.iter().map(|(_, bytes)| &**bytes).collect();
            let name = format!("{}-{}", family.name(), seed.name.replace('/', "-"));
            add(&name, &files, folder, &mut counts)?;
        }
    }
    for path in images.map(small).unwrap_or_default() {
        if let Some(bytes) = tools::collected(images, &path) {
            add(&path.replace('/', "-"), &[&bytes], folder, &mut counts)?;
        }
    }
    Ok(counts)
}

/// Writes the files that the input in `input` stands for to `folder`.
///
/// # Errors
/// What cannot be read or written.
pub fn unpack(input: &Path, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let files = input::unpack(&std::fs::read(input)?).into_iter();
    for (number, file) in files.enumerate() {
        std::fs::write(folder.join(format!("image.{number}")), file)?;
    }
    Ok(())
}

/// Adds one input to every target that it is for.
fn add(
    name: &str,
    files: &[&[u8]],
    folder: &Path,
    counts: &mut BTreeMap<&'static str, usize>,
) -> std::io::Result<()> {
    let input = input::pack(files);
    let Some(first) = files.first().filter(|_| input.len() <= LARGEST) else {
        return Ok(());
    };
    let mut targets = claiming(&Memory(first.to_vec()));
    targets.push("stack");
    if name.starts_with("split") {
        // Only names say what belongs to it, and the targets know them.
        targets.push("split");
    }
    for target in targets {
        let folder = folder.join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(name), &input)?;
        *counts.entry(target).or_default() += 1;
    }
    Ok(())
}

/// The names of the formats of all layers that say of `source` that it is theirs.
fn claiming(source: &dyn Source) -> Vec<&'static str> {
    fn of<Open>(formats: &[Format<Open>], source: &dyn Source) -> Vec<&'static str> {
        let claims = |format: &&Format<Open>| matches!((format.claim)(source), Ok(Some(_)));
        let claiming = formats.iter().filter(claims).map(|format| format.name);
        claiming.filter(|name| *name != "raw").collect()
    }
    let all = Registries::BUILT_IN;
    let mut names = of(all.image, source);
    names.extend(of(all.partition, source));
    names.extend(of(all.volume, source));
    names.extend(of(all.filesystem, source));
    names
}

/// The collected images that are small once unpacked, by their paths in the folder `images`.
fn small(images: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for manifest in ["manifest-a.tsv", "manifest-b.tsv"] {
        let text = std::fs::read_to_string(images.join(manifest)).unwrap_or_default();
        for line in text.lines().skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            let size = columns.get(2).and_then(|size| size.parse::<usize>().ok());
            if size.is_some_and(|size| (1..=LARGEST_IMAGE).contains(&size)) {
                found.push(columns[0].to_owned());
            }
        }
    }
    found
}
