//! Which content coding a client likes best (RFC 9110, section 12.5.3).

use super::compression::Coding;

/// How much of the fields is read, in bytes.
const FIELD_BYTES_MAX: usize = 4096;
/// The weight of what is named without one, in thousandths.
const WEIGHT_MAX: u16 = 1000;

/// Weights in thousandths, where they are given.
#[derive(Default)]
struct Weights {
    gzip: Option<u16>,
    brotli: Option<u16>,
    zstd: Option<u16>,
    identity: Option<u16>,
    others: Option<u16>,
}

impl Weights {
    fn of(&self, coding: Coding) -> u16 {
        let named = match coding {
            Coding::Gzip => self.gzip,
            Coding::Brotli => self.brotli,
            Coding::Zstd => self.zstd,
        };
        named.or(self.others).unwrap_or(0)
    }

    fn read(&mut self, element: &[u8]) {
        let mut parts = element.split(|&byte| byte == b';');
        let name = parts.next().unwrap_or_default().trim_ascii();
        let weight = parts.fold(WEIGHT_MAX, |weight, parameter| {
            match parameter.trim_ascii() {
                [b'q' | b'Q', b'=', value @ ..] => quality(value),
                _ => weight,
            }
        });
        let is = |coding: &str| name.eq_ignore_ascii_case(coding.as_bytes());
        let slot = match name {
            _ if is("gzip") || is("x-gzip") => &mut self.gzip,
            _ if is("br") => &mut self.brotli,
            _ if is("zstd") => &mut self.zstd,
            _ if is("identity") => &mut self.identity,
            b"*" => &mut self.others,
            _ => return,
        };
        *slot = Some(weight);
    }
}

/// A quality value (RFC 9110, section 12.4.2) in thousandths; 0, a refusal, if it is none.
fn quality(text: &[u8]) -> u16 {
    let (whole, fraction) = match text {
        [whole @ (b'0' | b'1')] => (whole, &b""[..]),
        [whole @ (b'0' | b'1'), b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return 0,
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let digit = |at: usize| u16::from(fraction.get(at).map_or(0, |digit| digit - b'0'));
    let thousandths = digit(0) * 100 + digit(1) * 10 + digit(2);
    (u16::from(whole - b'0') * WEIGHT_MAX + thousandths).min(WEIGHT_MAX)
}

/// The best of `offered` for a client that sent these `Accept-Encoding` fields; of those that it
/// likes alike, the first. `None` when the answer goes out as it is.
pub(crate) fn choose<'f>(
    fields: impl Iterator<Item = &'f [u8]>,
    offered: impl Iterator<Item = Coding>,
) -> Option<Coding> {
    let mut weights = Weights::default();
    let mut left = FIELD_BYTES_MAX;
    for field in fields {
        let read = field.len().min(left);
        left -= read;
        for element in field[..read].split(|&byte| byte == b',') {
            weights.read(element);
        }
    }
    let mut best = None;
    let mut most = 0;
    for coding in offered {
        let weight = weights.of(coding);
        if weight > most {
            (best, most) = (Some(coding), weight);
        }
    }
    best.filter(|_| most >= weights.identity.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{Coding, choose};

    const OFFERED: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

    fn chosen(fields: &[&str]) -> Option<Coding> {
        choose(
            fields.iter().map(|field| field.as_bytes()),
            OFFERED.into_iter(),
        )
    }

    #[test]
    fn the_heaviest_wins_and_ties_go_to_what_is_offered_first() {
        let cases: &[(&str, Option<Coding>)] = &[
            ("", None),
            (",, ,", None),
            ("identity", None),
            ("deflate, compress", None),
            ("gzip", Some(Coding::Gzip)),
            ("x-gzip", Some(Coding::Gzip)),
            ("GZIP", Some(Coding::Gzip)),
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip, deflate, br", Some(Coding::Brotli)),
            ("gzip;q=1.0, br;q=0.9, zstd;q=0.8", Some(Coding::Gzip)),
            ("gzip ; q=0.5 , br\t;\tq=0.51", Some(Coding::Brotli)),
            ("gzip;q=0", None),
            ("gzip;q=0.000", None),
            ("gzip;q=0.001", Some(Coding::Gzip)),
            ("gzip;Q=0.1", Some(Coding::Gzip)),
            ("gzip;level=9;q=0.1", Some(Coding::Gzip)),
            ("*", Some(Coding::Zstd)),
            ("*;q=0", None),
            ("zstd;q=0, *", Some(Coding::Brotli)),
            ("*;q=0, gzip", Some(Coding::Gzip)),
            ("identity;q=1, gzip;q=0.5", None),
            ("identity;q=0.5, gzip;q=0.5", Some(Coding::Gzip)),
            ("identity;q=0, gzip;q=0.1", Some(Coding::Gzip)),
            // A malformed weight refuses.
            ("gzip;q=", None),
            ("gzip;q=2", None),
            ("gzip;q=1.0000", None),
            ("gzip;q=0.x", None),
            ("gzip;q=-1", None),
            ("gzip;q=.5", None),
            ("gzip;q=1.5", Some(Coding::Gzip)),
            ("gzipped", None),
            (";q=1", None),
        ];
        for (field, expected) in cases {
            assert_eq!(chosen(&[field]), *expected, "{field:?}");
        }
    }

    #[test]
    fn several_fields_are_one_list() {
        assert_eq!(chosen(&["gzip;q=0.5", "br;q=0.6"]), Some(Coding::Brotli));
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn an_endless_field_is_read_so_far() {
        let long = format!("{}gzip", " ,".repeat(4096));
        assert_eq!(chosen(&[&long]), None);
    }

    /// Whatever the bytes are, and wherever they end.
    #[test]
    fn no_bytes_are_too_odd() {
        let seed = b"gzip;q=0.5,*;q=\xff,;;==,br;q=1.\0, zstd ; q = 1";
        for end in 0..=seed.len() {
            for byte in [0, b',', b';', b'=', b'q', b'.', 0x80, 0xff] {
                let mut field = seed[..end].to_vec();
                field.push(byte);
                let _ = choose([&field[..]].into_iter(), OFFERED.into_iter());
            }
        }
    }
}
