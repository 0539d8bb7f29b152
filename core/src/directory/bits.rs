//! [`Bits`]: a set of client slots or of groups, one bit each. Published sets are never changed; a change makes a copy.

use smallvec::SmallVec;

/// A growable set of small numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bits {
    words: SmallVec<[u64; 2]>,
}

impl Bits {
    /// The set of these numbers.
    pub fn of(numbers: impl IntoIterator<Item = u32>) -> Self {
        let mut bits = Self::default();
        for n in numbers {
            bits.insert(n);
        }
        bits
    }

    /// Adds `n`; words are trimmed so that equal sets compare equal.
    pub fn insert(&mut self, n: u32) {
        let word = n as usize / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (n % 64);
    }

    /// Takes `n` out.
    pub fn remove(&mut self, n: u32) {
        if let Some(word) = self.words.get_mut(n as usize / 64) {
            *word &= !(1 << (n % 64));
        }
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }

    /// Is `n` in it?
    pub fn contains(&self, n: u32) -> bool {
        self.words.get(n as usize / 64).is_some_and(|w| w >> (n % 64) & 1 == 1)
    }

    /// True when the two sets share a number: the reach test of RULE-78.
    pub fn meets(&self, other: &Bits) -> bool {
        self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Bits) {
        if other.words.len() > self.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine |= theirs;
        }
    }

    /// Numbers in it, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(i, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                if left == 0 {
                    return None;
                }
                let bit = left.trailing_zeros();
                left &= left - 1;
                Some(i as u32 * 64 + bit)
            })
        })
    }

    /// How many numbers are in it.
    pub fn len(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// True when nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|w| *w == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insert_remove_iterate() {
        let mut bits = Bits::of([3, 64, 200]);
        assert_eq!(bits.iter().collect::<Vec<_>>(), [3, 64, 200]);
        bits.remove(200);
        assert_eq!(bits, Bits::of([3, 64]));
        assert!(bits.contains(64) && !bits.contains(200) && bits.len() == 2);
        assert!(bits.meets(&Bits::of([64])) && !bits.meets(&Bits::of([65])));
        bits.add(&Bits::of([65]));
        assert_eq!(bits, Bits::of([3, 64, 65]));
    }
}
