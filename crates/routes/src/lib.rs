//! Probing URLs through a router: HTTP/1.1 and 2, TLS facts, pinned addresses.
