//! SHA-1 (RFC 3174), which the WebSocket handshake asks for and nothing else should.

/// The digest of `message`.
pub(super) fn digest(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if padded.len() - message.len() < 9 {
        padded.resize(padded.len() + 64, 0);
    }
    let bits = u64::try_from(message.len()).unwrap_or(u64::MAX) * 8;
    padded.truncate(padded.len() - 8);
    padded.extend(bits.to_be_bytes());

    let mut state = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    for block in padded.chunks_exact(64) {
        let mixed = compress(state, block);
        for (word, mixed) in state.iter_mut().zip(mixed) {
            *word = u32::wrapping_add(*word, mixed);
        }
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn compress(mut state: [u32; 5], block: &[u8]) -> [u32; 5] {
    // The last sixteen words of the schedule, oldest first.
    let mut window = [0_u32; 16];
    for (word, bytes) in window.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes
            .iter()
            .fold(0, |word, &byte| word << 8 | u32::from(byte));
    }
    for round in 0..80 {
        let [first, x, y, z, last] = state;
        let (mixed, constant) = match round {
            0..20 => ((x & y) | (!x & z), 0x5a82_7999),
            20..40 => (x ^ y ^ z, 0x6ed9_eba1),
            40..60 => ((x & y) | (x & z) | (y & z), 0x8f1b_bcdc),
            _ => (x ^ y ^ z, 0xca62_c1d6),
        };
        let [w0, _, w2, _, _, _, _, _, w8, _, _, _, _, w13, _, _] = window;
        let next = [first.rotate_left(5), mixed, last, constant, w0]
            .into_iter()
            .fold(0, u32::wrapping_add);
        state = [next, first, x.rotate_left(30), y, z];
        window.rotate_left(1);
        let [.., newest] = &mut window;
        *newest = (w13 ^ w8 ^ w2 ^ w0).rotate_left(1);
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::body::hex;

    #[test]
    fn the_digests_of_the_standard() {
        for (message, digest_in_hex) in [
            ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
        ] {
            assert_eq!(hex(&digest(message.as_bytes())), digest_in_hex, "{message}");
        }
        let long = "a".repeat(1_000_000);
        assert_eq!(
            hex(&digest(long.as_bytes())),
            "34aa973cd4c4daa4f61eeb2bdbad27316534016f"
        );
    }
}
