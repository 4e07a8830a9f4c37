//! A Docker Swarm through its Engine API: one connection, one snapshot, and every operation on it.
