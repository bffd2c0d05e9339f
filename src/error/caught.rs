//! Panics as errors: for the places where requests are handed out, and for nowhere else. A parser
//! that catches its own hides them from whoever looks for them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Error, Kind, Result, printable};

/// Runs `work`. A panic in it, which is a bug of ours that an image has found, is an error of
/// [`Kind::Bug`]: whatever it left half done is behind locks that are whole or caches that refill.
///
/// # Errors
/// Those of `work`.
pub fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(bug(&*panic)))
}

fn bug(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    // It may quote the image.
    let text = printable(text.unwrap_or("a panic").as_bytes());
    Error::new(Kind::Bug, format!("a bug in imgmount: {text}")).hint("please report it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_says_what_happened_and_an_error_stays_what_it_is() {
        assert_eq!(caught(|| Ok(7)), Ok(7));
        let error = caught(|| Err::<(), _>(Error::corrupt("bad")));
        assert_eq!(error, Err(Error::corrupt("bad")));
        let bug = caught::<()>(|| panic!("index {} of\x1b 3", 3)).unwrap_err();
        assert_eq!(bug.kind(), Kind::Bug);
        let text = "a bug in imgmount: index 3 of\\x1b 3 (please report it)";
        assert_eq!(bug.to_string(), text);
    }
}
