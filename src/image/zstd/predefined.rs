//! The default distributions of RFC 8878, 3.1.1.3.2.2, described as a table in a block is: so that
//! a dictionary can hold them like any other table.

use super::fse::Kind;

const LITERAL_LENGTHS: &[u8] = &[
    0x51, 0x10, 0x63, 0x8c, 0x31, 0xc6, 0x18, 0x63, 0x0c, 0x21, 0xc4, 0x18, 0x63, 0x66, 0x66, 0x86,
    0x46, 0x92, 0x04, 0x00,
];

const OFFSETS: &[u8] = &[
    0x20, 0x84, 0x10, 0x42, 0x66, 0x46, 0x44, 0x44, 0x44, 0x44, 0x24, 0x49, 0x02, 0x00,
];

const MATCH_LENGTHS: &[u8] = &[
    0x21, 0x14, 0xc4, 0x18, 0x63, 0x8c, 0x21, 0x84, 0x10, 0x42, 0x08, 0x21, 0x84, 0x10, 0x42, 0x08,
    0x21, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x24, 0x09, 0x00, 0x00,
];

/// A Huffman tree of two symbols, for where a dictionary must have one that nothing will use.
pub(super) const HUFFMAN: &[u8] = &[0x80, 0x10];

/// The description of the table for `kind`.
pub(super) fn description(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::LiteralLengths => LITERAL_LENGTHS,
        Kind::Offsets => OFFSETS,
        Kind::MatchLengths => MATCH_LENGTHS,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fse::distribution;
    use super::*;

    #[test]
    fn the_descriptions_are_of_the_distributions_in_the_specification() {
        let check = |kind: Kind, log: u32, runs: &[(i16, usize)]| {
            let runs = runs.iter();
            let expected: Vec<i16> = runs
                .flat_map(|(count, times)| std::iter::repeat_n(*count, *times))
                .collect();
            let bytes = description(kind);
            let parsed = distribution(kind, bytes);
            assert_eq!(parsed, Some((log, expected, bytes.len())), "{kind:?}");
        };
        let literal_lengths = [
            (4, 1),
            (3, 1),
            (2, 11),
            (1, 3),
            (2, 9),
            (3, 1),
            (2, 1),
            (1, 5),
            (-1, 4),
        ];
        check(Kind::LiteralLengths, 6, &literal_lengths);
        check(Kind::Offsets, 5, &[(1, 6), (2, 3), (1, 15), (-1, 5)]);
        check(
            Kind::MatchLengths,
            6,
            &[(1, 1), (4, 1), (3, 1), (2, 6), (1, 37), (-1, 7)],
        );
    }
}
