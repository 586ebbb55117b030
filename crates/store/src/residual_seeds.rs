//! Secrets that earlier versions of the program left in free pages of a study.
//!
//! redb does not clear the pages that it frees: their content can be read from the file's bytes until it is
//! overwritten. Checkpoints of earlier versions held the seed of each model's privacy noise.

use std::io::Read;
use std::path::Path;
use syntrace_base::error::{Result, io_error};

/// The start of a noise seed in a checkpoint: JSON nested in a JSON string.
const NOISE_SEED: &[u8] = b"noise_seed\\\":[";

const BUFFER_BYTES: usize = 4 << 20;

/// Does the state of a checkpoint hold noise seeds?
pub(super) fn holds_seeds(state: &[u8]) -> bool {
    count(state) > 0
}

fn count(bytes: &[u8]) -> u64 {
    bytes.windows(NOISE_SEED.len()).filter(|window| *window == NOISE_SEED).count() as u64
}

/// Noise seeds in the bytes of a file, wherever they are.
///
/// # Errors
/// Where the file cannot be read.
pub(super) fn noise_seeds(path: &Path) -> Result<u64> {
    let failed = |error: std::io::Error| io_error("read the study", path, &error);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let (mut buffer, mut found) = (Vec::with_capacity(BUFFER_BYTES + NOISE_SEED.len()), 0);
    loop {
        let read = Read::by_ref(&mut file).take(BUFFER_BYTES as u64).read_to_end(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok(found);
        }
        found += count(&buffer);
        // One that lies across two buffers is found in the next; one byte less than it, so that none counts twice.
        let kept = buffer.len().min(NOISE_SEED.len() - 1);
        buffer.drain(..buffer.len() - kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_found_wherever_they_are_and_counted_once() {
        let path = std::env::temp_dir().join(format!("syntrace-leftovers-{}", std::process::id()));
        let mut bytes = vec![b'x'; 2 * BUFFER_BYTES + 100];
        for at in [0, 5_000, BUFFER_BYTES - 6, 2 * BUFFER_BYTES - 1, 2 * BUFFER_BYTES + 100 - NOISE_SEED.len()] {
            bytes[at..at + NOISE_SEED.len()].copy_from_slice(NOISE_SEED);
        }
        std::fs::write(&path, &bytes).unwrap();
        let found = noise_seeds(&path);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(found.unwrap(), 5);
        assert!(holds_seeds(&bytes) && !holds_seeds(b"noise_seed"));
    }
}
