//! The outside of a token: RFC 7515's compact form, read strictly. Nothing here is believed yet.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{Refusal, key::Algorithm, members::Members};

/// The longest token that is looked at, in bytes; issuers that put groups into tokens reach some thousand.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// The longest name of a key, in bytes.
const MAX_KEY_ID_BYTES: usize = 256;
/// Header members that bring a key along, say where one could be fetched, or must be understood.
const REFUSED: &[&str] = &["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"];

/// A token that was taken apart.
#[derive(Debug)]
pub struct Token<'t> {
    /// What its header says it is signed with.
    pub algorithm: Algorithm,
    /// Its issuer's name of the key.
    pub key_id: Option<String>,
    /// What it says.
    pub claims: Members,
    /// The text that is signed.
    pub signed: &'t str,
    /// The signature.
    pub signature: Vec<u8>,
}

impl<'t> Token<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// What its form or its header is refused for.
    pub fn parse(text: &'t str) -> Result<Self, Refusal> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        let header = Members::parse(&bytes(header)?)?;
        let (algorithm, key_id) = judge(&header)?;
        Ok(Self {
            algorithm,
            key_id,
            claims: Members::parse(&bytes(claims)?)?,
            signed,
            signature: bytes(signature)?,
        })
    }
}

/// Base64url without padding; a further `.` is no digit of it.
fn bytes(part: &str) -> Result<Vec<u8>, Refusal> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_other| Refusal::Malformed)
}

fn judge(header: &Members) -> Result<(Algorithm, Option<String>), Refusal> {
    if REFUSED.iter().any(|name| header.has(name)) {
        return Err(Refusal::Header);
    }
    let algorithm = header.text("alg").and_then(Algorithm::named).ok_or(Refusal::Algorithm)?;
    // Other kinds of tokens name their type (RFC 8725, 3.11): `at+jwt`, `logout+jwt`, `secevent+jwt`.
    if header.has("typ") && !header.text("typ").is_some_and(|kind| kind.eq_ignore_ascii_case("JWT")) {
        return Err(Refusal::Type);
    }
    let key_id = match (header.has("kid"), header.text("kid")) {
        (false, _) => None,
        (true, Some(id)) if id.len() <= MAX_KEY_ID_BYTES => Some(id.to_owned()),
        (true, _) => return Err(Refusal::Key),
    };
    Ok((algorithm, key_id))
}
