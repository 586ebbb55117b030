//! An NPY file of attributes, and one of losses.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let rows = syntrace::foreign::read_npy(data);
    let column = syntrace::foreign::read_npy_column(data);
    if let (Ok(rows), Ok(column)) = (rows, column) {
        assert_eq!(rows.len(), column.len());
    }
});
