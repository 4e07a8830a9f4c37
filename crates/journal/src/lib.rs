//! What dockerd logged: records, known signatures, sources and scans.
