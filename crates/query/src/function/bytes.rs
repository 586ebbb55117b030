//! `length` and `octet_length` of bytes, as PostgreSQL has them (its manual, section 9.5): DataFusion's take text
//! only and read a packet as UTF-8, which it is not.

use arrow::compute::kernels::length;
use arrow::datatypes::DataType;
use datafusion::common::utils::take_function_args;
use datafusion::common::{Result, plan_err};
use datafusion::functions::{string, unicode};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// Of text: characters, or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// `length(bytes or text)`: bytes of bytes, characters of text.
    Length,
    /// `octet_length(bytes or text)`: bytes.
    OctetLength,
}

/// One of both functions; text goes on to DataFusion's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ByteLength {
    kind: Kind,
    signature: Signature,
}

impl ByteLength {
    pub const ALL: [Kind; 2] = [Kind::Length, Kind::OctetLength];

    pub fn new(kind: Kind) -> Self {
        Self { kind, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

fn is_bytes(kind: &DataType) -> bool {
    matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

impl ScalarUDFImpl for ByteLength {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Length => "length",
            Kind::OctetLength => "octet_length",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = take_function_args(self.name(), arguments)?;
        match argument {
            kind if is_bytes(kind) => Ok(vec![argument.clone()]),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(vec![argument.clone()]),
            DataType::Null | DataType::Dictionary(_, _) => Ok(vec![DataType::Utf8]),
            found => plan_err!("{} expects text or bytes, found {found}", self.name()),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let large = matches!(arguments, [DataType::LargeUtf8 | DataType::LargeBinary]);
        Ok(if large { DataType::Int64 } else { DataType::Int32 })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = take_function_args(self.name(), &arguments.args)?;
        if !is_bytes(&value.data_type()) {
            let of_text = match self.kind {
                Kind::Length => unicode::character_length(),
                Kind::OctetLength => string::octet_length(),
            };
            return of_text.invoke_with_args(arguments);
        }
        let values = value.to_array(arguments.number_rows)?;
        Ok(ColumnarValue::Array(length::length(&values)?))
    }
}
