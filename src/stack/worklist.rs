//! The worklist: every disk, partition and volume is looked at once, in the order in which they
//! turn up; members of sets wait until nothing else is left to do, since the others may turn up
//! deeper down.

use std::collections::VecDeque;

use super::names::{Group, Holds, Names};
use super::probe::{self, Found, Reader, Subject};
use super::shared;
use super::waiting::{Due, Member, Newcomer, Waiting};
use super::{Assembly, Content, Node, Registries, absent};
use crate::error::{Error, Result};
use crate::format::{Context, Disk, Header, Partition, Set, Volume};
use crate::source::SharedSource;

/// How many nodes there may be: overlapping partitions that hold tables multiply without end.
const MOST_NODES: usize = 4096;

/// What is in the disks of each of the `images`, and what their members hold together.
pub(super) fn run(
    registries: &Registries,
    images: Vec<Vec<Disk>>,
    context: &Context,
) -> (Vec<Node>, Vec<Assembly>) {
    let mut worklist = Worklist {
        registries,
        names: Names::new(),
        drafts: Vec::new(),
        queue: VecDeque::new(),
        waiting: Waiting::new(registries.volume),
        sets: Vec::new(),
    };
    for (index, disks) in images.into_iter().enumerate() {
        let single = disks.len() == 1;
        for mut disk in disks {
            if index > 0 {
                disk.name = name_of_other(index, &disk.name, single);
            }
            worklist.add_disk(disk, single && index == 0, context);
        }
    }
    worklist.work();
    worklist.finish()
}

/// What a disk is called that its own image, the one number `index` from 0, calls `name`.
fn name_of_other(index: usize, name: &str, single: bool) -> String {
    let number = index.saturating_add(1);
    match single {
        true => format!("disk{number}"),
        false => format!("disk{number}-{name}"),
    }
}

/// What a partition that holds others, or the table itself, is called.
fn container(partition: Option<&Partition>) -> &'static str {
    let kind = partition.map_or("", |partition| partition.type_id.as_str());
    match kind {
        "0x05" | "0x0f" | "0x85" => "extended partition",
        _ => "other partitions, or their table",
    }
}

/// The context in which the node or set called `name` is opened.
fn for_subject(context: &Context, name: &str) -> Context {
    let is_meant = |header: &&Header| header.subject.as_deref().unwrap_or("disk") == name;
    let header = context.headers.iter().find(is_meant);
    Context {
        subject: name.to_owned(),
        header: header.map(|header| header.source.clone()),
        ..context.clone()
    }
}

/// The one line about what stays locked.
fn note_locked(context: &Context, content: &Content) {
    if let Content::Locked { error, .. } = content {
        context.notices.add(format!("{}: {error}", context.subject));
    }
}

/// A node before its place in the tree is settled.
struct Draft {
    node: Node,
    home: Home,
    depth: usize,
    /// Volumes in it are named below its own name; those of the only disk are not.
    is_top: bool,
    context: Context,
}

/// What holds a node.
#[derive(Clone, Copy)]
enum Home {
    Stack,
    Draft(usize),
    Set(usize),
}

struct Worklist<'a> {
    registries: &'a Registries,
    names: Names,
    drafts: Vec<Draft>,
    queue: VecDeque<usize>,
    waiting: Waiting,
    sets: Vec<Assembly>,
}

