//! The pvcheck command.
