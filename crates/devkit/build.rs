//! Builds the corpus in again when a file of `events/` comes, goes or changes.

fn main() {
    println!("cargo::rerun-if-changed=../../events");
}
