//! The documentation is held to what it says: its YAML is loaded, its commands are run, its links lead
//! somewhere, its tables are those of the program, its claims name tests that there are.
//!
//! A comment in front of a block, `<!-- test: … -->`, says what is to be done with it. For YAML, where nothing
//! is said, it is a part of a configuration and has to load:
//!
//! | comment | meaning |
//! |---|---|
//! | `file NAME` | a whole configuration; commands of the same page find it under this name |
//! | `warns SG-6107`, also behind `file NAME` | what is warned about, in the order of the file |
//! | `not-before` | a list that ends sessions |
//! | `from FILE` | lines that stand in a file of this repository, where they are tested; for any language |
//! | `other PROGRAM` | YAML of another program: well-formed, no more is known |
//!
//! Commands are run if they are `sidegate` or every shell has them; others stand in `commands::LISTED`, with
//! the test that runs them or the reason why none does.

mod blocks;
mod commands;
mod endpoints;
mod fields;
mod front;
mod index;
mod links;
mod other;
mod proof;
mod world;
mod yaml;
