//! The few system calls that no kept crate wraps: the only place where `unsafe` is allowed.
