//! The layers as a tree for people. Every text of the image is escaped and cut.

use super::super::size::human;
use super::graph::Graph;
use super::map;
use crate::error::printable;
use crate::format::{Description, Layer, Partition};
use crate::service::open::{Image, Seen};
use crate::stack::{Assembly, Content, Node};

/// The longest text of an image that is shown, in characters; labels of 64 KiB exist.
const LONGEST: usize = 72;

/// Everything about `image`; with the disk map where `width` columns are there to show it.
pub(super) fn image(name: &str, image: &Image, width: Option<usize>) -> String {
    let stack = &image.stack;
    let mut page = Page::default();
    page.line(&format!("{name}: {}", stack.image_format()));
    page.layers(&stack.layers);
    let last = stack.disks.len().saturating_sub(1);
    for (index, disk) in stack.disks.iter().enumerate() {
        page.node(disk, &heading(disk, true), &[], index == last);
    }
    stack.sets.iter().for_each(|set| page.set(set));
    if let Some(width) = width {
        stack.disks.iter().for_each(|disk| page.map(disk, width));
    }
    page.notices(&image.notices.all());
    page.text
}

/// What is known of an image that was refused; the reason is said elsewhere.
pub(super) fn refused(name: &str, seen: &Seen) -> String {
    let mut page = Page::default();
    let layers = seen.layers.all();
    if let Some(first) = layers.first() {
        page.line(&format!("{name}: {}", first.format));
    }
    page.layers(&layers);
    page.notices(&seen.notices.all());
    page.text
}

/// Text in the making, and what stands in front of each line.
#[derive(Default)]
struct Page {
    text: String,
    indent: String,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(&self.indent);
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// Lines below the current one, with no branch drawn.
    fn within(&mut self, lines: impl FnOnce(&mut Self)) {
        let before = self.indent.len();
        self.indent.push_str("  ");
        lines(self);
        self.indent.truncate(before);
    }

    /// What the image says of itself, and below it each image that it wraps or stands on; then the
    /// same of those that the user added.
    fn layers(&mut self, layers: &[Layer]) {
        let before = self.indent.len();
        for (index, layer) in layers.iter().enumerate() {
            self.indent.push_str(&"  ".repeat(layer.depth));
            if index > 0 {
                self.line(&format!("{}: {}", cut(&layer.name), layer.format));
            }
            self.within(|page| {
                if let Some(allocated) = layer.description.allocated {
                    page.line(&format!("{} allocated", human(allocated)));
                }
                page.description(&layer.description);
            });
            self.indent.truncate(before);
        }
    }

    fn notices(&mut self, notices: &[String]) {
        if !notices.is_empty() {
            self.line("notices:");
            let lines = notices.iter().map(|notice| format!("  {notice}"));
            lines.for_each(|line| self.line(&line));
        }
    }

    /// A node: its heading, what it lies on, and what is in it.
    fn node(&mut self, node: &Node, heading: &str, lies_on: &[String], last: bool) {
        let (branch, below) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        self.line(&format!("{branch}{heading}"));
        let before = self.indent.len();
        self.indent.push_str(below);
        lies_on.iter().for_each(|line| self.line(line));
        match &node.source {
            Ok(_) => self.content(&node.content, std::slice::from_ref(&node.name)),
            Err(error) => self.line(&format!("unreadable: {error}")),
        }
        self.indent.truncate(before);
    }

    /// What `content` is that lies on the nodes called `members`.
    fn content(&mut self, content: &Content, members: &[String]) {
        self.line(&title(content));
        if let Content::FileSystem { filesystem, .. } = content {
            let usage = filesystem.usage();
            let bytes = |blocks: u64| human(blocks.saturating_mul(usage.block_size.into()));
            let used = bytes(usage.blocks.saturating_sub(usage.free));
            self.within(|page| page.line(&format!("{used} used of {}", bytes(usage.blocks))));
        }
        if let Some((_, description)) = content.described() {
            self.within(|page| page.description(description));
        }
        if let Content::FileSystem { beside, .. } | Content::Member { beside, .. } = content {
            for (format, description) in beside {
                let title = titled(format, description);
                self.line(&format!("on the same bytes: {title}"));
                self.within(|page| page.description(description));
            }
        }
        self.nodes(content, members);
    }

