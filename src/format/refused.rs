//! What one way refuses while others are still to be tried.

use crate::error::{Error, Result};

/// The first refusal of several ways to open something: it is told where none of them opens it.
#[derive(Debug, Default)]
pub struct Refused(Option<Error>);

impl Refused {
    /// What one way gives. What it refuses is kept, and gives nothing.
    pub fn keep<T>(&mut self, tried: Result<Option<T>>) -> Option<T> {
        tried.unwrap_or_else(|error| {
            self.0.get_or_insert(error);
            None
        })
    }

    /// What there is to be said where no way has opened it.
    ///
    /// # Errors
    /// The first refusal.
    pub fn nothing<T>(self) -> Result<Option<T>> {
        self.0.map_or(Ok(None), Err)
    }
}
