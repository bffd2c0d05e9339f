//! Work that lasts while an image is opened or read, for whoever may want to show how far it is.

use super::Nobody;
use crate::source::streamed::Work;

/// Shows how far work is.
pub trait Progress: Send + Sync {
    /// Work begins: `total` bytes, where that is known. It is over when the answer is dropped.
    /// Several may be under way at once.
    fn begin(&self, total: Option<u64>) -> Box<dyn Work>;
}

impl Progress for Nobody {
    fn begin(&self, _total: Option<u64>) -> Box<dyn Work> {
        Box::new(Self)
    }
}

impl Work for Nobody {
    fn advance(&self, _bytes: u64) {}
}
