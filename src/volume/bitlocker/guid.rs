//! GUIDs, as Microsoft stores and spells them.

use std::fmt;

/// A GUID, its bytes as on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guid(pub(super) [u8; 16]);

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::format::guid(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::{EOW_GUID, INFORMATION_GUID};
    use super::*;

    #[test]
    fn a_guid_is_spelt_as_microsoft_does() {
        let spelt = |guid| Guid(guid).to_string();
        assert_eq!(
            spelt(INFORMATION_GUID),
            "4967d63b-2e29-4ad8-8399-f6a339e3d001"
        );
        assert_eq!(spelt(EOW_GUID), "92a84d3b-dd80-4d0e-9e4e-b1e3284eaed8");
    }
}