impl Worklist<'_> {
    fn add_disk(&mut self, disk: Disk, single: bool, context: &Context) {
        let mut context = context.clone();
        context.options.sector_size.get_or_insert(disk.sector_size);
        let node = Node {
            name: self
                .names
                .give(None, Group::Node(self.drafts.len()), &disk.name),
            source: Ok(disk.source),
            location: None,
            partition: None,
            content: not_examined(),
        };
        self.push(node, Home::Stack, 0, single, context);
    }

    fn push(&mut self, node: Node, home: Home, depth: usize, is_top: bool, context: Context) {
        self.queue.push_back(self.drafts.len());
        self.drafts.push(Draft {
            node,
            home,
            depth,
            is_top,
            context,
        });
    }

    fn work(&mut self) {
        loop {
            while let Some(index) = self.queue.pop_front() {
                self.examine(index);
            }
            match self.waiting.next() {
                Some(due) => self.assemble(due),
                None => match self.waiting.next_stray() {
                    Some((draft, reader)) => self.open_alone(draft, reader),
                    None => return,
                },
            }
        }
    }

    fn examine(&mut self, index: usize) {
        let Some(draft) = self.drafts.get(index) else {
            return;
        };
        let partition = draft.node.partition.as_ref();
        let context = for_subject(&draft.context, &draft.node.name);
        let free = draft.context.options.format.is_some();
        let manager = shared::manager(partition).filter(|_| !free);
        let found = match &draft.node.source {
            Err(error) => probe::damaged(scheme(partition), <_>::default(), error.clone()),
            Ok(_) if partition.is_some_and(|partition| partition.container) => {
                Found::Leaf(Content::Recognised {
                    name: container(partition).to_owned(),
                    lacks: "what it holds is listed by itself",
                    description: <_>::default(),
                })
            }
            Ok(_) if let Some(manager) = manager => Found::Leaf(Content::Recognised {
                name: manager.to_owned(),
                lacks: match self.is_member(draft.home) {
                    true => "its volumes are listed by themselves",
                    false => shared::lacks(manager),
                },
                description: <_>::default(),
            }),
            Ok(source) => probe::examine(&Subject {
                registries: self.registries,
                context: &context,
                source,
                depth: draft.depth,
                at_zero: draft.node.location.is_some_and(|(start, _)| start == 0),
                name: &draft.node.name,
            }),
        };
        let content = self.settle(found, Home::Draft(index), Some(index));
        if let Some(draft) = self.drafts.get_mut(index) {
            note_locked(&context, &content);
            draft.node.content = content;
        }
    }

    /// Whether what holds a node is a member of a set.
    fn is_member(&self, home: Home) -> bool {
        let Home::Draft(index) = home else {
            return false;
        };
        let content = self.drafts.get(index).map(|it| &it.node.content);
        matches!(content, Some(Content::Member { .. }))
    }

    /// The content that `found` stands for; what it holds is queued.
    fn settle(&mut self, found: Found, home: Home, index: Option<usize>) -> Content {
        match found {
            Found::Leaf(content) => content,
            Found::Table {
                format,
                description,
                volumes,
            } => {
                self.add_volumes(volumes, home, Holds::Volumes);
                Content::Table {
                    format,
                    description,
                    children: Vec::new(),
                }
            }
            Found::FileSystem {
                format,
                description,
                filesystem,
                extra,
                beside,
            } => {
                self.add_volumes(extra, home, Holds::Files);
                Content::FileSystem {
                    format,
                    description,
                    filesystem,
                    extra: Vec::new(),
                    beside,
                }
            }
            Found::Member {
                reader,
                description,
                set,
                extra,
                beside,
            } => {
                self.add_volumes(extra, home, Holds::Volumes);
                let name = self.wait(reader, set, index);
                Content::Member {
                    format: reader.name(),
                    description,
                    set: name,
                    extra: Vec::new(),
                    beside,
                }
            }
        }
    }

    fn add_volumes(&mut self, volumes: Vec<Volume>, home: Home, holds: Holds) {
        let holder = match home {
            Home::Draft(index) => self.drafts.get(index),
            Home::Stack | Home::Set(_) => None,
        };
        let parent = holder.filter(|draft| !draft.is_top);
        let parent = parent.map(|draft| draft.node.name.clone());
        let group = match home {
            Home::Set(index) => Group::Set(index),
            Home::Draft(index) => Group::Node(index),
            Home::Stack => return,
        };
        let depth = match home {
            Home::Set(index) => self.depth_of_set(index),
            Home::Draft(_) | Home::Stack => holder.map_or(0, |draft| draft.depth),
        };
        let Some(context) = holder
            .or(self.drafts.first())
            .map(|draft| draft.context.clone())
        else {
            return;
        };
        for volume in volumes {
            let parent = parent.as_deref().filter(|_| !volume.name.starts_with('/'));
            if self.drafts.len() >= MOST_NODES {
                let text = format!("more than {MOST_NODES} volumes: the rest is left out");
                return context.notices.add(text);
            }
            let node = Node {
                name: self
                    .names
                    .give(parent.map(|it| (it, holds)), group, &volume.name),
                source: volume.source,
                location: volume.location,
                partition: volume.partition,
                content: not_examined(),
            };
            let depth = depth.saturating_add(1);
            self.push(node, home, depth, false, context.clone());
        }
    }

    /// The depth of the deepest member of the set.
    fn depth_of_set(&self, index: usize) -> usize {
        let members = self.sets.get(index).map(|set| set.members.as_slice());
        let is_member =
            |draft: &&Draft| members.is_some_and(|members| members.contains(&draft.node.name));
        let depths = self.drafts.iter().filter(is_member);
        depths.map(|draft| draft.depth).max().unwrap_or(0)
    }

    /// Notes the member; gives the set's name, none for a stray.
    fn wait(&mut self, reader: Reader, set: Set, index: Option<usize>) -> String {
        let name = match &set {
            Set::Member { set, .. } | Set::Beside { set, .. } => set.clone(),
            _ => String::new(),
        };
        let newcomer = index.and_then(|draft| {
            let depth = self.drafts.get(draft)?.depth;
            Some(Newcomer {
                draft,
                depth,
                reader,
            })
        });
        if let Some(newcomer) = newcomer {
            self.waiting.add(newcomer, set);
        }
        name
    }

    fn assemble(&mut self, due: Due) {
        let Due {
            reader,
            set,
            members,
            expected,
            is_late,
        } = due;
        let found = self.check_places(&set, &members);
        let found = found.and_then(|members| {
            self.check_depth(&members)?;
            Ok(members)
        });
        let (members, refused) = match found {
            Ok(members) => (members, None),
            Err(error) => (
                members.iter().map(|member| member.draft).collect(),
                Some(error),
            ),
        };
        let drafts = || members.iter().filter_map(|index| self.drafts.get(*index));
        let sources = drafts().filter_map(|draft| draft.node.source.as_ref().ok().cloned());
        let sources: Vec<SharedSource> = sources.collect();
        let names = drafts().map(|draft| draft.node.name.clone()).collect();
        let Some(context) = drafts().next().map(|draft| draft.context.clone()) else {
            return;
        };
        let found = match refused {
            Some(error) => probe::damaged(reader.name(), <_>::default(), error),
            None => reader.open(&sources, &for_subject(&context, &set)),
        };
        self.name_set(&members, &set);
        let index = self.sets.len();
        let assembly = Assembly {
            format: reader.name(),
            set,
            members: names,
            expected,
            content: not_examined(),
        };
        let late = is_late.then(|| absent::late(&assembly));
        for line in late.into_iter().chain(absent::line(&assembly, &found)) {
            context.notices.add(line);
        }
        self.sets.push(assembly);
        let content = self.settle(found, Home::Set(index), None);
        if let Some(assembly) = self.sets.get_mut(index) {
            assembly.content = content;
        }
    }

    /// The members without those that another, newer one has the place of.
    ///
    /// # Errors
    /// `Corrupt` where two are equally new: which of them is right cannot be told.
    fn check_places(&self, set: &str, members: &[Member]) -> Result<Vec<usize>> {
        let name = |member: &Member| {
            let draft = self.drafts.get(member.draft);
            draft.map_or("", |draft| draft.node.name.as_str())
        };
        let mut kept: Vec<&Member> = Vec::new();
        for member in members {
            let Some(last) = kept.last().filter(|last| last.place == member.place) else {
                kept.push(member);
                continue;
            };
            if last.event == member.event {
                let (one, other) = (name(last), name(member));
                let text = format!("{one} and {other} are the same member: one is a copy");
                return Err(Error::corrupt(text));
            }
            if let Some(draft) = self.drafts.get(member.draft) {
                let set = crate::error::printable(set.as_bytes());
                let text = "another member has the same place in it and is newer";
                let line = format!("{}: set {set}: {text}", draft.node.name);
                draft.context.notices.add(line);
            }
        }
        Ok(kept.iter().map(|member| member.draft).collect())
    }

    fn check_depth(&self, members: &[usize]) -> Result<()> {
        let mut drafts = members.iter().filter_map(|index| self.drafts.get(*index));
        if drafts.any(|draft| draft.depth >= probe::DEPTH) {
            let text = format!("nesting depth is over {}", probe::DEPTH);
            return Err(Error::unsupported(text));
        }
        Ok(())
    }

    /// Notes in each member which set it is of: a stray did not know.
    fn name_set(&mut self, members: &[usize], name: &str) {
        for index in members {
            let draft = self.drafts.get_mut(*index);
            if let Some(Content::Member { set, .. }) = draft.map(|it| &mut it.node.content) {
                name.clone_into(set);
            }
        }
    }

    /// Opens a member that no other has named.
    fn open_alone(&mut self, index: usize, reader: Reader) {
        let Some(draft) = self.drafts.get(index) else {
            return;
        };
        let Ok(source) = &draft.node.source else {
            return;
        };
        let context = for_subject(&draft.context, &draft.node.name);
        let found = reader.open(std::slice::from_ref(source), &context);
        let content = self.settle(found, Home::Draft(index), Some(index));
        if let Some(draft) = self.drafts.get_mut(index) {
            draft.node.content = content;
        }
    }

    /// Puts every node into what holds it. A holder always stands before what it holds, so going
    /// backwards each node is whole when it moves.
    fn finish(mut self) -> (Vec<Node>, Vec<Assembly>) {
        let mut disks = Vec::new();
        while let Some(mut draft) = self.drafts.pop() {
            children_of(&mut draft.node.content)
                .into_iter()
                .for_each(|nodes| nodes.reverse());
            let holder = match draft.home {
                Home::Stack => Some(&mut disks),
                Home::Draft(index) => self
                    .drafts
                    .get_mut(index)
                    .and_then(|holder| children_of(&mut holder.node.content)),
                Home::Set(index) => self
                    .sets
                    .get_mut(index)
                    .and_then(|set| children_of(&mut set.content)),
            };
            if let Some(holder) = holder {
                holder.push(draft.node);
            }
        }
        disks.reverse();
        for set in &mut self.sets {
            children_of(&mut set.content)
                .into_iter()
                .for_each(|nodes| nodes.reverse());
        }
        (disks, self.sets)
    }
}

fn children_of(content: &mut Content) -> Option<&mut Vec<Node>> {
    match content {
        Content::FileSystem { extra: nodes, .. }
        | Content::Member { extra: nodes, .. }
        | Content::Table {
            children: nodes, ..
        } => Some(nodes),
        _ => None,
    }
}

/// What stands in a node until its turn comes.
fn not_examined() -> Content {
    Content::Unknown {
        what: "not looked into".to_owned(),
        looked_for: Vec::new(),
    }
}

/// What a volume without bytes came from.
fn scheme(partition: Option<&Partition>) -> &'static str {
    match partition {
        Some(_) => "partition",
        None => "volume",
    }
}
