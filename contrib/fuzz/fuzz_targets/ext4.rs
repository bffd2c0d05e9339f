//! An ext image whose checksums nobody looks at, so that what lies behind them is reached.
#![no_main]

mod walk;

libfuzzer_sys::fuzz_target!(|data: &[u8]| walk::bytes(data, None, true));
