//! LVM2's text format: sections in braces, and `name = value`, where a value is a number, a string
//! in quotes or a list of them in brackets (lvm.conf(5) has the grammar; libdm/libdm-config.c reads
//! it). What is read here borrows from the text; depth and number of values are bounded.

mod parser;

use std::borrow::Cow;

use self::parser::Parser;
use crate::error::{Error, Result};
use crate::number::to_u64;

/// A text, and where its bytes are: it goes round in its area, so that errors say where a byte of
/// the text is on the physical volume.
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    /// The place of its first byte.
    pub(super) at: u64,
    /// How many bytes are there; the others follow from `behind` on.
    pub(super) first: u64,
    pub(super) behind: u64,
}

impl Text {
    /// Where byte `position` of the text is.
    fn place(&self, position: usize) -> u64 {
        let position = to_u64(position);
        let goes_round = to_u64(self.bytes.len()) > self.first;
        let rest = position.checked_sub(self.first);
        match rest.filter(|_| goes_round) {
            None => self.at.saturating_add(position),
            Some(rest) => self.behind.saturating_add(rest),
        }
    }
}

/// What stands in a pair of braces, in its order.
#[derive(Debug, PartialEq)]
pub(super) struct Section<'a> {
    /// Where its name stands, or the text.
    pub(super) at: u64,
    entries: Vec<(&'a [u8], Item<'a>)>,
}

/// A value and where it stands: a section by its name, a string by its quote.
#[derive(Debug, PartialEq)]
pub(super) struct Item<'a> {
    pub(super) at: u64,
    value: Value<'a>,
}

/// What a name stands for.
#[derive(Debug, PartialEq)]
enum Value<'a> {
    Number(i64),
    Text(Cow<'a, [u8]>),
    List(Vec<Item<'a>>),
    Section(Section<'a>),
}

/// Parses all of `text`.
///
/// # Errors
/// `Corrupt`, with the place in the text; `Unsupported` for what is deeper or more than the bounds.
pub(super) fn parse(text: &Text) -> Result<Section<'_>> {
    Parser::new(text, None).all()
}

/// Parses `text`, and leaves all sections in its groups empty but those called `wanted`. Of the
/// others it is checked that each bracket and each string in them ends.
///
/// # Errors
/// As [`parse`].
pub(super) fn parse_only<'a>(text: &'a Text, wanted: &'static str) -> Result<Section<'a>> {
    Parser::new(text, Some(wanted)).all()
}

impl<'a> Section<'a> {
    fn item(&self, name: &str) -> Option<&Item<'a>> {
        let mut entries = self.entries.iter();
        let found = entries.find(|(key, _)| *key == name.as_bytes());
        found.map(|(_, item)| item)
    }

    fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.item(name).map(|item| &item.value)
    }

    /// Where what is called `name` stands; where nothing is, the section is what lacks it.
    pub(super) fn place(&self, name: &str) -> u64 {
        self.item(name).map_or(self.at, |item| item.at)
    }

    /// `Corrupt`: what is called `name` makes no sense.
    pub(super) fn wrong(&self, name: &str, text: impl Into<String>) -> Error {
        Error::corrupt(text).at(self.place(name))
    }

    /// The section called `name`.
    pub(super) fn section(&self, name: &str) -> Option<&Section<'a>> {
        match self.get(name)? {
            Value::Section(section) => Some(section),
            _ => None,
        }
    }

    /// All sections in it, by name.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&'a [u8], &Section<'a>)> {
        let entries = self.entries.iter();
        entries.filter_map(|(name, item)| match &item.value {
            Value::Section(section) => Some((*name, section)),
            _ => None,
        })
    }

    /// The number called `name`; `None` where there is none, or something else.
    ///
    /// # Errors
    /// `Corrupt` for one below zero.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>> {
        match self.get(name) {
            Some(Value::Number(number)) => u64::try_from(*number)
                .map(Some)
                .map_err(|_| self.wrong(name, format!("{name} is {number}"))),
            _ => Ok(None),
        }
    }

    /// The same, where there has to be one.
    ///
    /// # Errors
    /// `Corrupt` for none as well.
    pub(super) fn need(&self, name: &str) -> Result<u64> {
        let number = self.number(name)?;
        number.ok_or_else(|| self.wrong(name, format!("there is no number called {name}")))
    }

    /// The string called `name`.
    pub(super) fn text(&self, name: &str) -> Option<&[u8]> {
        self.item(name)?.as_text()
    }

    /// The list called `name`; a single value counts as one of it.
    pub(super) fn list(&self, name: &str) -> &[Item<'a>] {
        let Some(item) = self.item(name) else {
            return &[];
        };
        match &item.value {
            Value::List(list) => list,
            Value::Section(_) => &[],
            _ => std::slice::from_ref(item),
        }
    }

    /// The strings of the list called `name`.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.list(name).iter().filter_map(Item::as_text)
    }

    /// Whether `word` is among the strings of the list called `name`.
    pub(super) fn says(&self, name: &str, word: &str) -> bool {
        self.texts(name).any(|text| text == word.as_bytes())
    }
}

