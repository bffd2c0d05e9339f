//! Rows of arrays with parity, written down letter by letter as drivers/md/raid5.c computes them:
//! data by number, P and Q. Parity is computed bit by bit.

/// Multiplies in the field of Q.
fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a = (a << 1) ^ if a & 0x80 != 0 { 0x1d } else { 0 };
        b >>= 1;
    }
    product
}

/// What each disk of a row is multiplied with in Q: the DDF layouts count all disks from the first;
/// the others the data disks, from behind Q on.
fn factors(is_ddf: bool, row: &str) -> Vec<u8> {
    let disks: Vec<char> = row.chars().collect();
    let count = disks.len();
    let q = disks.iter().position(|it| *it == 'Q').unwrap();
    let mut factors = vec![0; count];
    let mut next = 1;
    for step in 0..count {
        let disk = if is_ddf { step } else { (q + 1 + step) % count };
        let is_data = disks[disk].is_ascii_digit();
        if is_data {
            factors[disk] = next;
        }
        if is_data || is_ddf {
            next = times(next, 2);
        }
    }
    factors
}

/// `data`, which fills whole rows of chunks, on the disks that `rows` have, which repeat.
pub fn spread(rows: &str, is_ddf: bool, chunk: usize, data: &[u8]) -> Vec<Vec<u8>> {
    let rows: Vec<&str> = rows.split(' ').collect();
    let disks = rows[0].len();
    let width = rows[0].chars().filter(char::is_ascii_digit).count();
    let mut images = vec![Vec::new(); disks];
    for (number, data) in data.chunks(width * chunk).enumerate() {
        let row = rows[number % rows.len()];
        let chunks: Vec<&[u8]> = data.chunks(chunk).collect();
        let of = |disk: char| disk.to_digit(10).map(|index| chunks[index as usize]);
        let sum = |factors: &[u8]| {
            let mut sum = vec![0; chunk];
            for (disk, factor) in row.chars().zip(factors) {
                let Some(chunk) = of(disk) else { continue };
                sum.iter_mut()
                    .zip(chunk)
                    .for_each(|(sum, byte)| *sum ^= times(*byte, *factor));
            }
            sum
        };
        for (disk, image) in row.chars().zip(&mut images) {
            image.extend(match disk {
                'P' => sum(&vec![1; disks]),
                'Q' => sum(&factors(is_ddf, row)),
                data => of(data).unwrap().to_vec(),
            });
        }
    }
    images
}
