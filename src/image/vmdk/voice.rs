//! How the parts of a disk say what is odd about them: each notice names its file, where it is not the
//! one that the user named, and its extent.

use std::sync::Arc;

use crate::error::printable;
use crate::format::{Context, Notices};

/// What puts the place in front of a notice.
#[derive(Clone, Default)]
pub(super) struct Voice {
    notices: Arc<Notices>,
    place: String,
}

impl Voice {
    /// That of the image which `context` opens.
    pub(super) fn of(context: &Context) -> Self {
        let name = printable(&context.origin.name);
        Self {
            notices: context.notices.clone(),
            place: match context.origin.depth() {
                0 => "vmdk: ".to_owned(),
                _ => format!("{name}: vmdk: "),
            },
        }
    }

    /// That of a part of it.
    pub(super) fn within(&self, part: &str) -> Self {
        Self {
            notices: self.notices.clone(),
            place: format!("{}{part}: ", self.place),
        }
    }

    /// Says `text`.
    pub(super) fn say(&self, text: &str) {
        self.notices.add(format!("{}{text}", self.place));
    }
}
