//! Where a walk over a tree is.

/// The path to where a walk is, in one buffer however deep that is. A walk that kept a path for
/// each directory it has yet to come to would need memory by the square of a hostile tree's depth.
#[derive(Clone, Debug, Default)]
pub struct Trail(Vec<u8>);

impl Trail {
    /// One that starts at `path`.
    #[must_use]
    pub fn at(path: &[u8]) -> Self {
        Self(path.to_vec())
    }

    /// Goes on to `name`.
    pub fn push(&mut self, name: &[u8]) {
        if !self.0.is_empty() && !self.0.ends_with(b"/") {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(name);
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.0
    }

    /// This place, for [`Trail::back`].
    #[must_use]
    pub fn mark(&self) -> usize {
        self.0.len()
    }

    /// Goes back to where it was at `mark`.
    pub fn back(&mut self, mark: usize) {
        self.0.truncate(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_goes_on_and_back() {
        for (start, there) in [("", "a/b"), ("/", "/a/b"), ("d", "d/a/b"), ("d/", "d/a/b")] {
            let mut trail = Trail::at(start.as_bytes());
            let mark = trail.mark();
            trail.push(b"a");
            trail.push(b"b");
            assert_eq!(trail.path(), there.as_bytes());
            trail.back(mark);
            assert_eq!(trail.path(), start.as_bytes());
        }
    }
}