    fn set(&mut self, set: &Assembly) {
        let Assembly {
            format,
            members,
            expected,
            ..
        } = set;
        let name = cut(set.set.as_bytes());
        let count = members.len();
        self.line(&format!(
            "{format} {name}: {count} of {expected} members: {}",
            members.join(", ")
        ));
        self.within(|page| page.content(&set.content, members));
    }

    fn nodes(&mut self, content: &Content, members: &[String]) {
        let graph = Graph::new(content, members);
        let nodes = content.children();
        let last = nodes.len().saturating_sub(1);
        for (index, node) in nodes.iter().enumerate() {
            let lies_on = graph.lines(index);
            self.node(node, &heading(node, false), &lies_on, index == last);
        }
        for (heading, lines) in graph.hidden() {
            self.line(&heading);
            self.within(|page| lines.iter().for_each(|line| page.line(line)));
        }
    }

    /// Everything but label and UUID, which stand in the title.
    fn description(&mut self, description: &Description) {
        if !description.features.is_empty() {
            self.line(&format!(
                "features: {}",
                printable(description.features.join(" ").as_bytes())
            ));
        }
        if !description.facts.is_empty() {
            let facts = description.facts.iter();
            let facts = facts.map(|(name, value)| format!("{name}: {}", cut(value.as_bytes())));
            self.line(&facts.collect::<Vec<_>>().join("; "));
        }
        self.second_files(&description.second_files);
    }

    /// The files that it names; of a disk in a thousand pieces the first few.
    fn second_files(&mut self, files: &[Vec<u8>]) {
        const FEW: usize = 10;
        for file in files.iter().take(FEW) {
            self.line(&format!("needs the file: {}", cut(file)));
        }
        let more = files.len().saturating_sub(FEW);
        if more > 0 {
            self.line(&format!("and {more} more files"));
        }
    }

    fn map(&mut self, disk: &Node, width: usize) {
        let Content::Table { children, .. } = &disk.content else {
            return;
        };
        let size = disk.source.as_ref().map_or(0, |source| source.size());
        if let Some(bar) = map::bar(size, children, width) {
            self.line(&bar);
        }
    }
}

/// A node in one line: name, size, with how much of it is `allocated`, place, and what the partition
/// table says.
fn heading(node: &Node, allocated: bool) -> String {
    let mut parts = vec![cut(node.name.as_bytes())];
    let size = match (&node.source, node.location) {
        (Ok(source), _) => Some(source.size()),
        (Err(_), location) => location.map(|location| location.1),
    };
    parts.extend(size.map(human));
    if let (true, Ok(source)) = (allocated, &node.source) {
        let data = crate::source::allocated(&**source);
        parts.extend((data < source.size()).then(|| format!("{} allocated", human(data))));
    }
    parts.extend(
        node.location
            .map(|(offset, _)| format!("at {}", human(offset))),
    );
    if let Some(partition) = &node.partition {
        parts.extend(entry(partition));
    }
    parts.join("  ")
}

fn entry(partition: &Partition) -> Vec<String> {
    let mut parts = vec![cut(partition.type_name.as_bytes())];
    let label = partition.label.as_ref().filter(|label| !label.is_empty());
    parts.extend(label.map(|label| format!("\"{}\"", cut(label.as_bytes()))));
    parts.extend(
        partition
            .uuid
            .as_ref()
            .map(|uuid| format!("PARTUUID={}", cut(uuid.as_bytes()))),
    );
    parts.extend(partition.bootable.then(|| "bootable".to_owned()));
    parts
}

