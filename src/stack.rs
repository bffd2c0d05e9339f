//! The worklist over the four registries: from an open image to everything that is in it. The only
//! module that knows all four layers.

mod absent;
mod at_end;
mod bridge;
mod image;
mod names;
mod probe;
mod sealed;
mod shared;
mod strays;
mod survey;
mod unknown;
mod waiting;
mod worklist;

use std::collections::HashMap;
use std::sync::Arc;

use self::survey::Survey;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::{Counts, FileSystem, Guarded};
use crate::format::{Context, Description, Digest, Format, Layer, Partition};
use crate::source::SharedSource;

/// Everything that was found in an image.
pub struct Stack {
    /// The images that were opened: the file itself first, then what it wraps or stands on.
    pub layers: Vec<Layer>,
    /// What manifests in it say of the digests of its files; nobody has looked whether they hold.
    pub digests: Vec<Digest>,
    /// The disks it holds, at least one.
    pub disks: Vec<Node>,
    /// What several members hold together: volume groups, arrays, file systems over several
    /// devices. Each member is a node with [`Content::Member`].
    pub sets: Vec<Assembly>,
}

/// A disk, partition or volume, and what is in it.
pub struct Node {
    /// Its path in the tree of names: `disk`, `p1`, `vg0/root`. No two nodes have the same, nor one
    /// that becomes another's with `.img` behind it; control characters are escaped as `\xNN`.
    pub name: String,
    /// Its bytes, or why they cannot be had.
    pub source: Result<SharedSource>,
    /// Where it lies in what holds it, where that is one piece: first byte and bytes.
    pub location: Option<(u64, u64)>,
    /// What the partition table says of it.
    pub partition: Option<Partition>,
    /// What is in it.
    pub content: Content,
}

/// What the members of one set hold together.
pub struct Assembly {
    /// The format's name.
    pub format: &'static str,
    /// What all members share, as its UUID.
    pub set: String,
    /// The names of the members that are there.
    pub members: Vec<String>,
    /// How many there should be.
    pub expected: u32,
    /// What they hold: a table of volumes, a file system, or why neither opened.
    pub content: Content,
}

/// What a disk, partition or volume holds.
pub enum Content {
    /// A file system that a reader opened.
    FileSystem {
        /// The reader's name: `ext4`.
        format: &'static str,
        /// What it says of itself.
        description: Description,
        /// The reader.
        filesystem: Arc<dyn FileSystem>,
        /// Volumes it holds besides its files, and those of the table beside it.
        extra: Vec<Node>,
        /// What else is on the same bytes: the partition table of a hybrid, the other file system of a
        /// disc that has two.
        beside: Vec<Beside>,
    },
    /// A partition table or a volume manager.
    Table {
        /// Its name: `gpt`, `mbr`.
        format: &'static str,
        /// What it says of itself.
        description: Description,
        /// Its partitions, in table order.
        children: Vec<Node>,
    },
    /// One member of a set in [`Stack::sets`].
    Member {
        /// The format's name.
        format: &'static str,
        /// What it says of itself.
        description: Description,
        /// The set, as in [`Assembly::set`].
        set: String,
        /// The partitions of the table that it shares a disk with on purpose.
        extra: Vec<Node>,
        /// That table.
        beside: Vec<Beside>,
    },
    /// Known by its magic, and not read: `XFS`, `swap`, an extended partition.
    Recognised {
        /// What it is.
        name: String,
        /// What cannot be had of it: `its files cannot be shown`.
        lacks: &'static str,
        /// What it says of itself in its first bytes.
        description: Description,
    },
    /// Something claimed it and could not open it.
    Damaged {
        /// What claimed it.
        format: &'static str,
        /// What it says of itself, as far as it can be read.
        description: Description,
        /// Why it did not open.
        error: Error,
    },
    /// Encrypted, and none of the user's keys opens it.
    Locked {
        /// What it is.
        format: &'static str,
        /// What it says of itself.
        description: Description,
        /// What would open it.
        error: Error,
    },
    /// Nothing known.
    Unknown {
        /// What can be said all the same: `all zeros`, `boot code and no file system`.
        what: String,
        /// The formats that were looked for.
        looked_for: Vec<&'static str>,
    },
}

