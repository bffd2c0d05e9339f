//! What a case demands of a walk.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use imgmount::error::{Error, Kind};

use super::ext::Image;
use super::ext::seeds::Seed;
use super::walk::{Node, Seen, Walk, walk};

/// The part of a file that a case has hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Attributes,
    Content,
    Xattrs,
}

impl Seed {
    /// The walk of the seed itself, whose files hold what mke2fs was given.
    pub fn walked(&'static self) -> &'static Walk {
        static WALKS: [OnceLock<Walk>; 8] = [const { OnceLock::new() }; 8];
        let index = super::ext::seeds::all()
            .iter()
            .position(|seed| seed.name == self.name);
        WALKS[index.expect("a seed")].get_or_init(|| {
            let walk = walk(&self.image.bytes);
            if let Some((error, _)) = &walk.refused {
                panic!("seed {}: {error}", self.name);
            }
            for (path, node) in &walk.nodes {
                assert_eq!(node.error(), None, "seed {}: {path}", self.name);
            }
            for (path, content) in &self.contents {
                let Seen::File(_, bytes, _) = &walk.nodes[path].content else {
                    panic!("seed {}: {path} is no file", self.name);
                };
                if content.len() <= 2 << 20 {
                    assert!(bytes == content, "seed {}: content of {path}", self.name);
                }
            }
            walk
        })
    }

    /// A copy to break.
    pub fn mutant(&self) -> Image {
        self.image.clone()
    }

    /// The walk of `mutant`, which must not be the seed.
    pub fn broken(&'static self, mutant: &Image) -> Broken {
        assert!(mutant.bytes != self.image.bytes, "the mutant is its seed");
        Broken {
            seed: self,
            walk: walk(&mutant.bytes),
        }
    }
}

/// The walk of a mutant.
pub struct Broken {
    pub seed: &'static Seed,
    pub walk: Walk,
}

impl Broken {
    /// **R**: the volume is refused with an error of `kind` whose text holds all of `words`, at byte
    /// `at`; its raw file is still there.
    pub fn refused(&self, kind: Kind, words: &[&str], at: impl Into<Option<usize>>) {
        let Some((error, raw)) = &self.walk.refused else {
            panic!("not refused: {words:?}");
        };
        check(error, kind, words, at.into());
        assert!(raw, "the raw bytes are there: {error}");
    }

    /// **F**: `part` of `path` alone gives an error of `kind` whose text holds all of `words`, at
    /// byte `at`.
    pub fn fails(
        &self,
        path: &str,
        part: Part,
        kind: Kind,
        words: &[&str],
        at: impl Into<Option<usize>>,
    ) -> &Self {
        let node = self.node(path);
        let error = match part {
            Part::Attributes => node.attributes.as_ref().err(),
            Part::Content => match &node.content {
                Seen::Directory(_, error) | Seen::File(_, _, error) => error.as_ref(),
                Seen::Link(target) => target.as_ref().err(),
                Seen::Nothing => None,
            },
            Part::Xattrs => match &node.xattrs {
                Err(error) => Some(error),
                Ok(values) => values.values().find_map(|value| value.as_ref().err()),
            },
        };
        let Some(error) = error else {
            panic!("{path}: {part:?} does not fail: {node:?}");
        };
        check(error, kind, words, at.into());
        self
    }

    /// What was seen at `path`.
    pub fn node(&self, path: &str) -> &Node {
        if let Some((error, _)) = &self.walk.refused {
            panic!("refused: {error}");
        }
        let nodes = &self.walk.nodes;
        let names = || nodes.keys().cloned().collect::<Vec<_>>();
        nodes
            .get(path)
            .unwrap_or_else(|| panic!("no {path} in {:?}", names()))
    }

    /// Every file but those of `hit` (and what lies below them) reads as in the seed.
    pub fn rest_as_before(&self, hit: &[&str]) -> &Self {
        if let Some((error, _)) = &self.walk.refused {
            panic!("refused: {error}");
        }
        let spared = |path: &str| {
            let below = |hit: &&str| path == *hit || path.starts_with(&format!("{hit}/"));
            !hit.iter().any(below)
        };
        let before = &self.seed.walked().nodes;
        let paths: BTreeSet<_> = before.keys().chain(self.walk.nodes.keys()).collect();
        for path in paths.into_iter().filter(|path| spared(path)) {
            let (old, new) = (before.get(path), self.walk.nodes.get(path));
            assert!(old == new, "{path:?}: was {old:?}, is {new:?}");
        }
        self
    }

    /// A notice holds all of `words`.
    pub fn notices(&self, words: &[&str]) -> &Self {
        let holds = |notice: &String| words.iter().all(|word| notice.contains(word));
        assert!(
            self.walk.notices.iter().any(holds),
            "{words:?}: {:?}",
            self.walk.notices
        );
        self
    }
}

/// Kind, object, field, value and place of an error.
pub fn check(error: &Error, kind: Kind, words: &[&str], at: Option<usize>) {
    names(error, kind, words);
    assert_eq!(error.offset(), at.map(|at| at as u64), "offset of: {error}");
}

/// Kind, object, field, value and place of an error that has one.
pub fn blames(error: &Error, kind: Kind, words: &[&str], at: u64) {
    names(error, kind, words);
    assert_eq!(error.offset(), Some(at), "offset of: {error}");
}

/// Kind, object, field and value of an error.
pub fn names(error: &Error, kind: Kind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}
