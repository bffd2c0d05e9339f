//! `DiskDescriptor.xml` of a bundle: which files hold which part of the disk, and which snapshot
//! stands on which (QEMU's `docs/interop/prl-xml.rst`).

use roxmltree::Node;

use crate::error::{Error, Result, printable};
use crate::image::xml::{children, parse};

/// How many storages, images and snapshots are looked at.
const MOST: usize = 10_000;

/// How many images may stand on one another.
const MOST_DEEP: usize = 16;

/// The snapshot that the machine writes to, unless `TopGUID` says otherwise.
const TOP: &str = "{5fbaabe3-6958-40ff-92a7-860e329aab41}";

/// No snapshot; no encryption.
const NIL: &str = "{00000000-0000-0000-0000-000000000000}";

/// The parts of the disk.
#[derive(Debug)]
pub(super) struct Descriptor {
    /// Sectors of 512 bytes.
    pub(super) sectors: u64,
    /// Bytes of the guest's sector.
    pub(super) sector_size: u32,
    /// In order and without gaps.
    pub(super) storages: Vec<Storage>,
}

/// A range of the disk.
#[derive(Debug)]
pub(super) struct Storage {
    /// Its first sector, and the one behind its last.
    pub(super) start: u64,
    pub(super) end: u64,
    /// What holds it: the root first, each further image on the one before.
    pub(super) images: Vec<Image>,
}

/// One file.
#[derive(Clone, Debug)]
pub(super) struct Image {
    guid: String,
    /// `Plain`, or `Compressed`, which means expanding.
    pub(super) plain: bool,
    pub(super) file: String,
}

/// The files that the descriptor names.
pub(super) fn files(text: &str) -> Result<Vec<String>> {
    let document = parse(text)?;
    let files = document
        .descendants()
        .filter(|node| node.has_tag_name("File"));
    Ok(files.take(MOST).map(content).collect())
}

/// The GUIDs of the snapshots that the descriptor has, in its order, the current state among them.
pub(super) fn snapshots(text: &str) -> Result<Vec<String>> {
    let document = parse(text)?;
    let shots = shots(document.root_element());
    shots.map(|shot| guid(shot, "GUID")).collect()
}

/// Reads the descriptor as of `snapshot`, a GUID, or of now.
pub(super) fn read(text: &str, snapshot: Option<&str>) -> Result<Descriptor> {
    let document = parse(text)?;
    let root = document.root_element();
    let parameters = child(root, "Disk_Parameters")?;
    if let Ok(padding) = number(parameters, "Padding")
        && padding != 0
    {
        let text = format!("Padding {padding}, which is not supported");
        return Err(Error::unsupported(text));
    }
    let encryption = children(parameters, "Encryption").flat_map(|it| children(it, "Engine"));
    if let Some(engine) = encryption
        .map(content)
        .find(|it| !it.is_empty() && it != NIL)
    {
        let engine = printable(engine.as_bytes());
        return Err(Error::locked(format!("encrypted by the engine {engine}")));
    }
    let sectors = number(parameters, "Disk_size")?;
    let chain = chain(root, snapshot)?;
    let storages = children(child(root, "StorageData")?, "Storage").take(MOST);
    let storages: Result<Vec<_>> = storages.map(|node| storage(node, &chain)).collect();
    let mut storages = storages?;
    storages.sort_by_key(|storage| storage.start);
    check_cover(&storages, sectors)?;
    let sector_size = match number(parameters, "LogicSectorSize") {
        Ok(4096) => 4096,
        _ => 512,
    };
    Ok(Descriptor {
        sectors,
        sector_size,
        storages,
    })
}

fn shots<'a, 'input>(root: Node<'a, 'input>) -> impl Iterator<Item = Node<'a, 'input>> {
    let lists = children(root, "Snapshots").take(1);
    lists.flat_map(|list| children(list, "Shot")).take(MOST)
}

