//! What encrypted volumes and encrypted images share: block ciphers in the modes of disk
//! encryption, and a source that decrypts what it reads.
//!
//! Nothing here encrypts, and nothing is authenticated: disk encryption has no room for that.

pub mod cipher;
pub mod decrypted;
pub mod hash;
pub mod iv;
pub mod kdf;
pub mod luks;
pub mod sectors;
pub mod spec;
#[cfg(test)]
mod tests;
mod xts;

/// Decrypts whole sectors, each by its number.
pub trait SectorCipher: Send + Sync {
    /// Bytes of one sector.
    fn sector_size(&self) -> usize;

    /// Decrypts `sectors` in place. The first is number `first_sector`, counted in sectors of
    /// [`SectorCipher::sector_size`]. What is behind the last whole sector stays as it is.
    fn decrypt(&self, first_sector: u64, sectors: &mut [u8]);
}
