//! How another service makes a key, tells a typo from a key, and stores nothing that could be stolen.

#![expect(clippy::expect_used, reason = "a short example")]

use std::{fs::File, io::Read};

use tollgate_domain::{Environment, KeyText, Pepper, Randomness};

struct OperatingSystem;

impl Randomness for OperatingSystem {
    fn fill(&self, buffer: &mut [u8]) {
        File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(buffer))
            .expect("without randomness no key may be made");
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = KeyText::generate(None, Environment::Test, &OperatingSystem);
    let pepper = Pepper::new(&["a secret of at least thirty-two bytes"])?;
    let stored = pepper.hash(&key);

    let presented = KeyText::parse(key.expose())?;
    assert!(pepper.hashes(&presented).any(|hash| hash.equals(&stored)));

    let mut typo = key.expose().to_owned();
    typo.pop();
    assert!(KeyText::parse(&typo).is_err());
    Ok(())
}
