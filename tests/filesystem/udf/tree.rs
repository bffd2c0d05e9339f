//! A tree with everything that a UDF volume can hold, in any layout of partitions.

use crate::support::udf::{
    Address, BLOCK, Builder, Entry, Layout, extended, identifier, long, name, short, tagged,
};

/// Names in the large directory, which are all the same file.
pub const MANY: usize = 400;

const ALLOCATED: u32 = 1 << 30;
const ABSENT: u32 = 2 << 30;
const CONTINUED: u32 = 3 << 30;

/// `length` bytes that differ from block to block.
pub fn pattern(length: usize, seed: u8) -> Vec<u8> {
    let byte = |index: usize| (index / 7) as u8 ^ (index / BLOCK) as u8 ^ seed;
    (0..length).map(byte).collect()
}

/// The contents of the files, by path.
pub fn contents() -> Vec<(&'static str, Vec<u8>)> {
    let holes = [
        pattern(BLOCK, 1),
        vec![0; 3 * BLOCK],
        pattern(BLOCK + 100, 2),
        vec![0; BLOCK],
    ];
    vec![
        ("embedded", b"in the entry\n".to_vec()),
        ("empty", Vec::new()),
        ("plain", pattern(5 * BLOCK + 17, 0)),
        ("holes", holes.concat()),
        ("chain", pattern(40 * BLOCK, 3)),
        ("extended", pattern(3 * BLOCK, 4)),
        ("rewritten", b"the third version\n".to_vec()),
        ("Größe Θ 日本 😀", b"by its name\n".to_vec()),
        ("folder/linked", b"in the entry\n".to_vec()),
    ]
}

/// Where what tests look at is.
pub struct Places {
    pub root: Address,
    pub folder: Address,
    pub embedded: Address,
    pub plain: Address,
    pub chain: Address,
    /// The allocation extents of `chain`.
    pub extents: [Address; 2],
    pub rewritten: Address,
    pub streams: Address,
    pub link: Address,
    pub device: Address,
}

/// The tree in `layout`, before it is finished. With sparing, the first packets were moved.
pub fn build(layout: Layout) -> (Builder, Places) {
    build_without(layout, &[])
}

/// The same without the files called `left_out`.
pub fn build_without(layout: Layout, left_out: &[&str]) -> (Builder, Places) {
    let mut builder = Builder::new(layout);
    if layout == Layout::Sparable {
        builder.spare(0, 3);
        builder.spare(128, 1);
        builder.spare(160, 0);
    }
    let root = builder.icb();
    let mut files = Vec::new();
    let bytes = |wanted: &str| {
        let found = contents().into_iter().find(|(path, _)| *path == wanted);
        found.unwrap().1
    };
    let streams = builder.icb();
    let resource = builder.file(&Entry::embedded(b"a stream"));
    let embedded = Entry {
        links: 2,
        streams: Some(streams),
        ..Entry::embedded(&bytes("embedded"))
    };
    let embedded = builder.file(&embedded);
    stream_directory(&mut builder, streams, embedded, resource);
    files.push(("embedded", embedded));
    files.push((
        "empty",
        builder.file(&Entry {
            flags: 0,
            ..Entry::embedded(b"")
        }),
    ));
    let plain = plain(&mut builder, &bytes("plain"));
    files.push(("plain", plain));
    files.push(("holes", holes(&mut builder, &bytes("holes"))));
    let (chain, extents) = chain(&mut builder, &bytes("chain"));
    files.push(("chain", chain));
    files.push(("extended", in_extended(&mut builder, &bytes("extended"))));
    let rewritten = rewritten(&mut builder);
    files.push(("rewritten", rewritten));
    let unicode = builder.file(&Entry::embedded(&bytes("Größe Θ 日本 😀")));
    files.push(("Größe Θ 日本 😀", unicode));
    let link = link(&mut builder);
    files.push(("link", link));
    let device = device(&mut builder, 6);
    files.push(("block", device));
    files.push(("character", self::device(&mut builder, 7)));
    for (path, file_type) in [("pipe", 9), ("socket", 10)] {
        let special = Entry {
            file_type,
            ..Entry::embedded(b"")
        };
        files.push((path, builder.file(&special)));
    }
    let (folder, many) = (builder.icb(), builder.icb());
    builder.directory(folder, root, &[("linked", embedded)]);
    large_directory(&mut builder, many, root, plain);
    files.push(("folder", folder));
    files.push(("many", many));
    files.retain(|(path, _)| !left_out.contains(path));
    builder.directory(root, root, &files);
    let places = Places {
        root,
        folder,
        embedded,
        plain,
        chain,
        extents,
        rewritten,
        streams,
        link,
        device,
    };
    (builder, places)
}

fn stream_directory(builder: &mut Builder, icb: Address, parent: Address, stream: Address) {
    let content = [
        identifier(icb.block, 8 | 2, &[], parent),
        identifier(icb.block, 0, &name("comment"), stream),
        identifier(icb.block, 16, &name("*UDF Backup"), stream),
        identifier(icb.block, 4, &name("deleted"), stream),
    ];
    let entry = Entry::embedded(&content.concat());
    builder.entry(
        icb,
        &Entry {
            file_type: 13,
            ..entry
        },
    );
}

/// An old file entry with set-uid, -1 as its owner, and two extents.
fn plain(builder: &mut Builder, content: &[u8]) -> Address {
    let (head, tail) = content.split_at(2 * BLOCK);
    let tail = builder.data(tail);
    let head = builder.data(head);
    let descriptors = [
        long(2 * BLOCK as u32, head),
        long((content.len() - 2 * BLOCK) as u32, tail),
    ];
    let entry = Entry::with(1, content.len(), descriptors.concat());
    builder.file(&Entry {
        extended: false,
        flags: 1 | 0x40 | 0x100,
        uid: u32::MAX,
        gid: u32::MAX,
        attributes: attributes(5, &created()),
        ..entry
    })
}

