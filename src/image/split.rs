//! An image in several files: `x.001`, `x.002` …, `x.part1` …, `x-aa`, `x-ab` … Nothing in them
//! says so: the names alone do, and the first of them is what is opened.

use std::collections::BTreeMap;

use super::Open;
use crate::error::{self, Error, Result, printable};
use crate::format::{Context, Description, Disk, Format, Set};
use crate::source::{SharedSource, Source, joined};

pub(super) const FORMAT: Format<Open> = Format {
    name: "split",
    claim,
    describe,
    open,
};

/// How many parts there may be.
const MOST_PARTS: usize = 10_000;

/// How the parts are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `.001`, or `.000`, with at least this many digits.
    Digits(usize),
    /// `.part1`, `.part01`, with at least this many digits.
    Part(usize),
    /// `-aa`, `.aa`, `_aa`, or `xaa` as split(1) calls them by itself.
    Letters,
}

/// What a name says.
#[derive(Debug, PartialEq, Eq)]
struct Part<'a> {
    /// What all parts begin with, the separator included.
    stem: &'a [u8],
    kind: Kind,
    number: u64,
}

/// The parts of one image.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    /// Their names in order.
    names: Vec<Vec<u8>>,
    /// What the image is called.
    name: Vec<u8>,
}

/// Whether the image that `context` is for is the first part of several.
///
/// # Errors
/// `Unsupported` for a later part, naming the first, and for what may be the first among too many
/// files; `NotFound` for a part that is missing.
pub(super) fn is_first(context: &Context) -> Result<bool> {
    let Some(this) = part(&context.origin.name) else {
        return Ok(false);
    };
    let names = match context.neighbours.names() {
        // Any `.gz` has the letters of a part, and no first ones.
        Err(error) if error.kind() == error::Kind::Unsupported && this.number <= 1 => {
            let hint = "--format raw takes the file for no part of several";
            return Err(error.hint(hint));
        }
        // Who cannot list the directory opens the file for what it is.
        names => names.unwrap_or_default(),
    };
    Ok(series(&context.origin.name, &names)?.is_some())
}

fn claim(_source: &dyn Source) -> Result<Option<Set>> {
    Ok(None)
}

fn describe(_source: &dyn Source) -> Result<Description> {
    Ok(Description::default())
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let first = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let own = &context.origin.name;
    let series = series(own, &context.neighbours.names()?)?;
    let series = series.ok_or_else(|| {
        let own = printable(own);
        Error::not_found(format!("{own} is not the first of several parts"))
    })?;
    let mut all = vec![first.clone()];
    for name in series.names.iter().skip(1) {
        all.push(context.file(name)?);
    }
    let whole = joined::join(all, context.cache.clone())?;
    context.inside(whole, &series.name, None)
}

/// What `name` says, if it is like a part's.
fn part(name: &[u8]) -> Option<Part<'_>> {
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit());
    let digits = digits.count();
    let (stem, number) = name.split_at_checked(name.len().checked_sub(digits)?)?;
    let dotted = stem.len() > 1 && stem.ends_with(b".");
    let worded = stem.len() > 5
        && stem
            .get(stem.len().checked_sub(5)?..)?
            .eq_ignore_ascii_case(b".part");
    let kind = match digits {
        3..=6 if dotted => Kind::Digits(digits),
        1..=6 if worded => Kind::Part(digits),
        0 => return letters(name),
        _ => return None,
    };
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some(Part { stem, kind, number })
}

fn letters(name: &[u8]) -> Option<Part<'_>> {
    let (stem, letters) = name.split_at_checked(name.len().checked_sub(2)?)?;
    let separated = stem.len() > 1 && stem.ends_with(b"-") || stem.ends_with(b".");
    let separated = separated || stem.ends_with(b"_") || stem == b"x";
    let mut number = 0_u64;
    for letter in letters {
        let letter = letter.checked_sub(b'a').filter(|letter| *letter < 26)?;
        number = number.checked_mul(26)?.checked_add(letter.into())?;
    }
    separated.then_some(Part {
        stem,
        kind: Kind::Letters,
        number,
    })
}