/// The name of a table or a file system, and what it says of itself.
pub type Beside = (&'static str, Description);

impl Content {
    /// The nodes directly in it.
    #[must_use]
    pub fn children(&self) -> &[Node] {
        match self {
            Self::FileSystem { extra: nodes, .. }
            | Self::Member { extra: nodes, .. }
            | Self::Table {
                children: nodes, ..
            } => nodes,
            _ => &[],
        }
    }

    /// The name of the format that it is, or claims to be, and what it says of itself.
    #[must_use]
    pub fn described(&self) -> Option<(&'static str, &Description)> {
        match self {
            Self::FileSystem {
                format,
                description,
                ..
            }
            | Self::Table {
                format,
                description,
                ..
            }
            | Self::Member {
                format,
                description,
                ..
            }
            | Self::Damaged {
                format,
                description,
                ..
            }
            | Self::Locked {
                format,
                description,
                ..
            } => Some((format, description)),
            Self::Recognised { .. } | Self::Unknown { .. } => None,
        }
    }
}

/// The formats of all four layers. The program has one, [`Registries::BUILT_IN`]; tests make more.
#[derive(Clone, Copy)]
pub struct Registries {
    /// Image formats; the last claims everything.
    pub image: &'static [Format<crate::image::Open>],
    /// Partition tables.
    pub partition: &'static [Format<crate::partition::Open>],
    /// Volume managers.
    pub volume: &'static [Format<crate::volume::Open>],
    /// File systems.
    pub filesystem: &'static [Format<crate::filesystem::Open>],
}

impl Registries {
    /// Every format of the program.
    pub const BUILT_IN: Self = Self {
        image: crate::image::FORMATS,
        partition: crate::partition::FORMATS,
        volume: crate::volume::FORMATS,
        filesystem: crate::filesystem::FORMATS,
    };

    /// Every format's name, by layer and in probe order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let image = self.image.iter().map(|format| format.name);
        let partition = self.partition.iter().map(|format| format.name);
        let volume = self.volume.iter().map(|format| format.name);
        let filesystem = self.filesystem.iter().map(|format| format.name);
        image.chain(partition).chain(volume).chain(filesystem)
    }
}

impl Stack {
    /// Opens everything in `image`.
    ///
    /// # Errors
    /// What the image layer refuses, and `Invalid` for a `--format` that nothing is called. What is
    /// wrong further down is in the nodes instead.
    pub fn open(image: SharedSource, context: &Context) -> Result<Self> {
        Self::open_with(Registries::BUILT_IN, image, Vec::new(), context)
    }

    /// [`Stack::open`] of an image and the `others` that the user added to it, each with its own
    /// context, by the formats of `registries`. Their disks stand behind the image's own.
    ///
    /// # Errors
    /// As there, for each of the images.
    pub fn open_with(
        registries: Registries,
        image: SharedSource,
        others: Vec<(SharedSource, Context)>,
        context: &Context,
    ) -> Result<Self> {
        check_format_name(&registries, context)?;
        let files = others.iter().map(|(other, _)| other.clone());
        let survey = Survey::of(std::iter::once(image.clone()).chain(files).collect());
        let mut disks = vec![image::open(registries, image, context)?];
        for (other, context) in others {
            let name = || crate::error::printable(&context.origin.name);
            disks.push(image::open(registries, other, &context).context(name)?);
        }
        for disk in disks.iter_mut().flatten() {
            disk.source = survey.disk(disk.source.clone());
        }
        let mut inside = context.clone();
        inside.options.format = context.options.formats().next_back().map(str::to_owned);
        let (disks, sets) = worklist::run(&registries, disks, &inside);
        survey.end(&context.notices);
        Ok(Self {
            layers: context.layers.all(),
            digests: context.layers.digests(),
            disks,
            sets,
        })
    }

