//! The hash that an entry's data has whatever the file: `xor_hash` of an entry is the exclusive or of these, also in files whose
//! own index has another one (systemd `journal-file.c` journal_file_append_entry).

/// `hashlittle2` of Bob Jenkins' lookup3, the first of its two numbers above the second (systemd `lookup3.c`). It is in the public
/// domain.
pub(super) fn jenkins(payload: &[u8]) -> u64 {
    // The length is added as a number of 32 bits, so that a longer one wraps.
    #[expect(clippy::cast_possible_truncation, reason = "as lookup3 does")]
    let start = 0xdead_beef_u32.wrapping_add(payload.len() as u32);
    let mut state = [start; 3];
    let mut rest = payload;
    // The last one to twelve bytes are mixed in another way.
    while let Some((block, more)) = rest.split_first_chunk::<12>()
        && !more.is_empty()
    {
        add(&mut state, block);
        mix(&mut state);
        rest = more;
    }
    if !rest.is_empty() {
        let mut last = [0; 12];
        last[..rest.len()].copy_from_slice(rest);
        add(&mut state, &last);
        finish(&mut state);
    }
    (u64::from(state[2]) << 32) | u64::from(state[1])
}

fn add([a, b, c]: &mut [u32; 3], block: &[u8; 12]) {
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11] = *block;
    *a = a.wrapping_add(u32::from_le_bytes([b0, b1, b2, b3]));
    *b = b.wrapping_add(u32::from_le_bytes([b4, b5, b6, b7]));
    *c = c.wrapping_add(u32::from_le_bytes([b8, b9, b10, b11]));
}

fn mix([a, b, c]: &mut [u32; 3]) {
    fn round(x: &mut u32, y: u32, z: &mut u32, by: u32) {
        *x = x.wrapping_sub(*z) ^ z.rotate_left(by);
        *z = z.wrapping_add(y);
    }
    round(a, *b, c, 4);
    round(b, *c, a, 6);
    round(c, *a, b, 8);
    round(a, *b, c, 16);
    round(b, *c, a, 19);
    round(c, *a, b, 4);
}

fn finish([a, b, c]: &mut [u32; 3]) {
    fn round(x: &mut u32, y: u32, by: u32) {
        *x = (*x ^ y).wrapping_sub(y.rotate_left(by));
    }
    round(c, *b, 14);
    round(a, *c, 11);
    round(b, *a, 25);
    round(c, *b, 16);
    round(a, *c, 4);
    round(b, *a, 14);
    round(c, *b, 24);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jenkins_is_lookup3() {
        // driver5 of lookup3.c, with both seeds zero.
        assert_eq!(jenkins(b""), 0xdead_beef_dead_beef);
        assert_eq!(jenkins(b"Four score and seven years ago"), 0x1777_0551_ce72_26e6);
    }
}
