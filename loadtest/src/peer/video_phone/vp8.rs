//! VP8 as the phone unpacks it (RFC 7741); it is packed by somebody else.

/// Adds what a packet carries to its picture. True where it begins one that can be decoded alone.
pub(super) fn unpack(payload: &[u8], picture: &mut Vec<u8>) -> bool {
    let Some((&first, mut rest)) = payload.split_first() else {
        return false;
    };
    // RFC 7741 §4.2.
    if first & 0x80 != 0
        && let Some((&more, after)) = rest.split_first()
    {
        rest = after;
        let long = more & 0x80 != 0 && rest.first().is_some_and(|id| id & 0x80 != 0);
        let fields = [more & 0x80 != 0, long, more & 0x40 != 0, more & 0x30 != 0];
        let length = fields.iter().filter(|there| **there).count();
        rest = rest.get(length..).unwrap_or_default();
    }
    let begins = first & 0x17 == 0x10 && picture.is_empty();
    picture.extend_from_slice(rest);
    // §4.3: the bit says that it is an interframe.
    begins && rest.first().is_some_and(|octet| octet & 1 == 0)
}

/// Adds a picture to a stream in the IVF format, which begins with the first.
pub(super) fn add_to_ivf(number: usize, octets: &[u8], stream: &mut Vec<u8>) {
    if number == 0 {
        stream.extend(b"DKIF\0\0\x20\0VP80");
        for side in [640_u16, 360] {
            stream.extend(side.to_le_bytes());
        }
        for word in [1_000_u32, 1, 0, 0] {
            stream.extend(word.to_le_bytes());
        }
    }
    let length = u32::try_from(octets.len()).unwrap_or(0);
    stream.extend(length.to_le_bytes());
    stream.extend((number as u64).to_le_bytes());
    stream.extend_from_slice(octets);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7741_4_2_descriptors_of_all_lengths_are_taken_off() {
        for (descriptor, begins) in [
            (&[0x10][..], true),
            (&[0x90, 0x80, 0x11], true),
            (&[0x90, 0x80, 0x91, 0x22], true),
            (&[0x90, 0xe0, 0x91, 0x22, 0x03, 0x40], true),
            (&[0x80, 0x10, 0x03], false),
        ] {
            let mut picture = Vec::new();
            let keyframe = unpack(&[descriptor, &[0x50, 1]].concat(), &mut picture);
            assert_eq!((keyframe, &picture[..]), (begins, &[0x50, 1][..]));
        }
    }
}
