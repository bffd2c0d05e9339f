//! The `imgmount` program: parse, run, exit code.

fn main() -> std::process::ExitCode {
    imgmount::cli::main()
}
