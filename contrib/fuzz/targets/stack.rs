//! Any bytes as an image, by all that the program reads.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgmount_fuzz::everything(data));