    /// The file system that is shown as the directory of `node`: its own, or the one that it is the
    /// first member of.
    #[must_use]
    pub fn filesystem_of<'a>(
        &'a self,
        node: &'a Node,
    ) -> Option<(&'a Description, &'a Arc<dyn FileSystem>)> {
        let of_content = |content: &'a Content| match content {
            Content::FileSystem {
                description,
                filesystem,
                ..
            } => Some((description, filesystem)),
            _ => None,
        };
        let first = |set: &&'a Assembly| set.members.first() == Some(&node.name);
        of_content(&node.content).or_else(|| of_content(&self.sets.iter().find(first)?.content))
    }

    /// Why the first container that stayed locked did, naming it; `None` where all are open.
    #[must_use]
    pub fn locked(&self) -> Option<Error> {
        let sets = self.sets.iter().map(|set| (set.set.as_str(), &set.content));
        let nodes = self.nodes().into_iter();
        let nodes = nodes.map(|node| (node.name.as_str(), &node.content));
        nodes.chain(sets).find_map(|(name, content)| match content {
            Content::Locked { error, .. } => {
                let name = crate::error::printable(name.as_bytes());
                Some(error.clone().context(name))
            }
            _ => None,
        })
    }

    /// The UUIDs that volume managers give to their volumes, by the names of the nodes: of a logical
    /// volume, of an array, of an unlocked container.
    #[must_use]
    pub fn volume_uuids(&self) -> HashMap<&str, &str> {
        let nodes = self.nodes();
        let contents = nodes.iter().map(|node| &node.content);
        let contents = contents.chain(self.sets.iter().map(|set| &set.content));
        let mut uuids = HashMap::new();
        for content in contents {
            let (Some((_, description)), children) = (content.described(), content.children())
            else {
                continue;
            };
            for made in &description.volumes {
                let node = made.shown.and_then(|index| children.get(index));
                if let (Some(node), Some(uuid)) = (node, &made.uuid) {
                    uuids.insert(node.name.as_str(), uuid.as_str());
                }
            }
        }
        uuids
    }

    /// The name of the image file's own format: `raw`, `qcow2`, `gzip`.
    #[must_use]
    pub fn image_format(&self) -> &'static str {
        self.layers.first().map_or("raw", |layer| layer.format)
    }

    /// Makes a bug of a file system's reader cost no more than the one call that meets it, and
    /// `counts` hear of each.
    pub fn guard(&mut self, counts: &Counts) {
        let disks = self.disks.iter_mut().map(|disk| &mut disk.content);
        let sets = self.sets.iter_mut().map(|set| &mut set.content);
        let mut waiting: Vec<&mut Content> = disks.chain(sets).collect();
        while let Some(content) = waiting.pop() {
            let children = match content {
                Content::FileSystem {
                    filesystem, extra, ..
                } => {
                    let guarded = Guarded::new(filesystem.clone(), counts.clone());
                    *filesystem = Arc::new(guarded);
                    extra
                }
                Content::Member { extra, .. } => extra,
                Content::Table { children, .. } => children,
                _ => continue,
            };
            waiting.extend(children.iter_mut().map(|node| &mut node.content));
        }
    }

    /// Every node: disks, partitions and volumes, each before what is in it, then those of the sets.
    #[must_use]
    pub fn nodes(&self) -> Vec<&Node> {
        let sets = self.sets.iter().flat_map(|set| set.content.children());
        let mut waiting: Vec<&Node> = self.disks.iter().chain(sets).collect();
        waiting.reverse();
        let mut nodes = Vec::new();
        while let Some(node) = waiting.pop() {
            nodes.push(node);
            waiting.extend(node.content.children().iter().rev());
        }
        nodes
    }
}

fn check_format_name(registries: &Registries, context: &Context) -> Result<()> {
    let is_known = |wanted: &&str| registries.names().any(|name| name == *wanted);
    let Some(unknown) = context.options.formats().find(|wanted| !is_known(wanted)) else {
        return Ok(());
    };
    let known: Vec<&str> = registries.names().collect();
    let wanted = crate::error::printable(unknown.as_bytes());
    Err(
        Error::invalid(format!("--format {wanted}: no format is called that"))
            .hint(format!("known: {}", known.join(", "))),
    )
}
