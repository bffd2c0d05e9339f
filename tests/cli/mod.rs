//! The command line from outside: what a user types, and what comes back.

mod check;
mod generated;
mod verbs;
