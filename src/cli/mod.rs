//! Options, verbs, and everything that prints.
