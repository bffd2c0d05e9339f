//! One dynamic disk as it is found: its private header, and the database on it.

use super::contents;
use super::database::{self, Database};
use super::header::{self, Header};
use crate::error::{Error, Result};
use crate::source::Source;

/// A disk.
pub(super) struct Member {
    pub(super) header: Header,
    /// What it knows of its group.
    pub(super) database: Result<Database>,
    /// What is wrong with copies that others stand in for.
    pub(super) damage: Vec<Error>,
}

impl Member {
    /// Reads the private header of `source`, and the database. `None` where it is no dynamic disk.
    ///
    /// # Errors
    /// `Corrupt` and `Unsupported` where no copy of the private header can be read.
    pub(super) fn read(source: &dyn Source, ignore_checksums: bool) -> Result<Option<Self>> {
        let Some(found) = header::find(source, ignore_checksums)? else {
            return Ok(None);
        };
        let (header, mut damage) = (found.header, found.damage);
        let region = contents::database(source, &header, ignore_checksums, &mut damage);
        let database = region.and_then(|region| database::read(source, region));
        let database = database.and_then(|database| {
            if database.group == header.group {
                return Ok(database);
            }
            let (one, other) = (database.group, header.group);
            let text = format!("its database is of group {one}, and its private header of {other}");
            Err(Error::corrupt(text).at(database.group_at))
        });
        Ok(Some(Self {
            header,
            database,
            damage,
        }))
    }
}