/// When a file was created, as the extended attribute for file times has it.
fn created() -> Vec<u8> {
    let head = [12_u32, 1].map(u32::to_le_bytes).concat();
    [head, crate::support::udf::time(9).to_vec()].concat()
}

fn attributes(kind: u32, data: &[u8]) -> Vec<u8> {
    let places = [u32::MAX; 2].map(u32::to_le_bytes).concat();
    let mut bytes = tagged(262, 0, &places);
    // One that is of no interest stands before.
    for (kind, data) in [(2048, &[0; 36][..]), (kind, data)] {
        bytes.extend(kind.to_le_bytes());
        bytes.extend([1, 0, 0, 0]);
        bytes.extend((12 + data.len() as u32).to_le_bytes());
        bytes.extend(data);
    }
    bytes
}

fn holes(builder: &mut Builder, content: &[u8]) -> Address {
    let first = builder.data(&content[..BLOCK]);
    let rubbish = builder.data(&[0xa5; 2 * BLOCK]);
    let last = builder.data(&content[4 * BLOCK..5 * BLOCK + 100]);
    let nowhere = Address {
        partition: 0,
        block: 0,
    };
    let descriptors = [
        long(BLOCK as u32, first),
        long(ALLOCATED | (2 * BLOCK as u32), rubbish),
        long(ABSENT | BLOCK as u32, nowhere),
        long(BLOCK as u32 + 100, last),
    ];
    // Behind the last extent the file goes on.
    builder.file(&Entry::with(1, content.len(), descriptors.concat()))
}

/// Forty extents of one block, in the entry and two allocation extents.
fn chain(builder: &mut Builder, content: &[u8]) -> (Address, [Address; 2]) {
    let blocks = (content.len() / BLOCK) as u32;
    let start = builder.physical(2 * blocks);
    let mut pieces = Vec::new();
    for index in 0..blocks {
        let at = Address {
            block: start.block + 2 * index,
            ..start
        };
        builder.put(at, &content[index as usize * BLOCK..][..BLOCK]);
        pieces.push(long(BLOCK as u32, at));
    }
    let second = builder.allocation_extent(&pieces[30..].concat());
    let more = |at| long(CONTINUED | BLOCK as u32, at);
    let first = [&pieces[10..30].concat()[..], &more(second)].concat();
    let first = builder.allocation_extent(&first);
    let own = [&pieces[..10].concat()[..], &more(first)].concat();
    let file = builder.file(&Entry::with(1, content.len(), own));
    (file, [first, second])
}

fn in_extended(builder: &mut Builder, content: &[u8]) -> Address {
    let at = builder.data(content);
    let length = content.len() as u32;
    let descriptors = [extended(length, length, at), vec![0; 20]].concat();
    builder.file(&Entry::with(2, content.len(), descriptors))
}

/// An entry of strategy 4096 that was written anew twice.
fn rewritten(builder: &mut Builder) -> Address {
    let versions = ["the first", "the second", "the third"];
    let places = versions.map(|_| (builder.icb(), builder.icb()));
    for (index, version) in versions.iter().enumerate() {
        let (direct, indirect) = places[index];
        let content = format!("{version} version\n");
        let entry = Entry {
            strategy: 4096,
            ..Entry::embedded(content.as_bytes())
        };
        builder.entry(direct, &entry);
        if let Some((next, _)) = places.get(index + 1) {
            let body = [vec![0; 20], long(2 * BLOCK as u32, *next)].concat();
            let bytes = tagged(259, indirect.block, &body);
            builder.put(indirect, &bytes);
        }
    }
    places[0].0
}

fn link(builder: &mut Builder) -> Address {
    let component = |kind: u8, text: &str| {
        let name = if text.is_empty() {
            Vec::new()
        } else {
            name(text)
        };
        [vec![kind, name.len() as u8, 0, 0], name].concat()
    };
    let components = [component(3, ""), component(5, "folder"), component(5, "Θ")];
    let entry = Entry::embedded(&components.concat());
    builder.file(&Entry {
        file_type: 12,
        ..entry
    })
}

fn device(builder: &mut Builder, file_type: u8) -> Address {
    let data = [0_u32, 259, 70000].map(u32::to_le_bytes).concat();
    let attributes = attributes(12, &data);
    builder.file(&Entry {
        file_type,
        attributes,
        ..Entry::embedded(b"")
    })
}

/// Entries across blocks and, in two extents, across these.
fn large_directory(builder: &mut Builder, icb: Address, parent: Address, file: Address) {
    let mut content = identifier(icb.block, 8 | 2, &[], parent);
    content.extend(identifier(icb.block, 4, &name("deleted"), file));
    content.extend(identifier(icb.block, 1, &name("hidden"), file));
    for index in 0..MANY {
        content.extend(identifier(icb.block, 0, &name(&many_name(index)), file));
    }
    let (head, tail) = content.split_at(5 * BLOCK);
    let tail_at = builder.data(tail);
    let head_at = builder.data(head);
    let descriptors = [
        long(head.len() as u32, head_at),
        long(tail.len() as u32, tail_at),
        short(0, 0).repeat(2),
    ];
    let entry = Entry::with(1, content.len(), descriptors.concat());
    builder.entry(
        icb,
        &Entry {
            file_type: 4,
            ..entry
        },
    );
}

/// The names of the large directory: of all lengths, some wide.
pub fn many_name(index: usize) -> String {
    let filler = ["x", "é", "Ж"][index % 3].repeat(index % 60);
    format!("{index:03} {filler}")
}
