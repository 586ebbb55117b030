//! Public bases that ship with the program, by the digest of their weights.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::LazyLock;
use syntrace_base::base::Digest;
use syntrace_base::error::{Error, Result};

/// What a base is and what it was trained on; stands beside its weights as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseManifest {
    /// Family whose models start from it.
    pub family: String,
    /// Digest of its weights (BLAKE3, hexadecimal).
    pub blake3: String,
    /// Parameters.
    pub parameters: u64,
    /// Did any trace that nobody may read reach its weights? Then no guarantee of a model from it is end-to-end.
    pub saw_private: bool,
    /// What it was trained on, in words.
    pub traffic: String,
    /// Traces that it was trained on and held out.
    pub traces: u64,
    /// Source of all its draws.
    pub seed: u64,
    /// Mean loss of public traces that were held out.
    pub held_out_loss: Option<f64>,
    /// Day of its training.
    pub date: String,
    /// The options of its training.
    pub options: Value,
}

impl BaseManifest {
    /// Reads a manifest, and requires that it is of these weights.
    ///
    /// # Errors
    /// `user` where either cannot be read, or it names another digest.
    pub fn read(text: &str, weights: &[u8]) -> Result<Self> {
        let manifest: Self =
            serde_json::from_str(text).map_err(|error| Error::user(format!("the manifest of a base: {error}")))?;
        let found = Digest::of(weights).hex();
        if manifest.blake3 != found {
            return Err(Error::user(format!(
                "the manifest is of weights with digest `{}`, found weights with digest `{found}`",
                manifest.blake3
            ))
            .hint("bring the weights and the manifest that were written together"));
        }
        safetensors::SafeTensors::read_metadata(weights)
            .map_err(|error| Error::user(format!("the weights of a base must be safetensors: {error}")))?;
        Ok(manifest)
    }
}

/// A base in the program itself.
#[derive(Debug)]
pub struct ShippedBase {
    /// What it is.
    pub manifest: BaseManifest,
    /// Its weights, safetensors.
    pub weights: &'static [u8],
}

impl ShippedBase {
    /// Digest of its weights.
    pub fn digest(&self) -> &str {
        &self.manifest.blake3
    }
}

/// Weights and manifest of the base of a family.
macro_rules! base_files {
    ($family:literal) => {
        (
            include_bytes!(concat!("../../../../bases/", $family, ".safetensors")).as_slice(),
            include_str!(concat!("../../../../bases/", $family, ".json")),
        )
    };
}

/// Made by `syntrace base train studies/bases.toml --out bases`.
const FILES: &[(&[u8], &str)] = &[base_files!("netdiffusion"), base_files!("netshare"), base_files!("netssm")];

static SHIPPED: LazyLock<Result<Vec<ShippedBase>>> = LazyLock::new(|| read_all(FILES));

fn read_all(files: &[(&'static [u8], &str)]) -> Result<Vec<ShippedBase>> {
    let read = |(weights, text): &(&'static [u8], &str)| {
        let manifest = BaseManifest::read(text, weights)?;
        Ok(ShippedBase { manifest, weights })
    };
    let all = files.iter().map(read).collect::<Result<_>>();
    all.map_err(|error| Error::internal(format!("a base of this program cannot be read: {error}")))
}

/// All bases of the program.
///
/// # Errors
/// `internal` where one of them cannot be read.
pub fn shipped_bases() -> Result<&'static [ShippedBase]> {
    SHIPPED.as_deref().map_err(Error::clone)
}

/// The base of a family.
///
/// # Errors
/// As [`shipped_bases`].
pub fn shipped(family: &str) -> Result<Option<&'static ShippedBase>> {
    Ok(shipped_bases()?.iter().find(|base| base.manifest.family == family))
}

/// Takes `start` out of a table: does a model start from a public base that is there (`public`), or from what its family
/// calls `other`? Without `start`, from the base that the table names in `key`, else from the shipped one where its network is
/// that of the preset.
///
/// # Errors
/// `user` where `start` is something else, or leaves no use for the base that is named.
pub(crate) fn starts_public(
    options: &mut Map<String, Value>,
    other: &str,
    key: &str,
    own_network: bool,
) -> Result<bool> {
    let named = options.contains_key(key);
    match options.remove("start") {
        None => Ok(named || !own_network),
        Some(Value::String(start)) if start == "public" => Ok(true),
        Some(Value::String(start)) if start == other => match named {
            true => Err(Error::user(format!("`start = \"{other}\"` leaves no use for `{key}`"))
                .hint("drop one of the two keys")),
            false => Ok(false),
        },
        Some(found) => Err(Error::user(format!("`start` must be `public` or `{other}`, found {found}"))),
    }
}

/// Refuses a table that asks for `start = "public"` and leaves `key` without a base.
///
/// # Errors
/// As [`no_base`].
pub(crate) fn require_base(options: &Map<String, Value>, key: &str, has_base: bool) -> Result<()> {
    let asked = options.get("start").and_then(Value::as_str) == Some("public");
    if asked && !has_base { Err(no_base(key)) } else { Ok(()) }
}

/// The error of `start = "public"` without a base in `key`.
pub(crate) fn no_base(key: &str) -> Error {
    Error::user(format!("`start = \"public\"` needs the digest of a base in `{key}`, found none"))
        .hint("`syntrace base list` names the bases; the preset `small` starts from the shipped one")
}

/// Refuses what is no digest, and the shipped base of a family where the network of a table is not that of its preset.
///
/// # Errors
/// `user` for either, with the key and what to do.
pub(crate) fn check_named(family: &str, key: &str, digest: &str, fits: bool, instead: &str) -> Result<()> {
    if Digest::from_hex(digest).is_none() {
        let message = format!("`{key}` must be a BLAKE3 digest of 64 hexadecimal digits, found `{digest}`");
        return Err(Error::user(message).hint("`syntrace base list` names the bases"));
    }
    if !fits && shipped(family)?.is_some_and(|base| base.digest() == digest) {
        let message = format!("the shipped base of `{family}` has the network of the preset `small`, found another");
        return Err(Error::user(message).hint(format!("set {instead}, or name another base in `{key}`")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_that_cannot_be_read_is_an_error() {
        let (weights, text) = FILES[0];
        assert_eq!(read_all(FILES).unwrap().len(), FILES.len());
        for damaged in [(&weights[1..], text), (weights, "{}")] {
            let error = read_all(&[FILES[0], damaged]).unwrap_err();
            assert!(error.to_string().contains("a base of this program cannot be read"), "{error}");
            assert_eq!(error.exit_code(), 3);
        }
    }
}
