//! Encryption: of the data's plain clusters, by LUKS or by QEMU's older AES. Tables are as they are,
//! and so are compressed clusters, which QEMU does not encrypt.
//!
//! LUKS counts sectors by where a cluster lies in its file, so that all of the file is decrypted as
//! one. The older AES counts them by where the guest has them.

use std::mem::offset_of;
use std::num::NonZeroU64;
use std::sync::Arc;

use super::extensions::Crypto;
use super::header::Header;
use super::layout;
use super::map::Clusters;
use crate::crypt::SectorCipher;
use crate::crypt::iv::Iv;
use crate::crypt::luks;
use crate::crypt::sectors::{Mode, Numbers, Sectors};
use crate::error::{Error, Result, ResultExt, printable};
use crate::format::{Container, Context, Secret};
use crate::number::{to_u64, to_usize};
use crate::source::mapped::{Map, Place, Run};
use crate::source::{Memory, SharedSource, Source, read_vec};

/// Bytes of an AES key, which is the passphrase itself.
const AES_KEY: usize = 16;

/// Bytes of the longest LUKS header; QEMU's have 2 MiB.
const MOST_HEADER: u64 = 16 << 20;

/// Bytes of LUKS's own header, before its keyslots.
const LEAST_HEADER: u64 = 592;

/// Bytes of a sector in either kind.
const SECTOR: u64 = 512;

/// How the data's clusters are encrypted, with their key.
pub(super) enum Cipher {
    /// Not at all.
    None,
    /// By sectors of the file that they lie in.
    File(Arc<dyn SectorCipher>),
    /// By sectors of the guest's disk.
    Guest(Arc<dyn SectorCipher>),
}

/// The LUKS header in `image`, the bytes that its keyslots lie in, and the byte of the file that
/// they begin at: errors of LUKS count from there.
fn luks_header(image: &dyn Source, header: &Header) -> Result<(luks::Header, Memory, u64)> {
    let Crypto { offset, length, at } = header.extensions.crypto.ok_or_else(|| {
        Error::corrupt("crypt_method 2, and no header extension says where LUKS is").at(32)
    })?;
    let wrong = |why: &str, at: u64| {
        let text = format!("the LUKS header of {length} bytes at {offset:#x} {why}");
        Error::corrupt(text).at(at)
    };
    let length_at = at.saturating_add(to_u64(offset_of!(layout::CryptoHeader, length)));
    if length > MOST_HEADER {
        return Err(wrong("is over 16 MiB", length_at));
    }
    if length < LEAST_HEADER {
        return Err(wrong("is cut off", length_at));
    }
    let bytes = read_vec(image, offset, to_usize(length));
    let bytes = Memory(bytes.map_err(|_| wrong("is past the end of the file", at))?);
    let luks = luks::Header::read(&bytes, false).map_err(|error| error.moved(offset))?;
    if luks.name() != "LUKS1" {
        let text = format!("{} in qcow2 is not known", luks.name());
        return Err(Error::unsupported(text).at(offset));
    }
    Ok((luks, bytes, offset))
}

/// What `info` says of the encryption.
pub(super) fn facts(image: &dyn Source, header: &Header) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    match header.crypt_method {
        layout::CRYPT_AES => facts.push(("encryption", "AES".to_owned())),
        layout::CRYPT_LUKS => {
            facts.push(("encryption", "LUKS".to_owned()));
            if let Ok((luks, ..)) = luks_header(image, header) {
                let of_luks = luks.describe().facts.into_iter();
                facts.extend(of_luks.filter(|(name, _)| *name != "version"));
            }
        }
        _ => {}
    }
    facts
}

/// Finds the key by one of the user's.
pub(super) fn unlock(image: &SharedSource, header: &Header, context: &Context) -> Result<Cipher> {
    match header.crypt_method {
        0 => Ok(Cipher::None),
        layout::CRYPT_AES => aes(context).map(Cipher::Guest),
        layout::CRYPT_LUKS => {
            let (luks, bytes, start) = luks_header(&**image, header).context(|| "LUKS")?;
            let unlocked = luks.unlock(&bytes, context);
            let sectors = unlocked.and_then(|unlocked| unlocked.sectors());
            let sectors = sectors.map_err(|error| error.moved(start));
            sectors.context(|| "LUKS").map(Cipher::File)
        }
        other => {
            let text = format!("crypt_method {other} is not known");
            Err(Error::unsupported(text).at(32))
        }
    }
}

