//! A second opinion on deflate (RFC 1951), slow and plain: what it holds and how far it refers back.

/// Reads `bytes` to their end, which must be that of a block; the output, behind `window`, and the
/// longest distance of a match.
pub(crate) fn puff(bytes: &[u8], window: &[u8]) -> (Vec<u8>, usize) {
    let mut puff = Puff {
        bits: Bits { bytes, position: 0 },
        out: window.to_vec(),
        distance_max: 0,
    };
    while puff.bits.position / 8 < bytes.len() {
        puff.block();
    }
    (puff.out.split_off(window.len()), puff.distance_max)
}

struct Puff<'a> {
    bits: Bits<'a>,
    out: Vec<u8>,
    distance_max: usize,
}

struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> usize {
        (0..count).fold(0, |value, index| {
            let bit = self.bytes[self.position / 8] >> (self.position % 8) & 1;
            self.position += 1;
            value | usize::from(bit) << index
        })
    }

    fn symbol(&mut self, lengths: &[usize]) -> usize {
        let (mut code, mut first) = (0, 0);
        for length in 1..=15 {
            code |= self.take(1);
            let count = lengths.iter().filter(|&&it| it == length).count();
            if code < first + count {
                let same = |it: &(usize, &usize)| *it.1 == length;
                let found = lengths.iter().enumerate().filter(same).nth(code - first);
                return found.expect("a symbol").0;
            }
            first = (first + count) << 1;
            code <<= 1;
        }
        panic!("no such code");
    }
}

impl Puff<'_> {
    fn block(&mut self) {
        self.bits.take(1);
        match self.bits.take(2) {
            0 => {
                self.bits.position = self.bits.position.next_multiple_of(8);
                let len = self.bits.take(16);
                assert_eq!(self.bits.take(16), len ^ 0xffff);
                for _ in 0..len {
                    let byte = self.bits.take(8);
                    self.out.push(byte as u8);
                }
            }
            1 => {
                let mut literals = [8; 288];
                literals[144..256].fill(9);
                literals[256..280].fill(7);
                self.matches(&literals, &[5; 30]);
            }
            2 => {
                let (literals, distances) = self.dynamic();
                self.matches(&literals, &distances);
            }
            _ => panic!("reserved block type"),
        }
    }

    fn dynamic(&mut self) -> (Vec<usize>, Vec<usize>) {
        const ORDER: [usize; 19] = [
            16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
        ];
        let literals = self.bits.take(5) + 257;
        let distances = self.bits.take(5) + 1;
        let codes = self.bits.take(4) + 4;
        let mut code_lengths = [0; 19];
        for index in &ORDER[..codes] {
            code_lengths[*index] = self.bits.take(3);
        }
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            let (value, times) = match self.bits.symbol(&code_lengths) {
                16 => (*lengths.last().expect("a length"), 3 + self.bits.take(2)),
                17 => (0, 3 + self.bits.take(3)),
                18 => (0, 11 + self.bits.take(7)),
                length => (length, 1),
            };
            lengths.extend(std::iter::repeat_n(value, times));
        }
        let distances = lengths.split_off(literals);
        (lengths, distances)
    }

    fn matches(&mut self, literals: &[usize], distances: &[usize]) {
        loop {
            let symbol = self.bits.symbol(literals);
            if symbol == 256 {
                return;
            }
            if symbol < 256 {
                self.out.push(symbol as u8);
                continue;
            }
            let length = match symbol - 257 {
                index @ 0..8 => 3 + index,
                28 => 258,
                index => {
                    let extra = index / 4 - 1;
                    3 + ((4 + index % 4) << extra) + self.bits.take(extra)
                }
            };
            let index = self.bits.symbol(distances);
            let distance = if index < 4 {
                1 + index
            } else {
                let extra = index / 2 - 1;
                1 + ((2 + index % 2) << extra) + self.bits.take(extra)
            };
            self.distance_max = self.distance_max.max(distance);
            for _ in 0..length {
                self.out.push(self.out[self.out.len() - distance]);
            }
        }
    }
}
