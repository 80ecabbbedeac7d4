//! The migrations are part of the binary: a new file in their folder has it built again.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