/// The passphrase is the key, and nothing says whether it is the right one.
fn aes(context: &Context) -> Result<Arc<dyn SectorCipher>> {
    let container = Container {
        format: "qcow2 with AES",
        uuid: None,
        wants: "its passphrase",
    };
    let opened = context.unlock(&container, &mut |secret| {
        // It is tried once more without the line's end, which no passphrase of QEMU's has.
        match secret.bytes().ends_with(b"\n") {
            true => Ok(None),
            false => aes_sectors(secret).map(Some),
        }
    })?;
    context.notices.add(format!(
        "qcow2: {}: the older AES encryption cannot tell a wrong passphrase; what it gives is garbage",
        printable(&context.origin.name)
    ));
    Ok(opened)
}

fn aes_sectors(secret: &Secret) -> Result<Arc<dyn SectorCipher>> {
    let mut key = Secret::zeros(AES_KEY)?;
    for (byte, from) in key.bytes_mut().iter_mut().zip(secret.bytes()) {
        *byte = *from;
    }
    let mode = Mode::by_name("aes", "cbc", key.bytes())?;
    let sectors = Sectors::new(mode, Iv::Plain64, to_usize(SECTOR), Numbers::BY_SECTOR)?;
    Ok(Arc::new(sectors))
}

/// Clusters that are encrypted by their place in the guest's disk: each is a packed unit, called by
/// its number.
pub(super) struct Guest {
    pub(super) clusters: Clusters,
    pub(super) cipher: Arc<dyn SectorCipher>,
}

impl Guest {
    fn cluster(&self) -> NonZeroU64 {
        self.clusters.header.cluster()
    }

    /// Reads what lies at byte `at` of the disk into all of `into`, if it is a plain cluster's.
    fn read_plain(&self, run: &Run, at: u64, into: &mut [u8]) -> Result<()> {
        match run.place {
            Place::At { offset, .. } => {
                self.clusters.data.read_exact_at(into, offset)?;
                self.cipher.decrypt(at / SECTOR, into);
            }
            // Subclusters of other kinds, which no run leads to here.
            _ => into.fill(0),
        }
        Ok(())
    }
}

/// Whether `unit` is a compressed cluster's descriptor and no number.
fn is_compressed(unit: u64) -> bool {
    unit & layout::COMPRESSED != 0
}

impl Map for Guest {
    fn size(&self) -> u64 {
        self.clusters.size()
    }

    fn run_at(&self, offset: u64, attempt: u8) -> Result<Run> {
        let run = self.clusters.run_at(offset, attempt)?;
        match run.place {
            Place::At { .. } => Ok(Run {
                place: Place::Packed {
                    unit: offset / self.cluster(),
                    skip: to_usize(offset % self.cluster()),
                },
                len: run.len,
            }),
            _ => Ok(run),
        }
    }

    fn unit(&self, unit: u64) -> Result<usize> {
        self.clusters.unit(unit)
    }

    fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()> {
        if is_compressed(unit) {
            return self.clusters.unpack(unit, into);
        }
        let mut at = unit.saturating_mul(self.cluster().get());
        let mut rest = into;
        while !rest.is_empty() {
            let run = self.clusters.run_at(at, 0)?;
            let len = to_usize(run.len.get()).min(rest.len());
            let (piece, tail) = rest.split_at_mut(len);
            self.read_plain(&run, at, piece)?;
            rest = tail;
            at = at.saturating_add(to_u64(len));
        }
        Ok(())
    }
}

/// All of `data`, decrypted by its own sectors.
pub(super) fn of_file(data: SharedSource, cipher: Arc<dyn SectorCipher>) -> Result<SharedSource> {
    let decrypted = crate::crypt::decrypted::Decrypted::new(data, cipher, 0)?;
    Ok(Arc::new(decrypted))
}
