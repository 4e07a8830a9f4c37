//! The workspace's tests on real engines.
