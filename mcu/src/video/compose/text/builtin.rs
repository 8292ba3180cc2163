//! Capitals of our own, five dots wide and seven high, for machines without fonts.

use super::Mask;

/// Columns of a letter and the gap behind it.
const ADVANCE: usize = 6;
const ROWS: usize = 7;

/// Each letter as seven rows of five dots, the leftmost dot being 16.
const LETTERS: [(char, [u8; ROWS]); 43] = [
    ('A', [14, 17, 17, 31, 17, 17, 17]),
    ('B', [30, 17, 17, 30, 17, 17, 30]),
    ('C', [14, 17, 16, 16, 16, 17, 14]),
    ('D', [30, 17, 17, 17, 17, 17, 30]),
    ('E', [31, 16, 16, 30, 16, 16, 31]),
    ('F', [31, 16, 16, 30, 16, 16, 16]),
    ('G', [14, 17, 16, 23, 17, 17, 15]),
    ('H', [17, 17, 17, 31, 17, 17, 17]),
    ('I', [14, 4, 4, 4, 4, 4, 14]),
    ('J', [7, 2, 2, 2, 2, 18, 12]),
    ('K', [17, 18, 20, 24, 20, 18, 17]),
    ('L', [16, 16, 16, 16, 16, 16, 31]),
    ('M', [17, 27, 21, 21, 17, 17, 17]),
    ('N', [17, 25, 21, 19, 17, 17, 17]),
    ('O', [14, 17, 17, 17, 17, 17, 14]),
    ('P', [30, 17, 17, 30, 16, 16, 16]),
    ('Q', [14, 17, 17, 17, 21, 18, 13]),
    ('R', [30, 17, 17, 30, 20, 18, 17]),
    ('S', [15, 16, 16, 14, 1, 1, 30]),
    ('T', [31, 4, 4, 4, 4, 4, 4]),
    ('U', [17, 17, 17, 17, 17, 17, 14]),
    ('V', [17, 17, 17, 17, 17, 10, 4]),
    ('W', [17, 17, 17, 21, 21, 27, 17]),
    ('X', [17, 17, 10, 4, 10, 17, 17]),
    ('Y', [17, 17, 10, 4, 4, 4, 4]),
    ('Z', [31, 1, 2, 4, 8, 16, 31]),
    ('0', [14, 17, 19, 21, 25, 17, 14]),
    ('1', [4, 12, 4, 4, 4, 4, 14]),
    ('2', [14, 17, 1, 6, 8, 16, 31]),
    ('3', [30, 1, 1, 14, 1, 1, 30]),
    ('4', [2, 6, 10, 18, 31, 2, 2]),
    ('5', [31, 16, 30, 1, 1, 17, 14]),
    ('6', [14, 16, 16, 30, 17, 17, 14]),
    ('7', [31, 1, 2, 4, 8, 8, 8]),
    ('8', [14, 17, 17, 14, 17, 17, 14]),
    ('9', [14, 17, 17, 15, 1, 1, 14]),
    (' ', [0; ROWS]),
    ('.', [0, 0, 0, 0, 0, 12, 12]),
    (',', [0, 0, 0, 0, 12, 4, 8]),
    ('-', [0, 0, 0, 31, 0, 0, 0]),
    ('+', [0, 4, 4, 31, 4, 4, 0]),
    ('@', [14, 17, 23, 21, 23, 16, 14]),
    (':', [0, 12, 12, 0, 12, 12, 0]),
];
/// What stands for every other character.
const UNKNOWN: [u8; ROWS] = [31, 17, 17, 17, 17, 17, 31];

/// One line, `size` pixels high, cut off after `width` pixels.
pub(super) fn line(text: &str, size: usize, width: usize) -> Mask {
    let dot = (size / (ROWS + 2)).max(1);
    let letters: Vec<[u8; ROWS]> = text
        .chars()
        .flat_map(char::to_uppercase)
        .map(letter)
        .collect();
    let width = (letters.len() * ADVANCE * dot).clamp(1, width);
    let mut coverage = vec![0; width * size];
    for (y, row) in coverage.chunks_exact_mut(width).enumerate() {
        let Some(line) = (y / dot).checked_sub(1).filter(|line| *line < ROWS) else {
            continue;
        };
        for (x, sample) in row.iter_mut().enumerate() {
            let column = x / dot;
            let bits = letters
                .get(column / ADVANCE)
                .and_then(|letter| letter.get(line));
            let set = bits.is_some_and(|bits| bits << (column % ADVANCE) & 16 != 0);
            *sample = if set { 255 } else { 0 };
        }
    }
    Mask { width, coverage }
}

fn letter(character: char) -> [u8; ROWS] {
    let found = LETTERS.iter().find(|(other, _)| *other == character);
    found.map_or(UNKNOWN, |(_, rows)| *rows)
}
