//! Real private Docker engines for tests and demos.
