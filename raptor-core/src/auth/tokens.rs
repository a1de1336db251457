//! Session tokens: JWTs (HS256) that name a session and hold nothing that could be outdated.

use super::seal::derive;
use crate::{
    Error, Result,
    files::links::Link,
    id::{SessionId, UserId},
};
use chrono::{DateTime, Utc};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
};
use ring::hmac;
use serde::{Deserialize, Serialize};
use signature::{Signer, Verifier};

/// Audience of session tokens. A token is rejected everywhere but for its own purpose.
const AUDIENCE: &str = "raptor:session";

/// Audience of links to files.
const LINK_AUDIENCE: &str = "raptor:download";

/// HS256 implemented with ring, to avoid a second crypto library.
struct Hs256(hmac::Key);

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

fn key_for(algorithm: &Algorithm, secret: &[u8]) -> Result<Hs256, jsonwebtoken::errors::Error> {
    match algorithm {
        Algorithm::HS256 => Ok(Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret))),
        _ => Err(jsonwebtoken::errors::ErrorKind::InvalidAlgorithm.into()),
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(key_for(algorithm, key.as_bytes())?)),
    verifier_factory: |algorithm, key| Ok(Box::new(key_for(algorithm, key.try_get_as_bytes()?)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

#[derive(Serialize, Deserialize)]
struct Claims {
    aud: String,
    sub: UserId,
    sid: SessionId,
    iat: i64,
    exp: i64,
}

#[derive(Serialize, Deserialize)]
struct LinkClaims {
    aud: String,
    exp: i64,
    link: Link,
}

const RESET_AUDIENCE: &str = "raptor:password-reset";

#[derive(Serialize, Deserialize)]
struct ResetClaims {
    aud: String,
    sub: UserId,
    exp: i64,
    fingerprint: String,
}

/// Signs and verifies tokens.
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    link_encoding: EncodingKey,
    link_decoding: DecodingKey,
    link_validation: Validation,
    reset: (EncodingKey, DecodingKey, Validation),
}

impl Tokens {
    pub(crate) fn new(secret: &str) -> Result<Self> {
        // Fails if a provider is already installed, which is fine.
        let _ = PROVIDER.install_default();
        let key = derive(secret, "raptor session tokens v1")?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        // Expiry is checked against the injected clock instead.
        validation.validate_exp = false;
        let link_key = derive(secret, "raptor download links v1")?;
        let mut link_validation = validation.clone();
        link_validation.set_audience(&[LINK_AUDIENCE]);
        link_validation.set_required_spec_claims(&["exp", "aud"]);
        let reset = {
            let key = derive(secret, "raptor password resets v1")?;
            let mut validation = validation.clone();
            validation.set_audience(&[RESET_AUDIENCE]);
            (EncodingKey::from_secret(&key), DecodingKey::from_secret(&key), validation)
        };
        Ok(Self {
            reset,
            link_encoding: EncodingKey::from_secret(&link_key),
            link_decoding: DecodingKey::from_secret(&link_key),
            link_validation,
            encoding: EncodingKey::from_secret(&key),
            decoding: DecodingKey::from_secret(&key),
            validation,
        })
    }

    pub(crate) fn sign(
        &self,
        user: UserId,
        session: SessionId,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<String> {
        let claims = Claims {
            aud: AUDIENCE.into(),
            sub: user,
            sid: session,
            iat: from.timestamp(),
            exp: until.timestamp(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding).map_err(Error::internal)
    }

    /// Signs a link to a file that is valid before `until`.
    pub(crate) fn sign_link(&self, link: &Link, until: DateTime<Utc>) -> Result<String> {
        let claims = serde_json::json!({ "aud": LINK_AUDIENCE, "exp": until.timestamp(), "link": link });
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.link_encoding)
            .map_err(Error::internal)
    }

    /// The content of a link, if it is genuine and has not expired at `now`.
    pub(crate) fn read_link(&self, token: &str, now: DateTime<Utc>) -> Option<Link> {
        let read = jsonwebtoken::decode::<LinkClaims>(token, &self.link_decoding, &self.link_validation);
        let claims = read.ok()?.claims;
        (claims.exp > now.timestamp()).then_some(claims.link)
    }

    /// Signs a reset token for `user`, valid before `until` and as long as their password has this fingerprint.
    pub(crate) fn sign_reset(&self, user: UserId, fingerprint: &str, until: DateTime<Utc>) -> Result<String> {
        let claims = ResetClaims {
            aud: RESET_AUDIENCE.into(),
            sub: user,
            exp: until.timestamp(),
            fingerprint: fingerprint.to_owned(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.reset.0).map_err(Error::internal)
    }

    /// The user and the password fingerprint of a reset token, if it is genuine and has not expired at `now`.
    pub(crate) fn read_reset(&self, token: &str, now: DateTime<Utc>) -> Option<(UserId, String)> {
        let read = jsonwebtoken::decode::<ResetClaims>(token, &self.reset.1, &self.reset.2);
        let claims = read.ok()?.claims;
        (claims.exp > now.timestamp()).then_some((claims.sub, claims.fingerprint))
    }

    /// The session of a token, if it is genuine and has not expired at `now`.
    pub(crate) fn read(&self, token: &str, now: DateTime<Utc>) -> Option<SessionId> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?.claims;
        (claims.exp > now.timestamp()).then_some(claims.sid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn time() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn a_token_is_good_until_it_expires_and_under_its_key_only() {
        let tokens = Tokens::new("one").unwrap();
        let session = SessionId::generate();
        let token = tokens.sign(UserId::generate(), session, time(), time() + TimeDelta::hours(1)).unwrap();
        assert_eq!(tokens.read(&token, time()), Some(session));
        assert_eq!(tokens.read(&token, time() + TimeDelta::hours(2)), None);
        assert_eq!(Tokens::new("two").unwrap().read(&token, time()), None);
    }

    #[test]
    fn a_token_without_signature_or_of_another_purpose_is_refused() {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
        let tokens = Tokens::new("one").unwrap();
        let token = tokens
            .sign(UserId::generate(), SessionId::generate(), time(), time() + TimeDelta::hours(1))
            .unwrap();
        let claims = token.split('.').nth(1).unwrap();
        let unsigned = format!("{}.{claims}.", B64.encode(r#"{"alg":"none","typ":"JWT"}"#));
        assert_eq!(tokens.read(&unsigned, time()), None);

        let other = serde_json::json!({ "aud": "raptor:download", "sub": UserId::generate(), "sid": SessionId::generate(),
                                        "iat": 0, "exp": time().timestamp() + 60 });
        let signed = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &other, &tokens.encoding).unwrap();
        assert_eq!(tokens.read(&signed, time()), None);
    }
}
