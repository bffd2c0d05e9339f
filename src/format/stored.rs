//! What is kept from one use of an image to the next: an index that took long to make.

use std::sync::Arc;

use super::Nobody;

/// One piece of bytes that is kept for one image, or for one layer of it.
///
/// It is kept for this very file in the state it is in now. All the same, what is loaded may be
/// anything: of another version of this program, damaged, or made by somebody. A format checks it
/// by a magic, a version and a checksum of its own, and works without where it is wrong.
pub trait Stored: Send + Sync {
    /// What was saved last, if it is still there.
    fn load(&self) -> Option<Vec<u8>>;

    /// Keeps `bytes` in place of what was kept before. Where that is not possible, or not wanted,
    /// or where they are too many, nothing is kept and nobody is told.
    fn save(&self, bytes: &[u8]);

    /// The same for the layer `name` inside this one.
    fn layer(&self, name: &[u8]) -> Arc<dyn Stored>;
}

impl Stored for Nobody {
    fn load(&self) -> Option<Vec<u8>> {
        None
    }

    fn save(&self, _bytes: &[u8]) {}

    fn layer(&self, _name: &[u8]) -> Arc<dyn Stored> {
        Arc::new(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Kept;
    use super::*;

    #[test]
    fn each_layer_keeps_its_own() {
        let outer = Kept::default();
        outer.save(b"outer");
        outer.layer(b"in").save(b"inner");
        outer.layer(b"in").save(b"newer");
        assert_eq!(outer.load().as_deref(), Some(&b"outer"[..]));
        assert_eq!(outer.layer(b"in").load().as_deref(), Some(&b"newer"[..]));
        assert_eq!(outer.layer(b"in").layer(b"in").load(), None);
        assert_eq!(outer.layer(b"other").load(), None);
    }
}