/// What a disk, partition or volume holds, in one line.
fn title(content: &Content) -> String {
    let described = content.described();
    let mut title = described.map_or_else(String::new, |(format, it)| titled(format, it));
    title.push_str(&match content {
        Content::FileSystem { .. } | Content::Table { .. } => String::new(),
        Content::Member { set, .. } => format!(": member of {}", cut(set.as_bytes())),
        Content::Recognised {
            name,
            lacks,
            description,
        } => {
            let title = titled(&cut(name.as_bytes()), description);
            format!("{title} (recognised; {lacks})")
        }
        Content::Damaged { format, error, .. } => {
            // The error begins with the format too, which is said already.
            let error = error.to_string();
            let why = error.strip_prefix(&format!("{format}: "));
            format!(": not opened: {}", why.unwrap_or(&error))
        }
        Content::Locked { format, error, .. } => {
            let error = error.to_string();
            let why = error.strip_prefix(&format!("{format}: "));
            format!(": {}", why.unwrap_or(&error))
        }
        Content::Unknown { what, looked_for } => format!(
            "{}; looked for {}",
            cut(what.as_bytes()),
            looked_for.join(", ")
        ),
    });
    title
}

/// `ext4  "root"  UUID=…`.
fn titled(format: &str, description: &Description) -> String {
    let mut parts = vec![format.to_owned()];
    let label = description.label.as_ref().filter(|label| !label.is_empty());
    parts.extend(label.map(|label| format!("\"{}\"", cut(label))));
    parts.extend(
        description
            .uuid
            .as_ref()
            .map(|uuid| format!("UUID={}", cut(uuid.as_bytes()))),
    );
    parts.join("  ")
}

