//! What the fuzz targets share: how their bytes are opened, and what must hold of whatever comes out.
//!
//! Nothing is known of the bytes, so nothing can be said of the answers by themselves; but two ways
//! to ask for the same must agree. A listing in small pages is the listing in one, what is listed is
//! found, bytes read in other pieces are the same bytes, and what is said to be a hole reads as zeros.
//! Panics are not caught here: the fuzzer sees them.

mod bytes;
mod files;
#[path = "../lab/input.rs"]
mod form;
mod input;
mod listing;
mod stack;

/// Opens `data` as the format `name` of whichever layer, and as nothing else, and looks at all of it.
///
/// # Panics
/// Where an oracle does not hold, or no format is called `name`.
pub fn format(name: &str, data: &[u8]) {
    stack::only(name, data);
}

/// Opens `data` as a user would, by all that the program reads, and looks at all of it.
///
/// # Panics
/// Where an oracle does not hold.
pub fn everything(data: &[u8]) {
    stack::everything(data);
}
