//! Published keys: what of an issuer's key set can be used, and what each may be used for.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

/// The most keys of an issuer; who rotates has two or three.
const MAX_KEYS: usize = 100;
/// Bytes of an RSA modulus: 2048 to 8192 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1_024;
/// The most bytes of an RSA exponent; everybody's has three.
const MAX_EXPONENT_BYTES: usize = 4;
/// Bytes of a coordinate of P-256, and of an Ed25519 key.
const COORDINATE_BYTES: usize = 32;
/// What an uncompressed point begins with.
const UNCOMPRESSED: u8 = 4;

/// What a token may be signed with. There is no `none` and nothing with a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// By its name in headers and keys.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            // RFC 9864 calls it by its curve.
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A public key, good for one algorithm.
#[derive(Debug, Clone)]
pub struct Key {
    id: Option<String>,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Key {
    /// The only algorithm it is used with.
    const fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
            Material::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Whether `signature` is this key's of `message`.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            Material::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            Material::Ed25519(point) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature).is_ok()
            }
        }
    }
}

/// An issuer's keys. Those that cannot be used are left out: a set may well hold some for other purposes.
#[derive(Debug)]
pub struct KeySet(Vec<Key>);

#[derive(Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

/// A key as it is published (RFC 7517).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// Only private keys have it.
    d: Option<serde_json::Value>,
}

impl KeySet {
    /// Reads a key set.
    ///
    /// # Errors
    /// What it is not.
    pub fn parse(json: &[u8]) -> Result<Self, &'static str> {
        let published: Published =
            serde_json::from_slice(json).map_err(|_fault| "its keys are no key set")?;
        if published.keys.len() > MAX_KEYS {
            return Err("it publishes too many keys");
        }
        let read = |jwk| serde_json::from_value::<Jwk>(jwk).ok().and_then(usable);
        Ok(Self(published.keys.into_iter().filter_map(read).collect()))
    }

    /// The key of this name that fits; without a name, the only one that fits.
    pub fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let named = |key: &&Key| id.is_none_or(|id| key.id.as_deref() == Some(id));
        let mut fitting = self.0.iter().filter(|key| key.algorithm() == algorithm).filter(named);
        let first = fitting.next()?;
        // Of two, neither is the one that is meant.
        fitting.next().is_none().then_some(first)
    }
}

fn usable(jwk: Jwk) -> Option<Key> {
    let verifies = jwk.key_ops.as_ref().is_none_or(|uses| uses.iter().any(|usage| usage == "verify"));
    if jwk.purpose.as_deref().is_some_and(|purpose| purpose != "sig") || !verifies || jwk.d.is_some() {
        return None;
    }
    let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", None) => rsa(&number(jwk.n?)?, &number(jwk.e?)?)?,
        ("EC", Some("P-256")) => {
            let point = [vec![UNCOMPRESSED], coordinate(&jwk.x?)?, coordinate(&jwk.y?)?].concat();
            Material::P256(point)
        }
        ("OKP", Some("Ed25519")) => Material::Ed25519(coordinate(&jwk.x?)?),
        _ => return None,
    };
    let key = Key { id: jwk.kid, material };
    let fits = jwk.alg.is_none_or(|name| Algorithm::named(&name) == Some(key.algorithm()));
    fits.then_some(key)
}

fn rsa(n: &[u8], e: &[u8]) -> Option<Material> {
    let fits = MODULUS_BYTES.contains(&n.len()) && (1..=MAX_EXPONENT_BYTES).contains(&e.len());
    fits.then(|| Material::Rsa { n: n.to_vec(), e: e.to_vec() })
}

/// A number without leading zeros, which some publish.
fn number(text: String) -> Option<Vec<u8>> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).map(<[u8]>::to_vec)
}

fn coordinate(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == COORDINATE_BYTES)
}