/// Escaped, and at most [`LONGEST`] characters; what is cut ends in an ellipsis.
pub(super) fn cut(bytes: &[u8]) -> String {
    // An escape makes text longer, never shorter, so this much of it is enough to start from.
    let enough = LONGEST.saturating_mul(4);
    let text = printable(bytes.get(..enough).unwrap_or(bytes));
    if text.chars().count() <= LONGEST && bytes.len() <= enough {
        return text;
    }
    let mut text: String = text.chars().take(LONGEST).collect();
    text.push('…');
    text
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::super::super::testing::Memory;
    use super::*;
    use crate::error::Error;
    use crate::format::Notices;
    use crate::stack::Stack;

    pub(in super::super) fn volume(name: &str, start: u64, length: u64) -> Node {
        Node {
            name: name.into(),
            source: Ok(Arc::new(crate::source::Memory(vec![0; 1024]))),
            location: Some((start, length)),
            partition: None,
            content: Content::Unknown {
                what: "all zeros".into(),
                looked_for: vec!["gpt", "ext4"],
            },
        }
    }

    pub(in super::super) fn sample() -> Image {
        let mut esp = volume("p1", 0, 1024);
        esp.partition = Some(Partition {
            number: 1,
            type_name: "EFI System".into(),
            type_id: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b".into(),
            label: Some("E\x1b[31mSP".into()),
            uuid: Some("abcd".into()),
            bootable: true,
            container: false,
        });
        esp.content = Content::Recognised {
            name: "FAT".into(),
            lacks: "its files cannot be shown",
            description: Description::default(),
        };
        let mut root = volume("p2", 1024, 1024);
        root.content = Content::FileSystem {
            format: "ext4",
            description: Description {
                label: Some([b"r\xff".as_slice(), &[b'x'; 65536]].concat()),
                uuid: Some("1234".into()),
                features: vec!["extents".into(), "64bit".into()],
                facts: vec![("block size", "4096".into())],
                ..Description::default()
            },
            filesystem: Arc::new(Memory::default()),
            extra: Vec::new(),
            beside: Vec::new(),
        };
        let mut bad = volume("p3", 2048, 1024);
        bad.content = Content::Damaged {
            format: "ext4",
            description: Description::default(),
            error: Error::corrupt("s_log_block_size 31 is over 6")
                .at(1048)
                .context("superblock")
                .context("ext4"),
        };
        let mut gone = volume("p4", 4096, 1024);
        gone.source = Err(Error::corrupt("lies past the end of the disk"));
        let disk = Node {
            content: Content::Table {
                format: "gpt",
                description: Description {
                    uuid: Some("77".into()),
                    ..Description::default()
                },
                children: vec![esp, root, bad, gone],
            },
            source: Ok(Arc::new(crate::source::Memory(vec![0; 4096]))),
            ..volume("disk", 0, 4096)
        };
        let notices = Notices::default();
        notices.add("gpt: the first header is damaged; its backup is used");
        Image {
            stack: Arc::new(Stack {
                layers: Vec::new(),
                digests: Vec::new(),
                disks: vec![disk],
                sets: Vec::new(),
            }),
            notices: Arc::new(notices),
        }
    }

    #[test]
    fn the_layers_are_a_tree() {
        let text = image("disk.raw", &sample(), Some(20));
        let label = format!("r\\xff{}…", "x".repeat(LONGEST - 5));
        let expected = format!(
            r#"disk.raw: raw
└─ disk  4.0 KiB  at 0 B
   gpt  UUID=77
   ├─ p1  1.0 KiB  at 0 B  EFI System  "E\x1b[31mSP"  PARTUUID=abcd  bootable
   │  FAT (recognised; its files cannot be shown)
   ├─ p2  1.0 KiB  at 1.0 KiB
   │  ext4  "{label}"  UUID=1234
   │    0 B used of 0 B
   │    features: extents 64bit
   │    block size: 4096
   ├─ p3  1.0 KiB  at 2.0 KiB
   │  ext4: not opened: superblock: s_log_block_size 31 is over 6 at byte 0x418
   └─ p4  1.0 KiB  at 4.0 KiB
      unreadable: lies past the end of the disk
[p1=][p2=][p3=]····|
notices:
  gpt: the first header is damaged; its backup is used
"#
        );
        assert_eq!(text.replace("····|", "XX"), expected.replace("····|", "XX"));
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn every_layer_of_a_refused_image_says_which_files_it_needs() {
        let seen = Seen::default();
        let layer = |depth, name: &[u8], second_files: Vec<Vec<u8>>| {
            let description = move || Description {
                second_files,
                allocated: Some(1024_u64 << depth),
                ..Description::default()
            };
            Layer::new(depth, name.to_vec(), "vmdk", description)
        };
        let pieces = (0..12).map(|number| format!("piece{number}").into_bytes());
        seen.layers.add(layer(0, b"top", vec![b"a\x1b".to_vec()]));
        seen.layers.add(layer(1, b"a\x1b", vec![b"b".to_vec()]));
        seen.layers.add(layer(2, b"b", pieces.collect()));
        seen.layers.add(layer(1, b"c", Vec::new()));
        seen.notices.add("odd");
        let text = refused("x/top", &seen);
        let start = "x/top: vmdk\n  1.0 KiB allocated\n  needs the file: a\\x1b\n  \
                     a\\x1b: vmdk\n    2.0 KiB allocated\n    needs the file: b\n    \
                     b: vmdk\n      4.0 KiB allocated\n      needs the file: piece0\n";
        assert!(text.starts_with(start), "{text}");
        let end = "      needs the file: piece9\n      and 2 more files\n  \
                   c: vmdk\n    2.0 KiB allocated\nnotices:\n  odd\n";
        assert!(text.ends_with(end), "{text}");
        assert_eq!(refused("x", &Seen::default()), "");
    }

    #[test]
    fn without_a_terminal_there_is_no_map() {
        assert!(!image("disk.raw", &sample(), None).contains("[p1"));
    }
}
