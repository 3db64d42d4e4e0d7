//! Any text as a configuration of Interlock: faults, or documents that are valid.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| skep_fuzz::texts::interlock(text));
