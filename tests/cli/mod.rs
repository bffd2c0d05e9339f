//! The command line from outside: what a user types, and what comes back.

pub mod apart;
mod asking;
mod bench;
mod check;
mod convert;
mod copy;
mod documentation;
mod escape;
mod generated;
mod keys;
mod tar;
mod terminal;
mod verbs;
