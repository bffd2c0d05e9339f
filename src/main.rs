//! The `imgmount` program: parse, run, exit code.

fn main() {}
