//! Sets of weighted keys, as bits.

/// A set of keys: bit k is key k. The caller maps the 64 of them to real keys.
pub type Keys = u64;

/// Keys with weights 1 or 2, and the sum of weights that acts for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeySet {
    /// The keys. None: nobody.
    pub keys: Keys,
    /// Those of them that weigh 2; the others weigh 1.
    pub heavy: Keys,
    /// 1 to the sum of weights; 0 if there are no keys.
    pub threshold: u8,
}

impl KeySet {
    /// Nobody.
    pub const EMPTY: Self = Self {
        keys: 0,
        heavy: 0,
        threshold: 0,
    };

    /// Returns the set of these keys, of weight 1 each.
    pub const fn new(keys: Keys, threshold: u8) -> Self {
        Self {
            keys,
            heavy: 0,
            threshold,
        }
    }

    /// Returns whether nobody is in it.
    pub const fn is_empty(&self) -> bool {
        self.keys == 0
    }

    /// Returns the weight of those of `signers` that are in the set.
    pub const fn weight(&self, signers: Keys) -> u32 {
        (signers & self.keys).count_ones() + (signers & self.keys & self.heavy).count_ones()
    }

    /// Returns whether `signers` suffice to act.
    pub const fn reached_by(&self, signers: Keys) -> bool {
        self.threshold > 0 && self.weight(signers) >= self.threshold as u32
    }

    /// Returns whether both hold a key.
    pub const fn shares_with(&self, other: &Self) -> bool {
        self.keys & other.keys != 0
    }

    /// Returns whether the threshold can be reached and all weights are of keys in the set.
    pub const fn is_sound(&self) -> bool {
        self.keys != 0
            && self.heavy & !self.keys == 0
            && self.threshold > 0
            && self.threshold as u32 <= self.weight(self.keys)
    }
}
