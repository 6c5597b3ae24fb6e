//! X25519 keys, which agree on secrets and sign nothing.

use super::KeyError;

/// The u-coordinates below p whose point has an order that divides 8, on the curve or its twist:
/// 0, 1, p - 1 and the two of order 8. Whoever agrees with one gets zero. Little-endian.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    [
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0,
    ],
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
];

/// Checks that `key`, a u-coordinate, may be registered for key agreement.
///
/// # Errors
/// [`KeyError::NotCanonical`] from 2^255 - 19 upwards or with the top bit set,
/// [`KeyError::SmallOrder`] where every secret agreed on would be zero.
///
/// Source: spec/signatures.md §2; RFC 7748 §5 and §6.1.
pub fn check_x25519(key: &[u8; 32]) -> Result<(), KeyError> {
    const P_LOW: u8 = 0xed;
    let [low, middle @ .., high] = key;
    let top = *high == 0x7f && middle.iter().all(|byte| *byte == 0xff);
    if *high > 0x7f || (top && *low >= P_LOW) {
        return Err(KeyError::NotCanonical);
    }
    if SMALL_ORDER.contains(key) {
        return Err(KeyError::SmallOrder);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::montgomery::MontgomeryPoint;
    use curve25519_dalek::traits::IsIdentity;

    use super::*;

    fn is_small(key: &[u8; 32]) -> bool {
        let eight = [
            8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0,
        ];
        MontgomeryPoint(*key)
            .mul_bits_be(eight.iter().rev().flat_map(|byte| {
                let byte = *byte;
                (0..8).rev().map(move |bit| byte >> bit & 1 == 1)
            }))
            .is_identity()
    }

    /// Goal: the list is complete where it can be tried. Method: the five, and every u that is
    /// near 0 or p, times eight by the Montgomery ladder.
    #[test]
    fn small_order_is_what_eight_times_is_zero() {
        for key in SMALL_ORDER {
            assert!(is_small(&key), "{key:02x?}");
            assert_eq!(check_x25519(&key), Err(KeyError::SmallOrder));
        }
        for low in 0..=255u8 {
            for (fill, high) in [(0, 0), (0xff, 0x7f)] {
                let mut key = [fill; 32];
                (key[0], key[31]) = (low, high);
                let canonical = !(fill == 0xff && low >= 0xed);
                let expected = match (canonical, is_small(&key)) {
                    (false, _) => Err(KeyError::NotCanonical),
                    (true, true) => Err(KeyError::SmallOrder),
                    (true, false) => Ok(()),
                };
                assert_eq!(check_x25519(&key), expected, "{key:02x?}");
            }
        }
        let mut masked = [9; 32];
        masked[31] = 0x80;
        assert_eq!(check_x25519(&masked), Err(KeyError::NotCanonical));
    }
}
