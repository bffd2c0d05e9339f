//! The options about what is encrypted.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use crate::format::KdfLimit;
use crate::service::keys::{ForVolume, Options};
use crate::service::size;

/// The keys of what is encrypted.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Keys")]
pub struct Unlocking {
    /// A file with the key or passphrase of this volume, or of any: p3:FILE, UUID=x:FILE, FILE
    #[arg(long = "key", value_name = "[VOLUME:]FILE", value_hint = ValueHint::FilePath)]
    pub keys: Vec<OsString>,
    /// Where in each of these files the key starts
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub keyfile_offset: Option<u64>,
    /// How long the key is; without it, to the end of the file
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub keyfile_size: Option<u64>,
    /// Read a passphrase, one line, from this descriptor
    #[arg(long = "passphrase-fd", value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    pub passphrase_fds: Vec<i32>,
    /// The detached header of this encrypted volume, or of the whole disk
    #[arg(long = "header", value_name = "[VOLUME:]FILE", value_hint = ValueHint::FilePath)]
    pub headers: Vec<OsString>,
    /// The most memory and time that making a key from a passphrase may take [default: 1G:10]
    #[arg(long, value_name = "SIZE[:SECONDS]", value_parser = size::kdf_limit)]
    pub kdf_limit: Option<KdfLimit>,
    /// Never ask for a passphrase at the terminal
    #[arg(long)]
    pub no_ask: bool,
    /// Fail where something stays locked
    #[arg(long)]
    pub strict: bool,
}

impl Unlocking {
    /// As the service wants it.
    #[must_use]
    pub fn options(&self) -> Options {
        let files = |list: &[OsString]| list.iter().map(|it| ForVolume::parse(it)).collect();
        Options {
            files: files(&self.keys),
            offset: self.keyfile_offset.unwrap_or_default(),
            size: self.keyfile_size,
            descriptors: self.passphrase_fds.clone(),
            headers: files(&self.headers),
            no_ask: self.no_ask,
            strict: self.strict,
        }
    }
}
