#!/bin/sh
# RUSTC_WRAPPER of the fuzz targets: counts edges in this crate and in the parsers below it, and builds everything
# else as it is. What cargo-fuzz does for every crate would build the whole query engine anew.
rustc=$1
shift
case " $* " in
*" --crate-name syntrace "* | *" --crate-name pcap_parser "* | *" --crate-name etherparse "* | \
    *" --crate-name safetensors "* | *" --crate-name toml "* | *" --crate-name toml_parser "* | \
    *" --crate-name rkyv "* | *" --crate-name bytecheck "*)
    exec "$rustc" "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-sanitizer-coverage-stack-depth -Clink-dead-code
    ;;
esac
exec "$rustc" "$@"
