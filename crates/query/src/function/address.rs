//! `inet(text)` and `in_network(address, network)`: addresses as people write them beside those of packets, which are
//! 4 or 16 bytes.

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray};
use arrow::datatypes::DataType;
use datafusion::common::utils::take_function_args;
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use std::net::IpAddr;
use std::sync::Arc;

/// The bytes of an address; `None` for any other text.
pub(crate) fn address_bytes(text: &str) -> Option<Vec<u8>> {
    match text.trim().parse::<IpAddr>().ok()? {
        IpAddr::V4(address) => Some(address.octets().to_vec()),
        IpAddr::V6(address) => Some(address.octets().to_vec()),
    }
}

/// An address and how many of its bits are those of the network; `None` for any other text.
pub(crate) fn network(text: &str) -> Option<(Vec<u8>, usize)> {
    let Some((address, bits)) = text.trim().split_once('/') else {
        let address = address_bytes(text)?;
        let bits = address.len() * 8;
        return Some((address, bits));
    };
    let address = address_bytes(address)?;
    let bits = bits.parse::<usize>().ok().filter(|bits| *bits <= address.len() * 8)?;
    Some((address, bits))
}

/// Do two addresses of one family agree in their first bits?
fn agree(left: &[u8], right: &[u8], bits: usize) -> bool {
    let whole = bits / 8;
    let rest = bits % 8;
    let mask = !(0xff_u16 >> rest) as u8;
    left.len() == right.len()
        && left.get(..whole) == right.get(..whole)
        && (rest == 0 || left.get(whole).map(|byte| byte & mask) == right.get(whole).map(|byte| byte & mask))
}

/// One of both functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// `inet('192.168.1.1')`: the 4 or 16 bytes of an address.
    Inet,
    /// `in_network(src_ip, '192.168.0.0/16')`, also written `src_ip << '192.168.0.0/16'`.
    InNetwork,
}

/// One function on addresses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct AddressFunction {
    kind: Kind,
    signature: Signature,
}

impl AddressFunction {
    pub(super) const ALL: [Kind; 2] = [Kind::Inet, Kind::InNetwork];

    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// `in_network`, for the operator.
    pub(crate) fn in_network() -> Self {
        Self::new(Kind::InNetwork)
    }

    /// `inet`, for comparisons.
    pub(crate) fn inet() -> Self {
        Self::new(Kind::Inet)
    }
}

fn is_bytes(kind: &DataType) -> bool {
    matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
}

fn inet(values: &ArrayRef) -> Result<ArrayRef> {
    let read = |text: Option<&str>| {
        let Some(text) = text else { return Ok(None) };
        let wrong = || exec_datafusion_err!("expected an address like 192.168.1.1 or 2001:db8::1, found `{text}`");
        address_bytes(text).map(Some).ok_or_else(wrong)
    };
    let bytes = values.as_string::<i32>().iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(bytes.iter().map(Option::as_deref).collect::<BinaryArray>()))
}

fn in_network(addresses: &ArrayRef, networks: &ArrayRef) -> Result<ArrayRef> {
    let (addresses, networks) = (addresses.as_binary::<i32>(), networks.as_string::<i32>());
    let mut last: Option<(&str, (Vec<u8>, usize))> = None;
    let mut found = Vec::with_capacity(addresses.len());
    for (address, text) in addresses.iter().zip(networks.iter()) {
        let (Some(address), Some(text)) = (address, text) else {
            found.push(None);
            continue;
        };
        if last.as_ref().is_none_or(|(known, _)| *known != text) {
            let read = network(text)
                .ok_or_else(|| exec_datafusion_err!("expected a network like 192.168.0.0/16, found `{text}`"))?;
            last = Some((text, read));
        }
        found.push(last.as_ref().map(|(_, (bytes, bits))| agree(address, bytes, *bits)));
    }
    Ok(Arc::new(BooleanArray::from(found)))
}

impl ScalarUDFImpl for AddressFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Inet => "inet",
            Kind::InNetwork => "in_network",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match (self.kind, arguments) {
            (Kind::Inet, [text]) if is_text(text) => Ok(vec![DataType::Utf8]),
            (Kind::InNetwork, [bytes, text]) if (is_bytes(bytes) || bytes.is_null()) && is_text(text) => {
                Ok(vec![DataType::Binary, DataType::Utf8])
            }
            (Kind::Inet, found) => plan_err!("inet expects an address as text, found {found:?}"),
            (Kind::InNetwork, found) => {
                plan_err!("in_network expects an address and a network as text, found {found:?}")
            }
        }
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::Inet => DataType::Binary,
            Kind::InNetwork => DataType::Boolean,
        })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        match self.kind {
            Kind::Inet => {
                let [text] = take_function_args(self.name(), arguments.args)?;
                Ok(ColumnarValue::Array(inet(&text.into_array(rows)?)?))
            }
            Kind::InNetwork => {
                let [address, network] = take_function_args(self.name(), arguments.args)?;
                Ok(ColumnarValue::Array(in_network(&address.into_array(rows)?, &network.into_array(rows)?)?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_the_addresses_that_share_their_first_bits() {
        let within = |address: &str, text: &str| {
            let (bytes, bits) = network(text).unwrap();
            agree(&address_bytes(address).unwrap(), &bytes, bits)
        };
        for (address, text, expected) in [
            ("192.168.1.1", "192.168.0.0/16", true),
            ("192.169.1.1", "192.168.0.0/16", false),
            ("10.0.0.129", "10.0.0.128/25", true),
            ("10.0.0.127", "10.0.0.128/25", false),
            ("1.2.3.4", "0.0.0.0/0", true),
            ("1.2.3.4", "1.2.3.4", true),
            ("1.2.3.5", "1.2.3.4/32", false),
            ("2001:db8::1", "2001:db8::/32", true),
            ("1.2.3.4", "::/0", false),
        ] {
            assert_eq!(within(address, text), expected, "{address} {text}");
        }
        for wrong in ["10.0.0.0/33", "::/129", "10.0.0/8", "a/8", "10.0.0.0/", "10.0.0.0/-1"] {
            assert_eq!(network(wrong), None, "{wrong}");
        }
    }
}
