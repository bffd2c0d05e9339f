//! Containers that want a key, with a manager made for the purpose: `FAKELOCK` and the key's one
//! letter; what follows is what it holds.

use std::sync::Arc;

use imgmount::cache::Cache;
use imgmount::error::{Kind, Result};
use imgmount::format::{
    Container, Context, Description, Format, Header, Key, Keyring, Keys, Secret, Set, Volume,
};
use imgmount::source::window::Window;
use imgmount::source::{Memory, SharedSource, Source, read_vec};
use imgmount::stack::{Content, Node, Registries, Stack};
use imgmount::volume::Opened;

const REGISTRIES: Registries = Registries {
    volume: &[Format {
        name: "fakelock",
        claim,
        describe: |_| Ok(Description::default()),
        open,
    }],
    ..Registries::BUILT_IN
};

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let head = read_vec(source, 0, 8).ok();
    Ok((head.as_deref() == Some(b"FAKELOCK")).then_some(Set::Alone))
}

fn open(members: &[SharedSource], context: &Context) -> Result<Opened> {
    let start = if context.header.is_some() { 0 } else { 512 };
    let header = context.header.as_ref().unwrap_or(&members[0]);
    let right = read_vec(&**header, 8, 1)?;
    let container = Container {
        format: "a fake",
        uuid: None,
        wants: "a letter",
    };
    context.unlock(&container, &mut |key: &Secret| {
        Ok((key.bytes() == right).then_some(()))
    })?;
    let size = members[0].size() - start;
    Ok(Opened {
        volumes: vec![Volume {
            name: context.named("fake"),
            source: Ok(Arc::new(Window::new(members[0].clone(), start, size)?)),
            location: Some((start, size)),
            partition: None,
        }],
        description: None,
    })
}

struct Letters(Vec<(Option<&'static str>, &'static [u8])>);

impl Keys for Letters {
    fn given(&self) -> Result<Vec<Key>> {
        let key = |(subject, letter): &(Option<&str>, &[u8])| {
            Ok(Key {
                subject: subject.map(str::to_owned),
                secret: Arc::new(Secret::new(letter)?),
            })
        };
        self.0.iter().map(key).collect()
    }

    fn ask(&self, _: &str) -> Option<Secret> {
        None
    }
}

fn container(letter: u8, inside: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[..8].copy_from_slice(b"FAKELOCK");
    bytes[8] = letter;
    bytes.extend_from_slice(inside);
    bytes
}

fn context(keys: &[(Option<&'static str>, &'static [u8])]) -> Context {
    Context {
        keys: Keyring::new(Arc::new(Letters(keys.to_vec()))),
        ..Context::new(Cache::new(1 << 20))
    }
}

fn look(image: Vec<u8>, context: &Context) -> Stack {
    Stack::open_with(REGISTRIES, Arc::new(Memory(image)), Vec::new(), context).unwrap()
}

fn names(stack: &Stack) -> Vec<&str> {
    stack
        .nodes()
        .iter()
        .map(|node| node.name.as_str())
        .collect()
}

fn node<'a>(stack: &'a Stack, name: &str) -> &'a Node {
    let nodes = stack.nodes();
    nodes.into_iter().find(|node| node.name == name).unwrap()
}

/// A disk with each of `parts` in a partition of its own.
fn parted(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut disk = vec![0; 512];
    disk[510..].copy_from_slice(&[0x55, 0xaa]);
    for (index, part) in parts.iter().enumerate() {
        let sectors = |bytes: usize| ((bytes / 512) as u32).to_le_bytes();
        let entry = 446 + 16 * index;
        disk[entry + 4] = 0x83;
        let (start, length) = (sectors(disk.len()), sectors(part.len()));
        disk[entry + 8..entry + 12].copy_from_slice(&start);
        disk[entry + 12..entry + 16].copy_from_slice(&length);
        disk.extend_from_slice(part);
    }
    disk
}

/// Two containers in partitions; the first holds another.
fn two() -> Vec<u8> {
    let first = container(b'a', &container(b'c', &[7; 1024]));
    let second = container(b'b', &[8; 2048]);
    parted(&[first, second])
}

#[test]
fn what_no_key_opens_is_locked_and_all_else_opens() {
    let context = context(&[(None, b"a"), (Some("p2"), b"x")]);
    let stack = look(two(), &context);
    assert_eq!(names(&stack), ["disk", "p1", "fake-p1", "p2"]);
    let Content::Locked { error, .. } = &node(&stack, "p2").content else {
        panic!("p2 is not locked");
    };
    assert_eq!(error.kind(), Kind::Locked);
    let text = "fakelock: locked: none of 2 keys opens it (it wants a letter: --key p2:FILE or \
                --passphrase-fd NUMBER)";
    assert_eq!(error.to_string(), text);
    let notices = context.notices.all();
    assert!(notices.contains(&format!("p2: {text}")), "{notices:?}");
    assert!(context.keys.has_useless());
    assert!(stack.locked().is_some());
}

#[test]
fn a_container_in_a_container_has_a_place_of_its_own_in_the_tree() {
    let context = context(&[(Some("fake-p1"), b"c"), (None, b"a"), (None, b"b")]);
    let stack = look(two(), &context);
    let expected = ["disk", "p1", "fake-p1", "fake-fake-p1", "p2", "fake-p2"];
    assert_eq!(names(&stack), expected);
    let inner = node(&stack, "fake-fake-p1").source.as_ref().unwrap();
    assert_eq!(read_vec(&**inner, 0, 4).unwrap(), [7; 4]);
    assert!(stack.locked().is_none() && !context.keys.has_useless());
}

#[test]
fn a_detached_header_is_for_the_disk_or_for_whom_it_is_said_to_be() {
    let header: SharedSource = Arc::new(Memory(container(b'a', &[])));
    let with = |subject: Option<&str>| {
        let mut context = context(&[(None, b"a")]);
        context.headers = Arc::new(vec![Header {
            subject: subject.map(str::to_owned),
            source: header.clone(),
        }]);
        context
    };
    let stack = look(vec![9; 4096], &with(None));
    assert_eq!(names(&stack), ["disk", "fake"]);
    let inside = node(&stack, "fake").source.as_ref().unwrap();
    assert_eq!(inside.size(), 4096);
    let parted = parted(&[vec![1; 4096], vec![2; 4096]]);
    let stack = look(parted, &with(Some("p2")));
    assert_eq!(names(&stack), ["disk", "p1", "p2", "fake-p2"]);
}
