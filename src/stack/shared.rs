//! What shares a disk with a partition table on purpose. The partitions are shown besides.
//!
//! A hybrid disc has a file system over the whole, and a table to boot from it as from a disk.
//!
//! A volume manager may have its own data in some of the partitions, of which only the whole disk
//! makes sense; the table says so by their types. The disk is a member then, whose volumes may lie on
//! other disks too: a dynamic disk of Windows with a GPT, which has the EFI system partition besides.
//! Without a manager that claims the disk the table is as any, but for partitions of such types: what
//! looks like the start of a file system in there may be a piece of one, of which the rest is
//! elsewhere.

use super::probe::{Claim, Found, Subject};
use crate::format::{Partition, Set, Volume};
use crate::signature::Signature;

/// Where the first partition of a hybrid may begin at the latest and yet be the whole of it: behind
/// the sectors that a disc leaves to others.
const HYBRID_START: u64 = 32 * 1024;

/// The volume manager whose pieces of volumes lie in a partition of this type.
pub(super) fn manager(partition: Option<&Partition>) -> Option<&'static str> {
    match partition?.type_id.as_str() {
        // Microsoft's Logical Disk Manager: data and metadata.
        "af9b60a0-1431-4f62-bc68-3311714a69ad" | "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3" => {
            Some("ldm")
        }
        "e75caf8f-f680-4cee-afa3-b001e56efc2d" => Some("Storage Spaces"),
        _ => None,
    }
}

/// What cannot be had of a partition of `manager` alone, and what to do.
pub(super) fn lacks(manager: &str) -> &'static str {
    match manager {
        "Storage Spaces" => {
            "its volumes are not read; Windows shows them, with all disks of the pool"
        }
        _ => "its volumes cannot be shown",
    }
}

/// The claim of the manager that one of the table's `volumes` is of.
pub(super) fn claim<'a>(claims: &'a [Claim], volumes: &[Volume]) -> Option<&'a Claim> {
    let managers = || {
        volumes
            .iter()
            .filter_map(|it| manager(it.partition.as_ref()))
    };
    let is_named = |claim: &&Claim| managers().any(|name| name == claim.reader.name());
    claims.iter().find(is_named)
}

/// Whether what claims the whole as `set` may have been made together with a table of `volumes`.
/// What partitions were made over later begin inside it and end behind it.
pub(super) fn is_hybrid(set: &Set, volumes: &[Volume]) -> bool {
    let Set::Hybrid { size } = set else {
        return false;
    };
    let mut places = volumes.iter().filter_map(|volume| volume.location);
    places.all(|(start, len)| {
        let ends_inside = start.saturating_add(len) <= *size;
        ends_inside || start <= HYBRID_START || start >= *size
    })
}

impl Subject<'_> {
    /// The file system over the whole with the partitions of `table` besides its files; the table
    /// where it does not open.
    pub(super) fn hybrid(
        &self,
        table: Found,
        claims: &[Claim],
        signatures: &[&'static Signature],
    ) -> Found {
        let opened = self.without_table(claims, signatures);
        match (opened, table) {
            (
                Ok(Found::FileSystem {
                    format,
                    description,
                    filesystem,
                    mut extra,
                    mut beside,
                }),
                Found::Table {
                    format: name,
                    description: says,
                    volumes,
                },
            ) => {
                extra.extend(volumes);
                beside.push((name, says));
                Found::FileSystem {
                    format,
                    description,
                    filesystem,
                    extra,
                    beside,
                }
            }
            (_, table) => table,
        }
    }

    /// The member that `claim` says the subject is, with the partitions of `table` besides; the table
    /// where it does not open.
    pub(super) fn managed(&self, claim: &Claim, table: Found) -> Found {
        match (self.open(claim), table) {
            (
                Found::Member {
                    reader,
                    description,
                    set,
                    ..
                },
                Found::Table {
                    format,
                    description: says,
                    volumes,
                },
            ) => Found::Member {
                reader,
                description,
                set,
                extra: volumes,
                beside: vec![(format, says)],
            },
            (found, table) => {
                self.note_refused(Some(&found));
                table
            }
        }
    }
}