impl Item<'_> {
    /// The string that it is.
    pub(super) fn as_text(&self) -> Option<&[u8]> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number that it is, where not below zero.
    pub(super) fn as_number(&self) -> Option<u64> {
        match &self.value {
            Value::Number(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parser::MOST_VALUES;
    use super::*;

    /// A text that begins at byte 512.
    fn text(bytes: &[u8]) -> Text {
        Text {
            bytes: bytes.to_vec(),
            at: 512,
            first: to_u64(bytes.len()),
            behind: 0,
        }
    }

    fn message(bytes: &[u8]) -> String {
        parse(&text(bytes)).unwrap_err().to_string()
    }

    #[test]
    fn sections_that_are_not_wanted_are_passed_over() {
        let text = text(
            b"vg { a = 1 pvs { p { id = 5 } } lvs { l = \"}\\\"{\" # }\n m { n = [1, \"]\"] } } b = 2 }\nc = 3",
        );
        let all = parse_only(&text, "pvs").unwrap();
        let group = all.section("vg").unwrap();
        assert_eq!((group.need("a"), group.need("b")), (Ok(1), Ok(2)));
        assert_eq!(all.need("c"), Ok(3));
        let volume = group.section("pvs").and_then(|it| it.section("p"));
        assert_eq!(volume.unwrap().need("id"), Ok(5));
        assert!(group.section("lvs").unwrap().entries.is_empty());
    }

    #[test]
    fn l03_what_is_passed_over_ends_as_it_should() {
        let message = |inside: &str| {
            let text = text(format!("vg{{lvs{{{inside}").as_bytes());
            parse_only(&text, "pvs").unwrap_err().to_string()
        };
        let begins = |inside: &str, words: &str| {
            let message = message(inside);
            assert!(message.starts_with(words), "{inside}: {message}");
        };
        begins(
            "a = 1",
            "metadata text: a section does not end at byte 0x20c",
        );
        begins("a = \"x", "metadata text: a string does not end");
        begins(
            "a = \"\0\"}}",
            "metadata text: a zero byte stands in a string",
        );
        begins(
            "a = [1}}",
            "metadata text: a list does not end at byte 0x20d",
        );
        begins(
            "a]}}",
            "metadata text: a name should stand here at byte 0x208",
        );
        begins(
            "a\0}}",
            "metadata text: a name should stand here at byte 0x208",
        );
        let deep = "a{".repeat(100_000);
        begins(&deep, "metadata text: sections nest more than 32 deep");
    }

    #[test]
    fn sections_strings_numbers_and_lists_are_read() {
        let text = b"vg {\n id = \"a-b\" # why\n size=8192\n tags = [\"x\", \"y\\\"z\\\\\"]\n one = [\"pv0\", 5]\n none = []\n}\nversion = 1\n\0";
        let text = super::tests::text(text);
        let all = parse(&text).unwrap();
        let group = all.section("vg").unwrap();
        assert_eq!(group.text("id"), Some(&b"a-b"[..]));
        assert_eq!(group.need("size"), Ok(8192));
        let tags: Vec<_> = group.texts("tags").collect();
        assert_eq!(tags, [&b"x"[..], b"y\"z\\"]);
        assert_eq!(group.list("one")[1].as_number(), Some(5));
        assert!(group.list("none").is_empty() && group.list("nothing").is_empty());
        assert_eq!(all.need("version"), Ok(1));
        assert_eq!(all.sections().count(), 1);
    }

    #[test]
    fn what_is_not_there_or_below_zero_is_said() {
        let text = text(b"a = -1 b = \"x\"");
        let all = parse(&text).unwrap();
        let error = |name| all.need(name).unwrap_err().to_string();
        assert_eq!(error("a"), "a is -1 at byte 0x204");
        assert_eq!(all.number("b"), Ok(None));
        assert_eq!(error("b"), "there is no number called b at byte 0x20b");
        // What is not there has no place: the section lacks it.
        assert_eq!(error("c"), "there is no number called c at byte 0x200");
    }

    #[test]
    fn what_stands_behind_the_end_of_the_area_is_told_where_it_went_on() {
        let text = Text {
            bytes: b"a = -1 b = -2".to_vec(),
            at: 4096,
            first: 5,
            behind: 512,
        };
        let all = parse(&text).unwrap();
        // The minus is the last byte before the end of the area, `b` the third behind it.
        assert_eq!(all.need("a").unwrap_err().offset(), Some(4096 + 4));
        assert_eq!(all.need("b").unwrap_err().offset(), Some(512 + 11 - 5));
    }

    #[test]
    fn l03_a_text_that_breaks_the_grammar_says_where() {
        assert_eq!(
            message(b"a = \"x"),
            "metadata text: a string does not end at byte 0x206"
        );
        assert_eq!(
            message(b"a = \"x\0\""),
            "metadata text: a zero byte stands in a string at byte 0x206"
        );
        assert!(message(b"a {").contains("a section does not end"));
        assert!(message(b"a = [1, ").contains("a list does not end"));
        assert!(message(b"}").contains("a name should stand here"));
        assert!(message(b"a 5").contains("neither = nor {"));
        assert!(message(b"a = ").contains("a value should stand here"));
        assert!(message(b"a = 1 \0 b = 2").contains("a name should stand here"));
    }

    #[test]
    fn l03_depth_and_number_of_values_are_bounded() {
        let deep = "a{".repeat(100_000);
        assert!(message(deep.as_bytes()).contains("sections nest more than 32 deep"));
        let deep = format!("a={}", "[".repeat(100_000));
        assert!(message(deep.as_bytes()).contains("sections nest more than 32 deep"));
        let many = "a=1 ".repeat(MOST_VALUES + 1);
        assert!(message(many.as_bytes()).contains("more than 1048576 values"));
    }

    #[test]
    fn l03_sections_and_lists_of_one_entry_take_no_room_for_more() {
        for (open, close) in [
            ("a{".repeat(28), "}".repeat(28)),
            ("a=[5]".repeat(14), String::new()),
        ] {
            let text = text((open + &close).repeat(5000).as_bytes());
            let used = allocation_counter::measure(|| assert!(parse(&text).is_ok()));
            // The outermost section grows by doubling.
            assert!(used.bytes_max < 28 * 5000 * 120, "{}", used.bytes_max);
        }
    }
}