/// All parts of which `own` is the first, in order, as far as they are among `names`. `None` where
/// it is no part.
fn series(own: &[u8], names: &[Vec<u8>]) -> Result<Option<Parts>> {
    let Some(this) = part(own) else {
        return Ok(None);
    };
    let mut found = BTreeMap::new();
    for name in names.iter().map(Vec::as_slice).chain([own]) {
        if let Some(other) = part(name)
            && other.stem == this.stem
            && this.goes_with(&other, own.len(), name.len())
        {
            found.insert(other.number, name);
        }
    }
    let first = match found.contains_key(&0) || this.kind == Kind::Letters {
        true => 0,
        false => 1,
    };
    // Names of two letters mean much else.
    let reaches = |number: u64| (first..=number).all(|number| found.contains_key(&number));
    if this.kind == Kind::Letters && !reaches(this.number) || found.len() < 2 {
        return Ok(None);
    }
    if this.number != first {
        return Err(later(own, found.get(&first).copied()));
    }
    let mut in_order = Vec::new();
    let mut next = first;
    while let Some(name) = found.get(&next) {
        in_order.push(name.to_vec());
        next = next.saturating_add(1);
    }
    let far = match this.kind {
        Kind::Letters => next.saturating_add(25),
        _ => u64::MAX,
    };
    if let Some((_, behind)) = found.range(next..=far).next() {
        let (missing, behind) = (this.named(next), printable(behind));
        let text = format!("the part {missing} is missing, and {behind} is there");
        return Err(Error::not_found(text).hint(ALONE));
    }
    if in_order.len() > MOST_PARTS {
        let text = format!("it has {} parts, over {MOST_PARTS}", in_order.len());
        return Err(Error::unsupported(text));
    }
    let name = this.image_name().to_vec();
    let parts = Parts {
        names: in_order,
        name,
    };
    Ok((parts.names.len() > 1).then_some(parts))
}

const ALONE: &str = "--format raw takes this file alone";

fn later(own: &[u8], first: Option<&[u8]>) -> Error {
    let own = printable(own);
    match first {
        Some(first) => {
            let first = printable(first);
            let text = format!("{own} is a later part of a split image, which {first} begins");
            Error::unsupported(text).hint(format!("open {first}; {ALONE}"))
        }
        None => {
            let text = format!("{own} is a later part of a split image, whose first is missing");
            Error::not_found(text).hint(ALONE)
        }
    }
}

