//! A bitmap of up to 2^32 bits that costs memory only where bits are set.

/// Bits of one block: 64 words of 64 bits.
const BLOCK_BITS: u64 = 64 * 64;

/// A fixed-length bitmap. Blocks without a set bit take no memory, and a search skips full words and blocks, so that
/// finding a clear bit stays fast in a pool that is nearly full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bitmap {
    len: u64,
    count: u64,
    blocks: Vec<Option<Box<Block>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    words: [u64; 64],
    /// One bit for each word that is all ones.
    full: u64,
}

impl Bitmap {
    /// All clear. `len` is at most 2^32.
    pub(crate) fn new(len: u64) -> Self {
        let blocks = usize::try_from(len.div_ceil(BLOCK_BITS)).unwrap_or(0);
        Self { len, count: 0, blocks: vec![None; blocks] }
    }

    /// Number of set bits.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn get(&self, bit: u64) -> bool {
        let (block, word, mask) = place(bit);
        match self.blocks.get(block) {
            Some(Some(block)) => block.words[word] & mask != 0,
            _ => false,
        }
    }

    /// Sets a bit; `false` if it was set already or lies outside the bitmap.
    pub(crate) fn set(&mut self, bit: u64) -> bool {
        if bit >= self.len || self.get(bit) {
            return false;
        }
        let (block, word, mask) = place(bit);
        let block = self.blocks[block].get_or_insert_with(|| Box::new(Block { words: [0; 64], full: 0 }));
        block.words[word] |= mask;
        if block.words[word] == u64::MAX {
            block.full |= 1 << word;
        }
        self.count += 1;
        true
    }

    /// Clears a bit; `false` if it was clear already or lies outside the bitmap.
    pub(crate) fn clear(&mut self, bit: u64) -> bool {
        if !self.get(bit) {
            return false;
        }
        let (index, word, mask) = place(bit);
        let slot = &mut self.blocks[index];
        if let Some(block) = slot {
            block.words[word] &= !mask;
            block.full &= !(1 << word);
            // An empty block is dropped: a census of a /16 sets and clears every bit, and its memory should not stay.
            if block.words.iter().all(|word| *word == 0) {
                *slot = None;
            }
        }
        self.count -= 1;
        true
    }

    /// First clear bit of `from..end`.
    pub(crate) fn first_clear(&self, from: u64, end: u64) -> Option<u64> {
        let end = end.min(self.len);
        let mut bit = from;
        while bit < end {
            let found = match self.blocks.get(place(bit).0) {
                Some(Some(block)) => block.first_clear(bit % BLOCK_BITS),
                _ => Some(bit % BLOCK_BITS),
            };
            let base = bit - bit % BLOCK_BITS;
            if let Some(found) = found {
                return Some(base + found).filter(|bit| *bit < end);
            }
            bit = base + BLOCK_BITS;
        }
        None
    }
}

impl Block {
    /// First clear bit from `from` on, which is below 4,096.
    fn first_clear(&self, from: u64) -> Option<u64> {
        let (_, word, mask) = place(from);
        // `mask - 1` has the bits below `from` in its word, which do not count.
        let rest = !self.words[word] & !(mask - 1);
        if rest != 0 {
            return Some(from - from % 64 + u64::from(rest.trailing_zeros()));
        }
        let later = (!self.full).checked_shr(u32::try_from(word).ok()? + 1).filter(|words| *words != 0)?;
        let word = word + 1 + usize::try_from(later.trailing_zeros()).ok()?;
        let clear = self.words[word].trailing_ones();
        Some(u64::try_from(word).ok()? * 64 + u64::from(clear))
    }
}

/// Block, word in the block, mask in the word.
fn place(bit: u64) -> (usize, usize, u64) {
    // Saturating is right where `usize` is narrower: no block is there, so the bit counts as clear.
    let block = usize::try_from(bit / BLOCK_BITS).unwrap_or(usize::MAX);
    let word = usize::try_from(bit / 64 % 64).unwrap_or(0);
    (block, word, 1 << (bit % 64))
}
