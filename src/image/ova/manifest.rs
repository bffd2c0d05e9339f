//! The manifest: what each file of the package has for a digest (DMTF DSP0243 2.1.1, clause 6.4).

use crate::format::Algorithm;

/// Lines that are looked at.
const MOST: usize = 10_000;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) algorithm: Algorithm,
    pub(super) file: Vec<u8>,
    pub(super) digest: Vec<u8>,
}

/// The lines of `text`: `SHA256(NAME)= HEX`. What is none is left out.
pub(super) fn read(text: &str) -> Vec<Line> {
    text.lines().take(MOST).filter_map(line).collect()
}

fn line(text: &str) -> Option<Line> {
    let (head, digest) = text.rsplit_once('=')?;
    let (algorithm, file) = head.trim_end().strip_suffix(')')?.split_once('(')?;
    let algorithm = match algorithm.trim().to_ascii_uppercase().as_str() {
        "SHA1" => Algorithm::Sha1,
        "SHA256" => Algorithm::Sha256,
        "SHA512" => Algorithm::Sha512,
        _ => return None,
    };
    let digits = digest.trim().as_bytes();
    let (pairs, odd) = digits.as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let digest: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    Some(Line {
        algorithm,
        file: file.as_bytes().to_vec(),
        digest: digest.filter(|_| odd.is_empty())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_several_programs_write_them() {
        let lines =
            read("SHA1(a (1).ovf)= 00ff\nSHA256 (b) = aB\r\nMD5(c)= 00\nnonsense\nSHA1(d)=0\n");
        let names: Vec<_> = lines.iter().map(|line| line.file.as_slice()).collect();
        assert_eq!(names, [&b"a (1).ovf"[..], b"b"]);
        assert_eq!(lines[0].digest, [0, 255]);
        assert_eq!(lines[1].algorithm, Algorithm::Sha256);
    }
}
