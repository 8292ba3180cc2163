//! Secrets for one recipient: CMS EnvelopedData (RFC 5652 §6) for the key of an X.509 certificate
//! (CB-220, CB-221, CB-224).
//!
//! The content is encrypted with AES-256 in CBC mode, its key with RSA by PKCS #1 v1.5
//! (RFC 8017 §7.2), which is what clients of the protocol read. Whose certificate it is, is not
//! asked: it came in the dialog of whoever wants to know, and certificates of clients are
//! self-signed (trap 73).

use crate::info::CmsData;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cms::builder::{
    ContentEncryptionAlgorithm, EnvelopedDataBuilder, KeyEncryptionInfo,
    KeyTransRecipientInfoBuilder,
};
use cms::cert::IssuerAndSerialNumber;
use cms::content_info::ContentInfo;
use cms::enveloped_data::RecipientIdentifier;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rsa::RsaPublicKey;
use rsa::rand_core::{CryptoRng, Error, RngCore};
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::referenced::OwnedToRef as _;
use x509_cert::der::{Any, Decode as _, Encode as _};

/// The secret for whoever has the private key of this certificate, both in base64; `None` if it is
/// not a certificate of an RSA key.
pub(crate) fn seal(certificate: &str, secret: &str, rng: &mut StdRng) -> Option<CmsData> {
    let der = STANDARD.decode(certificate).ok()?;
    let certificate = Certificate::from_der(&der).ok()?.tbs_certificate;
    let key = certificate.subject_public_key_info.owned_to_ref();
    let key = RsaPublicKey::try_from(key).ok()?;
    let recipient = RecipientIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
        issuer: certificate.issuer,
        serial_number: certificate.serial_number,
    });
    let (mut of_key, mut of_content) =
        (Source(StdRng::from_rng(rng)), Source(StdRng::from_rng(rng)));
    let key = KeyEncryptionInfo::Rsa(key);
    let recipient = KeyTransRecipientInfoBuilder::new(recipient, key, &mut of_key).ok()?;
    let algorithm = ContentEncryptionAlgorithm::Aes256Cbc;
    let mut enveloped = EnvelopedDataBuilder::new(None, secret.as_bytes(), algorithm, None).ok()?;
    enveloped.add_recipient_info(recipient).ok()?;
    let enveloped = enveloped.build_with_rng(&mut of_content).ok()?;
    let content = ContentInfo {
        content_type: ENVELOPED_DATA,
        content: Any::encode_from(&enveloped).ok()?,
    };
    CmsData::from_base64(&STANDARD.encode(content.to_der().ok()?))
}

/// RFC 5652 §6.1.
const ENVELOPED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.3");

/// Our generator by the interface of the encryption crates.
struct Source(StdRng);

impl RngCore for Source {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, octets: &mut [u8]) {
        self.0.fill_bytes(octets);
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Error> {
        self.0.fill_bytes(octets);
        Ok(())
    }
}

/// ChaCha12.
impl CryptoRng for Source {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cb_223_garbage_is_no_certificate() {
        let mut rng = StdRng::from_seed([7; 32]);
        for text in ["", "MII", "MIIB", "AAAA", "not base64", "MIIBMIIBMIIB"] {
            assert_eq!(seal(text, "secret", &mut rng), None, "{text}");
        }
    }
}
