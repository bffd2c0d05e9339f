//! Physical volumes at different depths and on several images, what never came, and the names and
//! identifiers that lead to the volumes.

use std::sync::Arc;

use imgmount::filesystem::{FileSystem, Request};
use imgmount::stack::{Content, Stack};
use imgmount::tree::{self, Tree, select};

use super::groups::look;
use super::made::{EXTENT, Physical, extent, id, linear, logical, text};
use super::{bytes, node};
use crate::stack::sets::mbr;
use crate::support::command::imgmount;
use crate::support::images::Scratch;

/// The group `vg0` on the physical volumes called `letters`, with a volume of one extent of each.
fn over(letters: &str) -> String {
    let areas = (0..).zip(letters.chars());
    let segments: Vec<String> = areas
        .map(|(index, _)| linear(index, 1, &format!("\"pv{index}\", {}", index + 1)))
        .collect();
    let root = logical("root", &segments);
    let root = root.replacen("status", &format!("id = \"{}\"\nstatus", id('r')), 1);
    text(3, letters, 8, "", &root)
}

/// The bytes of its volume.
fn root(letters: &str) -> Vec<u8> {
    let numbered = (1..).zip(letters.chars());
    numbered
        .flat_map(|(number, letter)| extent(letter, number))
        .collect()
}

fn physical(letter: char, letters: &str) -> Vec<u8> {
    Physical::new(letter, &over(letters)).with(8)
}

/// The group `vg1` called `group`, with `inner` as the bytes of its only volume, `outer`.
fn around(letter: char, group: char, inner: &[u8]) -> Vec<u8> {
    let count = (inner.len() as u64).div_ceil(EXTENT);
    let outer = logical("outer", &[linear(0, count, "\"pv0\", 0")]);
    let text = text(1, &letter.to_string(), count, "", &outer);
    let text = text
        .replacen(&id('G'), &id(group), 1)
        .replacen("vg0", "vg1", 1);
    let mut image = Physical::new(letter, &text).with(0);
    image.extend(inner);
    image.resize(image.len().next_multiple_of(EXTENT as usize), 0);
    image
}

#[test]
fn three_images_are_one_group_in_every_order() {
    let images = ['a', 'b', 'c'].map(|letter| physical(letter, "abc"));
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let (stack, notices) = look(&order.map(|index: usize| images[index].clone()));
        assert_eq!(notices, Vec::<String>::new(), "{order:?}");
        assert!(bytes(&stack, "vg0/root") == Ok(root("abc")), "{order:?}");
    }
}

#[test]
fn physical_volumes_at_four_depths_on_two_images_are_one_group() {
    // On a partition of either image, on the other image itself, and in a volume of another group
    // that is on a partition.
    let first = mbr(&[
        physical('a', "abc"),
        around('x', 'X', &physical('c', "abc")),
    ]);
    let second = mbr(&[vec![7; 4096], physical('b', "abc")]);
    for images in [[first.clone(), second.clone()], [second, first]] {
        let (stack, notices) = look(&images);
        assert_eq!(notices, Vec::<String>::new());
        assert!(bytes(&stack, "vg0/root") == Ok(root("abc")));
        let of = |set: &str| stack.sets.iter().find(|it| it.set == set).unwrap();
        assert!(of(&id('G')).members.contains(&"vg1/outer".to_owned()));
        assert!(matches!(
            node(&stack, "vg1/outer").content,
            Content::Member { .. }
        ));
    }
}

/// A group in a volume of a group, so often.
fn nested(times: u32) -> Vec<u8> {
    let letters = ('a'..='w').zip('A'..='W').take(times as usize);
    letters.fold(physical('z', "z"), |inner, (letter, group)| {
        around(letter, group, &inner)
    })
}

#[test]
fn g10_groups_in_groups_end_at_depth_eight() {
    let (stack, _) = look(&[nested(7)]);
    assert!(bytes(&stack, "vg0/root") == Ok(root("z")));
    let (stack, _) = look(&[nested(8)]);
    assert_eq!(stack.nodes().len(), 9);
    let last = stack.sets.last().unwrap();
    let Content::Damaged { error, .. } = &last.content else {
        panic!("{} opened", last.set);
    };
    assert!(
        error.to_string().contains("nesting depth is over 8"),
        "{error}"
    );
}

#[test]
fn what_never_came_is_said_in_one_line() {
    let (_, notices) = look(&[physical('b', "abc")]);
    let line = format!(
        "LVM2_member vg0 {}: 1 of 3 members are there: disk; missing: {}, {}",
        id('G'),
        id('a'),
        id('c')
    );
    assert_eq!(notices, std::slice::from_ref(&line));
    let scratch = Scratch::new();
    let image = scratch.join("b.img");
    std::fs::write(&image, physical('b', "abc")).unwrap();
    let output = imgmount().arg("ls").arg(&image).output();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&line), "{said}");
}

/// Where the link at `path` leads.
fn link(stack: &Arc<Stack>, path: &str) -> String {
    let tree = Tree::compose(stack.clone(), &tree::Options::default()).unwrap();
    let request = Request::new(0);
    let link = tree.resolve(&request, path.as_bytes(), false);
    let link = link.unwrap_or_else(|error| panic!("{path}: {error}"));
    let target = tree.read_link(&request, link).unwrap();
    String::from_utf8(target).unwrap()
}

#[test]
fn every_identifier_leads_to_what_has_it() {
    let stack = Arc::new(look(&[physical('a', "ab"), physical('b', "ab")]).0);
    for (letter, target) in [
        ('a', "../disk.img"),
        ('b', "../disk2.img"),
        ('r', "../vg0/root.img"),
        ('G', "../vg0"),
    ] {
        let found = link(&stack, &format!("by-uuid/{}", id(letter)));
        assert_eq!(found, target);
    }
    let selected = |wanted: String| select(&stack, &wanted).unwrap().name.clone();
    assert_eq!(selected(format!("UUID={}", id('r'))), "vg0/root");
    assert_eq!(
        selected(format!("UUID={}", id('r').to_uppercase())),
        "vg0/root"
    );
    assert_eq!(selected(format!("UUID={}", id('b'))), "disk2");
    assert_eq!(selected("vg0/root".to_owned()), "vg0/root");
}

#[test]
fn of_two_groups_of_one_name_info_says_which_is_which() {
    let other = over("b").replacen(&id('G'), &id('H'), 1);
    let images = [physical('a', "a"), Physical::new('b', &other).with(8)];
    let (text, json) = super::graph::info(&images);
    let sets = json["sets"].as_array().unwrap();
    for (group, name) in [('G', "vg0/root"), ('H', "vg0~2/root")] {
        let set = sets.iter().find(|set| set["set"] == id(group)).unwrap();
        assert_eq!(set["content"]["made_of"][0]["node"], name);
        let at = text
            .find(&format!("LVM2_member {}: 1 of 1", id(group)))
            .unwrap();
        let below = text[at..].find("root").unwrap();
        assert!(text[at..at + below + 4].ends_with(name), "{text}");
    }
}
