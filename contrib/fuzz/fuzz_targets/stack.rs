//! Any bytes as a raw image: partition tables, and every file system that there is a reader for.
#![no_main]

mod walk;

libfuzzer_sys::fuzz_target!(|data: &[u8]| walk::bytes(data, None, false));
