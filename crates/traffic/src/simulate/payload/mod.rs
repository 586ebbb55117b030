//! Application payloads: well-formed messages of the protocols that the simulated hosts speak. Random
//! where real ones are (nonces, keys, ciphertext), structured where real ones are.

pub(super) mod call;
pub(super) mod dns;
pub(super) mod dtls;
pub(super) mod local;
pub(super) mod rpc;
pub(super) mod stun;
pub(super) mod text;
pub(super) mod tls;
pub(super) mod x509;

/// Appends a block behind its big-endian length of `N` bytes.
pub(super) fn prefixed<const N: usize>(block: &[u8]) -> Vec<u8> {
    let length = (block.len() as u64).to_be_bytes();
    let mut out = length[8 - N..].to_vec();
    out.extend(block);
    out
}
