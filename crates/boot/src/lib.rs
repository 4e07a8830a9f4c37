//! Boot deadlocks that systemd cannot see: units that wait for what is ordered after them.
