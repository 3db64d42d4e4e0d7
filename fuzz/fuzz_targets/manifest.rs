//! Any text as a manifest: faults with a place, or clusters that survive their canonical form.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| skep_fuzz::texts::manifest(text));
