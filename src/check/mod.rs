//! Walks a stack and judges it: checksums, second files, second readers.
