//! Makes cargo look at the migrations, and names what they add up to for templates of tests.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    io,
    path::Path,
};

fn main() -> io::Result<()> {
    let migrations = Path::new("../../migrations");
    let mut sum = DefaultHasher::new();
    hash(migrations, &mut sum)?;
    println!("cargo:rerun-if-changed={}", migrations.display());
    println!("cargo:rustc-env=TOLLGATE_MIGRATIONS={:016x}", sum.finish());
    Ok(())
}

fn hash(path: &Path, sum: &mut DefaultHasher) -> io::Result<()> {
    println!("cargo:rerun-if-changed={}", path.display());
    if path.is_dir() {
        let mut inside = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        inside.sort_by_key(fs::DirEntry::file_name);
        inside.iter().try_for_each(|entry| hash(&entry.path(), sum))
    } else {
        (path.to_string_lossy(), fs::read(path)?).hash(sum);
        Ok(())
    }
}
