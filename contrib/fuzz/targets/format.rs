//! The target of every format: its name is the format's.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgmount_fuzz::format(env!("CARGO_BIN_NAME"), data));
