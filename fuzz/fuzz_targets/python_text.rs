#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pvcheck_fuzz::run("python_text", data));
