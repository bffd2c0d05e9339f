//! The form of the fuzz targets' inputs: the files of an image, without the zeros that most of them
//! are made of, so that a fuzzer's changes hit what is there. The targets read it, the lab writes it.

/// Stands between two files: an image and its extents, the members of an array.
const SEPARATOR: &[u8] = b"\n-- the next file --\n";
/// Zeros are counted in units of as many bytes.
const UNIT: usize = 512;
/// Bytes of a file that an input may stand for.
const LARGEST: usize = 4 << 20;
/// Files of one input; the rest is one of them.
const MOST_FILES: usize = 8;

/// An input that stands for `files`.
#[allow(dead_code, reason = "the lab's half")]
pub fn pack(files: &[&[u8]]) -> Vec<u8> {
    let packed: Vec<Vec<u8>> = files.iter().map(|file| pack_file(file)).collect();
    packed.join(SEPARATOR)
}

/// Runs of zeros and runs of others in turn, each with its length in units in front. What is left at
/// the end of a file is the last run, which is shorter than it says.
fn pack_file(file: &[u8]) -> Vec<u8> {
    let is_empty = |unit: &&[u8]| unit.len() == UNIT && unit.iter().all(|byte| *byte == 0);
    let (mut packed, mut units) = (Vec::new(), file.chunks(UNIT).peekable());
    while units.peek().is_some() {
        let (mut zeros, mut count, mut run) = (0_u16, 0_u16, Vec::new());
        while zeros < u16::MAX && units.next_if(is_empty).is_some() {
            zeros += 1;
        }
        while count < u16::MAX
            && let Some(unit) = units.next_if(|unit| !is_empty(unit))
        {
            run.extend_from_slice(unit);
            count += 1;
        }
        packed.extend_from_slice(&zeros.to_le_bytes());
        packed.extend_from_slice(&count.to_le_bytes());
        packed.extend(run);
    }
    packed
}

/// The files that `input` stands for, at least one.
pub fn unpack(input: &[u8]) -> Vec<Vec<u8>> {
    let (mut files, mut rest) = (Vec::new(), input);
    while files.len() + 1 < MOST_FILES
        && let Some(at) = rest
            .windows(SEPARATOR.len())
            .position(|window| window == SEPARATOR)
    {
        files.push(unpack_file(&rest[..at]));
        rest = &rest[at + SEPARATOR.len()..];
    }
    files.push(unpack_file(rest));
    files
}

fn unpack_file(mut packed: &[u8]) -> Vec<u8> {
    let mut file: Vec<u8> = Vec::new();
    while let [a, b, c, d, rest @ ..] = packed {
        let zeros = usize::from(u16::from_le_bytes([*a, *b])) * UNIT;
        let run = usize::from(u16::from_le_bytes([*c, *d])) * UNIT;
        let (run, behind) = rest.split_at(run.min(rest.len()));
        file.resize((file.len() + zeros).min(LARGEST), 0);
        file.extend_from_slice(run);
        packed = behind;
    }
    file
}
