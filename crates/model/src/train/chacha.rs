//! The words of [`Seed::rng`] as tensors, for devices that would wait for the CPU to draw them: ChaCha (RFC 8439,
//! section 2.3) with 12 rounds and a counter of 64 bits, on 32-bit integers.
//!
//! A block of 16 words is a column; the state is four tensors `[4, blocks]`, one for each row of the RFC's
//! matrix, so that a quarter round works on all columns of all blocks.

use syntrace_base::base::Seed;
use tch::{Device, Kind, Tensor};

/// "expand 32-byte k".
const CONSTANTS: [i32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
const DOUBLE_ROUNDS: usize = 6;
const WORDS_PER_BLOCK: u64 = 16;

/// Blocks that are made together: their 16 MiB stay in a GPU's cache, and a launch has enough to do.
const BLOCKS_AT_ONCE: u64 = 1 << 18;

/// A stream of words on a device.
pub(super) struct ChaCha {
    /// Constants and the two halves of the key, each `[4, 1]`.
    rows: [Tensor; 3],
    device: Device,
}

impl ChaCha {
    pub fn new(seed: &Seed, device: Device) -> Self {
        let bytes = seed.to_bytes();
        let (words, _) = bytes.as_chunks::<4>();
        let words: Vec<i32> = words.iter().map(|word| i32::from_le_bytes(*word)).collect();
        let (low, high) = words.split_at(4);
        let rows = [&CONSTANTS[..], low, high].map(|row| Tensor::from_slice(row).view([4, 1]).to_device(device));
        Self { rows, device }
    }

    /// The first words of the stream, `[count]`, as signed integers.
    pub fn words(&self, count: u64) -> Tensor {
        let blocks = count.div_ceil(WORDS_PER_BLOCK);
        let mut parts = vec![Tensor::zeros([0], (Kind::Int, self.device))];
        let starts = (0..blocks).step_by(BLOCKS_AT_ONCE as usize);
        parts.extend(starts.map(|first| self.blocks(first, BLOCKS_AT_ONCE.min(blocks - first))));
        Tensor::cat(&parts, 0).narrow(0, 0, count as i64)
    }

    /// The words of some blocks one behind the other.
    fn blocks(&self, first: u64, count: u64) -> Tensor {
        let (first, count) = (first as i64, count as i64);
        let numbers = Tensor::arange_start(first, first + count, (Kind::Int64, self.device));
        let high = numbers.bitwise_right_shift_tensor_scalar(32);
        let nonce = Tensor::zeros([2, count], (Kind::Int, self.device));
        let counters = Tensor::stack(&[numbers, high], 0).to_kind(Kind::Int);
        let start = [
            self.rows[0].expand([4, count], false),
            self.rows[1].expand([4, count], false),
            self.rows[2].expand([4, count], false),
            Tensor::cat(&[counters, nonce], 0),
        ];
        let [mut a, mut b, mut c, mut d] = start.each_ref().map(Tensor::copy);
        for _ in 0..DOUBLE_ROUNDS {
            quarter_rounds(&mut a, &mut b, &mut c, &mut d);
            // The diagonals become columns and go back.
            (b, c, d) = (b.roll([-1], [0]), c.roll([-2], [0]), d.roll([-3], [0]));
            quarter_rounds(&mut a, &mut b, &mut c, &mut d);
            (b, c, d) = (b.roll([1], [0]), c.roll([2], [0]), d.roll([3], [0]));
        }
        for (row, start) in [&mut a, &mut b, &mut c, &mut d].into_iter().zip(&start) {
            let _ = row.g_add_(start);
        }
        Tensor::cat(&[a, b, c, d], 0).transpose(0, 1).reshape([-1])
    }
}

/// One quarter round on every column (RFC 8439, section 2.1); sums wrap.
fn quarter_rounds(a: &mut Tensor, b: &mut Tensor, c: &mut Tensor, d: &mut Tensor) {
    for (left, right) in [(16, 12), (8, 7)] {
        mix(a, b, d, left);
        mix(c, d, b, right);
    }
}

/// `sum += more; turned = (turned ^ sum) <<< bits`.
fn mix(sum: &mut Tensor, more: &Tensor, turned: &mut Tensor, bits: i64) {
    let _ = sum.g_add_(more);
    let _ = turned.bitwise_xor_tensor_(sum);
    // The right shift keeps the sign; the mask takes it away.
    let mut low = turned.bitwise_right_shift_tensor_scalar(32 - bits);
    let _ = low.bitwise_and_((1 << bits) - 1);
    let _ = turned.bitwise_left_shift_tensor_scalar_(bits);
    let _ = turned.bitwise_or_tensor_(&low);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    fn drawn(seed: &Seed, count: usize) -> Vec<i32> {
        let mut rng = seed.rng();
        (0..count).map(|_| rng.next_u32() as i32).collect()
    }

    #[test]
    fn words_are_those_of_the_seeds_generator() {
        for count in [0, 1, 15, 16, 17, 4_000] {
            let seed = Seed::root(7).numbered(count);
            let made = Vec::<i32>::try_from(ChaCha::new(&seed, Device::Cpu).words(count)).unwrap();
            assert_eq!(made, drawn(&seed, count as usize));
        }
    }

    #[test]
    fn parts_and_counters_beyond_32_bits_follow_each_other() {
        let seed = Seed::root(9);
        let chacha = ChaCha::new(&seed, Device::Cpu);
        let count = (BLOCKS_AT_ONCE + 1) * WORDS_PER_BLOCK;
        let made = Vec::<i32>::try_from(chacha.words(count)).unwrap();
        assert_eq!(made, drawn(&seed, count as usize));
        let mut rng = seed.rng();
        rng.set_word_pos(u128::from(u32::MAX) * u128::from(WORDS_PER_BLOCK));
        let later: Vec<i32> = (0..32).map(|_| rng.next_u32() as i32).collect();
        assert_eq!(Vec::<i32>::try_from(chacha.blocks(u64::from(u32::MAX), 2)).unwrap(), later);
    }
}
