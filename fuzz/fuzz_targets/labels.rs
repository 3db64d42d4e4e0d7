//! Any labels of one service: they are read, routed and sent, and its neighbour stays as it was.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| skep_fuzz::labels::check(text));
