//! Bytes as lower-case hex, in exactly one spelling: a second one would be a change of a ledger that no signature shows.

/// The bytes as hex.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of `N` pairs of lower-case hex digits; `None` if it is anything else.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_reads_back_and_has_one_spelling() {
        assert_eq!(encode(&[0, 0xaf, 0xff]), "00afff");
        assert_eq!(decode::<3>(b"00afff"), Some([0, 0xaf, 0xff]));
        for wrong in ["00AFFF", "00aff", "00affg", "00afff00", ""] {
            assert_eq!(decode::<3>(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
