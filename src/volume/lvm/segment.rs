//! A segment: some extents of a logical volume, and what they lie on.

use super::kinds::{self, Stacked};
use super::layout::SECTOR;
use super::name::LONGEST;
use super::text::{Item, Section};
use crate::error::{Error, Result, ResultExt, printable};

/// Some extents of a logical volume.
#[derive(Debug, PartialEq)]
pub(super) struct Segment {
    /// Where the text has its section.
    pub(super) at: u64,
    /// Its first extent in the logical volume.
    pub(super) start: u64,
    /// How many extents it has, at least one.
    pub(super) count: u64,
    pub(super) kind: Kind,
}

/// What a segment lies on.
#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    /// `striped`, which with one area is linear. Each area has `chunk` bytes in turn.
    Stripes { chunk: u64, areas: Vec<Area> },
    /// `mirror`: each area has everything.
    Copies(Vec<Area>),
    /// What lies on other logical volumes as a whole.
    Stacked(Stacked),
    /// `zero`: reads as zeros.
    Zero,
    /// `error`: cannot be read, and is made for that.
    Error,
    /// A type that is not read.
    Unsupported(String),
}

/// Where the extents of a stripe or a copy begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Area {
    /// Where the text says so.
    pub(super) at: u64,
    /// The physical or logical volume.
    pub(super) name: String,
    /// The first extent in it.
    pub(super) extent: u64,
}

impl Segment {
    /// The extent behind its last; [`all`] has checked that there is one.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.count)
    }
}

impl Kind {
    /// How many areas or images it lies on; what lies on others in another way is one.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Stripes { areas, .. } | Self::Copies(areas) => areas.len(),
            Self::Stacked(Stacked::Raid(raid)) => raid.images.len(),
            Self::Stacked(_) => 1,
            Self::Zero | Self::Error | Self::Unsupported(_) => 0,
        }
    }
}

/// The segments of the logical volume that `section` describes.
///
/// # Errors
/// `Corrupt` for a segment that makes no sense, and where one does not follow on the other.
pub(super) fn all(section: &Section<'_>) -> Result<Vec<Segment>> {
    let is_segment = |name: &[u8]| {
        let number = name.strip_prefix(b"segment");
        number.is_some_and(|it| it.len() < LONGEST && it.iter().all(u8::is_ascii_digit))
    };
    let mut segments = Vec::new();
    for (name, inner) in section.sections().filter(|(name, _)| is_segment(name)) {
        segments.push(of(inner).context(|| printable(name))?);
    }
    segments.sort_by_key(|segment| segment.start);
    check_order(&segments)?;
    let (said, found) = (
        section.need("segment_count")?,
        super::group::count(&segments),
    );
    if said != u64::from(found) || found == 0 {
        let text = format!("segment_count is {said}, and {found} are there");
        return Err(section.wrong("segment_count", text));
    }
    Ok(segments)
}

fn check_order(segments: &[Segment]) -> Result<()> {
    let mut end = 0;
    for segment in segments {
        let start = segment.start;
        if start != end {
            let what = if start < end {
                "overlap"
            } else {
                "leave a gap"
            };
            let text = format!("segments {what} between extents {start} and {end}");
            return Err(Error::corrupt(text).at(segment.at));
        }
        end = segment.end();
    }
    Ok(())
}

fn of(section: &Section<'_>) -> Result<Segment> {
    let (start, count) = (section.need("start_extent")?, section.need("extent_count")?);
    if count == 0 || start.checked_add(count).is_none() {
        let text = format!("extent_count is {count} from extent {start} on");
        return Err(section.wrong("extent_count", text));
    }
    let kind = section.text("type").unwrap_or_default();
    // Flags may stand behind a plus sign: `cache+CACHE_USES_CACHEVOL`.
    let word = kind.split(|byte| *byte == b'+').next().unwrap_or_default();
    if word.len() > LONGEST {
        let text = format!("a type of {} bytes", word.len());
        return Err(section.wrong("type", text));
    }
    let kind = kind_of(word, section, count)?;
    let count = match &kind {
        Kind::Stacked(Stacked::Raid(raid)) => raid.extents(section, count)?,
        _ => count,
    };
    Ok(Segment {
        at: section.at,
        start,
        count,
        kind,
    })
}

fn kind_of(word: &[u8], section: &Section<'_>, count: u64) -> Result<Kind> {
    match word {
        b"striped" | b"linear" => stripes(section, count),
        b"mirror" => Ok(Kind::Copies(areas(section, "mirrors", "mirror_count")?)),
        b"zero" => Ok(Kind::Zero),
        b"error" => Ok(Kind::Error),
        other => {
            let stacked = kinds::of(other, section)?.map(Kind::Stacked);
            Ok(stacked.unwrap_or_else(|| Kind::Unsupported(printable(other))))
        }
    }
}

fn stripes(section: &Section<'_>, count: u64) -> Result<Kind> {
    let areas = areas(section, "stripes", "stripe_count")?;
    let width = u64::from(super::group::count(&areas));
    let chunk = match width {
        1 => 0,
        _ => stripe_size(section)?,
    };
    if !count.is_multiple_of(width) {
        let text = format!("{count} extents cannot be in {width} stripes");
        return Err(section.wrong("extent_count", text));
    }
    Ok(Kind::Stripes { chunk, areas })
}

