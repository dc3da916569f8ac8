//! Builds what is built in again when a file of `events/` or `situations/` comes, goes or changes.

fn main() {
    println!("cargo::rerun-if-changed=../../events");
    println!("cargo::rerun-if-changed=../../situations");
}