impl Part<'_> {
    /// Whether `other` is numbered in the same way. Numbers get longer when they have to.
    fn goes_with(&self, other: &Self, own_len: usize, other_len: usize) -> bool {
        let same = own_len == other_len;
        let grows = |least: usize, digits: usize| {
            let power = u32::try_from(least)
                .ok()
                .and_then(|it| 10_u64.checked_pow(it));
            let starts = power.is_some_and(|power| other.number >= power);
            digits > least && starts
        };
        match (self.kind, other.kind) {
            (Kind::Digits(least), Kind::Digits(digits))
            | (Kind::Part(least), Kind::Part(digits)) => same || grows(least, digits),
            (Kind::Letters, Kind::Letters) => same,
            _ => false,
        }
    }

    /// What the part `number` is called.
    fn named(&self, number: u64) -> String {
        let stem = printable(self.stem);
        match self.kind {
            Kind::Digits(least) | Kind::Part(least) => format!("{stem}{number:0least$}"),
            Kind::Letters => {
                let letter = |index: u64| {
                    let index = u8::try_from(index.checked_rem(26).unwrap_or(0));
                    char::from(b'a'.saturating_add(index.unwrap_or(0)))
                };
                let high = number.checked_div(26).unwrap_or(0);
                format!("{stem}{}{}", letter(high), letter(number))
            }
        }
    }

    /// The stem without what separates it.
    fn image_name(&self) -> &[u8] {
        let cut = match self.kind {
            Kind::Part(_) => 5,
            Kind::Letters if self.stem == b"x" => 0,
            _ => 1,
        };
        let end = self.stem.len().checked_sub(cut);
        end.and_then(|end| self.stem.get(..end))
            .unwrap_or(self.stem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(own: &str, names: &[&str]) -> std::result::Result<Option<(usize, String)>, String> {
        let names: Vec<_> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        let found = series(own.as_bytes(), &names).map_err(|error| error.to_string())?;
        Ok(found.map(|parts| (parts.names.len(), String::from_utf8(parts.name).unwrap())))
    }

    /// A directory of too many files.
    struct Crowd;

    impl crate::format::Neighbours for Crowd {
        fn open(&self, _: &[u8]) -> Result<crate::format::Neighbour> {
            Err(Error::not_found("nothing"))
        }

        fn names(&self) -> Result<Vec<Vec<u8>>> {
            Err(Error::unsupported("too many"))
        }
    }

    #[test]
    fn what_may_be_a_first_part_is_refused_where_nobody_can_tell() {
        let refused = |name: &str| {
            let mut context = Context::new(crate::cache::Cache::new(1 << 20));
            context.neighbours = std::sync::Arc::new(Crowd);
            context.origin.name = name.as_bytes().to_vec();
            is_first(&context).is_err()
        };
        assert!(
            ["d.001", "d.000", "d.part1", "xaa"]
                .iter()
                .all(|it| refused(it))
        );
        assert!(
            !["d.gz", "d.xz", "d.raw", "d.117"]
                .iter()
                .any(|it| refused(it))
        );
    }

    #[test]
    fn names_of_all_kinds() {
        let is = |own: &str, names: &[&str], count: usize, name: &str| {
            assert_eq!(of(own, names), Ok(Some((count, name.to_owned()))), "{own}");
        };
        is(
            "d.raw.001",
            &["d.raw.001", "d.raw.002", "e.raw.003"],
            2,
            "d.raw",
        );
        is("d.000", &["d.001", "d.002", "d.000"], 3, "d");
        is("d.part1", &["d.part1", "d.part2", "d.part01"], 2, "d");
        is("d.Part01", &["d.Part01", "d.Part02"], 2, "d");
        is(
            "d.img-aa",
            &["d.img-aa", "d.img-ab", "d.img-gz"],
            2,
            "d.img",
        );
        is("d.aa", &["d.aa", "d.ab", "d.gz", "d.ac"], 3, "d");
        is("xaa", &["xaa", "xab"], 2, "x");
        let many: Vec<String> = (1..1200).map(|number| format!("d.{number:03}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        is("d.001", &many, 1199, "d");
    }

    #[test]
    fn a_lone_file_is_no_part() {
        for (own, names) in [
            ("d.001", &["d.001", "d.raw"][..]),
            ("d.img.gz", &["d.img.gz", "d.img.xz", "d.img"]),
            ("d.img.gz", &["d.img.aa", "d.img.ab", "d.img.gz"]),
            ("d.img.aa", &["d.img.aa", "d.img.xz"]),
            (".001", &[".001", ".002"]),
            ("disk2024", &["disk2024", "disk2025"]),
        ] {
            assert_eq!(of(own, names), Ok(None), "{own}");
        }
    }

    #[test]
    fn gaps_and_later_parts_are_named() {
        let error = |own: &str, names: &[&str]| of(own, names).unwrap_err();
        let text = error("d.001", &["d.001", "d.002", "d.004"]);
        assert!(text.contains("d.003 is missing, and d.004"), "{text}");
        let text = error("d-aa", &["d-aa", "d-ab", "d-ad"]);
        assert!(text.contains("d-ac is missing"), "{text}");
        let text = error("d.part3", &["d.part1", "d.part2", "d.part3"]);
        assert!(text.contains("open d.part1"), "{text}");
        let text = error("d.003", &["d.002", "d.003"]);
        assert!(text.contains("first is missing"), "{text}");
        let text = error("d-ab", &["d-aa", "d-ab"]);
        assert!(text.contains("open d-aa"), "{text}");
    }
}