/// `stripe_size` in bytes. LVM2 makes powers of two of at least a page, but device-mapper takes any.
fn stripe_size(section: &Section<'_>) -> Result<u64> {
    let sectors = section.need("stripe_size")?;
    let bytes = sectors.checked_mul(SECTOR).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| section.wrong("stripe_size", format!("stripe_size is {sectors}")))
}

/// The list called `name`: pairs of a volume's name and an extent.
fn areas(section: &Section<'_>, name: &str, count: &str) -> Result<Vec<Area>> {
    let pairs = section.list(name).chunks(2);
    let area = |pair: &[Item<'_>]| match pair {
        [volume, extent] => Some(Area {
            at: volume.at,
            name: printable(volume.as_text()?),
            extent: extent.as_number()?,
        }),
        _ => None,
    };
    let areas: Option<Vec<Area>> = pairs.map(area).collect();
    let wrong = || {
        let text = format!("{name} are no pairs of a volume and an extent");
        section.wrong(name, text)
    };
    let areas = areas.ok_or_else(wrong)?;
    let (said, found) = (section.need(count)?, super::group::count(&areas));
    if said != u64::from(found) || found == 0 {
        let text = format!("{count} is {said}, and {found} are there");
        return Err(section.wrong(count, text));
    }
    Ok(areas)
}

#[cfg(test)]
mod tests {
    use super::super::text::{Text, parse};
    use super::*;
    use crate::number::to_u64;

    fn segments(text: &str) -> Result<Vec<Segment>> {
        let text = Text {
            bytes: text.into(),
            at: 0,
            first: to_u64(text.len()),
            behind: 0,
        };
        all(&parse(&text).unwrap())
    }

    /// `words` at the last place where `text` has `token`.
    fn at(text: &str, token: &str, words: &str) -> String {
        format!("{words} at byte {:#x}", text.rfind(token).unwrap())
    }

    fn linear(number: u64, start: u64, count: u64) -> String {
        format!(
            "segment{number} {{ start_extent = {start} extent_count = {count} type = \"striped\" \
             stripe_count = 1 stripes = [\"pv0\", 7] }}\n"
        )
    }

    fn message(text: &str) -> String {
        segments(text).unwrap_err().to_string()
    }

    #[test]
    fn segments_are_sorted_and_follow_on_each_other() {
        let text = linear(2, 3, 4) + &linear(1, 0, 3) + "segment_count = 2";
        let found = segments(&text).unwrap();
        let places: Vec<_> = found.iter().map(|it| (it.start, it.count)).collect();
        assert_eq!(places, [(0, 3), (3, 4)]);
        let area = Area {
            at: to_u64(text.rfind("\"pv0").unwrap()),
            name: "pv0".to_owned(),
            extent: 7,
        };
        let stripes = Kind::Stripes {
            chunk: 0,
            areas: vec![area],
        };
        assert_eq!(found[0].kind, stripes);
    }

    #[test]
    fn l06_segments_that_overlap_or_leave_a_gap_are_refused() {
        let text = linear(1, 0, 3) + &linear(2, 2, 2) + "segment_count = 2";
        let words = "segments overlap between extents 2 and 3";
        assert_eq!(message(&text), at(&text, "segment2", words));
        let text = linear(1, 0, 3) + &linear(2, 4, 2) + "segment_count = 2";
        let words = "segments leave a gap between extents 4 and 3";
        assert_eq!(message(&text), at(&text, "segment2", words));
        let text = linear(1, 0, 3) + "segment_count = 2";
        let words = "segment_count is 2, and 1 are there";
        assert_eq!(message(&text), at(&text, "2", words));
    }

    #[test]
    fn l05_counts_and_sizes_that_cannot_be_are_refused() {
        let stripes = |rest: &str| {
            message(&format!(
                "segment_count = 1 segment1 {{ start_extent = 0 extent_count = 4 type = \"striped\" {rest} }}"
            ))
        };
        let two = "stripes = [\"pv0\", 0, \"pv1\", 0]";
        for (text, words) in [
            (
                "stripe_count = 0 stripes = []".to_owned(),
                "stripe_count is 0",
            ),
            (
                format!("stripe_count = 3 {two}"),
                "stripe_count is 3, and 2",
            ),
            (
                format!("stripe_count = 2 {two}"),
                "no number called stripe_size",
            ),
            (
                format!("stripe_count = 2 stripe_size = 0 {two}"),
                "stripe_size is 0",
            ),
            (
                "stripe_count = 1 stripes = [\"pv0\"]".to_owned(),
                "no pairs",
            ),
        ] {
            let message = stripes(&text);
            assert!(message.contains(words), "{message}");
        }
        assert!(
            message(&(linear(1, u64::MAX >> 1, 0) + "segment_count = 1"))
                .contains("extent_count is 0")
        );
        let far = linear(1, 9_000_000_000_000_000_000, 9_000_000_000_000_000_000);
        assert!(message(&far).contains("leave a gap"));
    }
}