/// The GUIDs from the top snapshot down to the root. None where the descriptor has no snapshots.
fn chain(root: Node<'_, '_>, snapshot: Option<&str>) -> Result<Vec<String>> {
    let shots = shots(root).map(|shot| Ok((guid(shot, "GUID")?, guid(shot, "ParentGUID")?)));
    let shots: Vec<(String, String)> = shots.collect::<Result<_>>()?;
    let mut snapshots = children(root, "Snapshots");
    let top = snapshots.find_map(|node| guid(node, "TopGUID").ok());
    let mut own = match snapshot {
        Some(wanted) => {
            let wanted = wanted.trim_matches(['{', '}']).to_ascii_lowercase();
            format!("{{{wanted}}}")
        }
        None if shots.is_empty() => return Ok(Vec::new()),
        None => top.unwrap_or_else(|| TOP.to_owned()),
    };
    let mut chain = Vec::new();
    while own != NIL {
        let shot = shots.iter().find(|(guid, _)| *guid == own);
        let Some((guid, parent)) = shot else {
            let own = printable(own.as_bytes());
            let known: Vec<&str> = shots.iter().map(|(guid, _)| guid.as_str()).collect();
            let error = Error::not_found(format!("no snapshot is called {own}"));
            let known = printable(known.join(", ").as_bytes());
            return Err(error.hint(format!("there are: {known}")));
        };
        if chain.contains(guid) {
            let guid = printable(guid.as_bytes());
            return Err(Error::corrupt(format!("snapshot {guid} stands on itself")));
        }
        chain.push(guid.clone());
        own.clone_from(parent);
        if chain.len() > MOST_DEEP {
            let text = format!("the chain of snapshots is deeper than {MOST_DEEP}");
            return Err(Error::unsupported(text));
        }
    }
    Ok(chain)
}

fn storage(node: Node<'_, '_>, chain: &[String]) -> Result<Storage> {
    let all: Result<Vec<Image>> = children(node, "Image").take(MOST).map(image).collect();
    let all = all?;
    let images = match (chain, all.as_slice()) {
        ([], [only]) => vec![only.clone()],
        _ => {
            let of = |guid: &String| all.iter().find(|image| image.guid == *guid).cloned();
            chain.iter().rev().filter_map(of).collect()
        }
    };
    let (start, end) = (number(node, "Start")?, number(node, "End")?);
    if images.is_empty() {
        let text = format!("the storage from sector {start} has no image of the snapshot");
        return Err(Error::corrupt(text));
    }
    Ok(Storage { start, end, images })
}

fn image(node: Node<'_, '_>) -> Result<Image> {
    let kind = content(child(node, "Type")?);
    let plain = match kind.as_str() {
        "Plain" => true,
        "Compressed" => false,
        _ => {
            let kind = printable(kind.as_bytes());
            return Err(Error::unsupported(format!("an Image of Type {kind}")));
        }
    };
    Ok(Image {
        guid: guid(node, "GUID")?,
        plain,
        file: content(child(node, "File")?),
    })
}

/// The storages cover the disk without gap or overlap.
fn check_cover(storages: &[Storage], sectors: u64) -> Result<()> {
    let mut at = 0;
    for storage in storages {
        let (start, end) = (storage.start, storage.end);
        if start != at || end <= start {
            let text = format!("Storage from Start {start} to End {end}: {at} is where it starts");
            return Err(Error::corrupt(text));
        }
        at = end;
    }
    if at != sectors || sectors == 0 || sectors > 1 << 52 {
        let text = format!("Disk_size {sectors}, but the storages end at {at}");
        return Err(Error::corrupt(text));
    }
    Ok(())
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &'static str) -> Result<Node<'a, 'input>> {
    let missing = || Error::corrupt(format!("XML: no {name}"));
    let found = node.children().find(|it| it.tag_name().name() == name);
    found.ok_or_else(missing)
}

fn content(node: Node<'_, '_>) -> String {
    node.text().unwrap_or("").trim().to_owned()
}

fn guid(node: Node<'_, '_>, name: &'static str) -> Result<String> {
    Ok(content(child(node, name)?).to_ascii_lowercase())
}

fn number(node: Node<'_, '_>, name: &'static str) -> Result<u64> {
    let text = content(child(node, name)?);
    let wrong = |_| {
        let text = printable(text.as_bytes());
        Error::corrupt(format!("{name} {text} is no number"))
    };
    text.parse().map_err(wrong)
}
