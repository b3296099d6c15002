//! The attributes of an endpoint's item that hold its sealed secrets, or name those in
//! Secrets Manager.

use jiff::Timestamp;

use super::fields::{AwsId, Bytes, Draft, Fields, Readable, aws_id, bytes, text, time};
use super::keys::attribute::{
    HEADERS, PREVIOUS_SECRET, SEALED_SECRET, SEALING_KEY, SECRET_VERSION, STORED_VERSION, headers,
    previous,
};
use super::{AttributeValue, Item};
use crate::aws::error::Malformed;
use crate::domain::endpoint::SecretVersion;
use crate::domain::id::SealingKeyId;
use crate::domain::sealing::{SealedHeaders, SealedSecret};
use crate::domain::secret::{KeptHeaders, KeptSecret, PreviousSecret, SecretPlace};

pub(super) fn version_id(version: &SecretVersion) -> AttributeValue {
    aws_id(&version.to_string())
}

/// Adds the current secret to the item of a new endpoint.
pub(super) fn with_secret(item: Draft, secret: &KeptSecret) -> Draft {
    let KeptSecret { version, place } = secret;
    let (stored_version, sealed) = match place {
        SecretPlace::SecretsManager { version: stored } => {
            ((stored != version).then_some(stored), None)
        }
        SecretPlace::Sealed(sealed) => (None, Some(sealed)),
    };
    item.set(SECRET_VERSION, version_id(version))
        .set_some(STORED_VERSION, stored_version.map(version_id))
        .set_some(SEALED_SECRET, sealed.map(|sealed| text(sealed.as_str())))
        .set_some(SEALING_KEY, sealed.map(|sealed| text(sealed.key_id)))
}

/// Reads the current secret.
pub(super) fn secret(fields: &mut Fields) -> Result<KeptSecret, Malformed> {
    let AwsId(version) = fields.read(SECRET_VERSION)?;
    let version = SecretVersion::new(version);
    // The `VersionId` in Secrets Manager, if it differs: a secret that is moved there gets a
    // new one, while its version stays the same.
    let stored: Option<AwsId> = fields.read_some(STORED_VERSION)?;
    let sealed: Option<String> = fields.read_some(SEALED_SECRET)?;
    let key: Option<String> = fields.read_some(SEALING_KEY)?;
    let stored = stored.map_or_else(
        || version.clone(),
        |AwsId(stored)| SecretVersion::new(stored),
    );
    let place = place(sealed, key)?;
    Ok(KeptSecret {
        place: place.unwrap_or(SecretPlace::SecretsManager { version: stored }),
        version,
    })
}

/// The place of a sealed secret. `None` if the secret is not sealed.
fn place(sealed: Option<String>, key: Option<String>) -> Result<Option<SecretPlace>, Malformed> {
    match (sealed, key) {
        (Some(sealed), Some(key)) => {
            let sealed = SealedSecret::new(SealingKeyId::parse(&key)?, sealed);
            Ok(Some(SecretPlace::Sealed(sealed)))
        }
        (None, None) => Ok(None),
        _ => Err("a sealed secret without its key, or the reverse".into()),
    }
}

/// Encodes the previous secret.
pub(super) fn previous_item(secret: &PreviousSecret) -> AttributeValue {
    let KeptSecret { version, place } = &secret.secret;
    let draft = Draft::new()
        .set(previous::VERSION, version_id(version))
        .set(previous::UNTIL, time(secret.until));
    let draft = match place {
        SecretPlace::SecretsManager { version } => {
            draft.set(previous::STORED_VERSION, version_id(version))
        }
        SecretPlace::Sealed(sealed) => draft
            .set(previous::SEALED_SECRET, text(sealed.as_str()))
            .set(previous::SEALING_KEY, text(sealed.key_id)),
    };
    AttributeValue::M(draft.item())
}

pub(super) fn previous_secret(fields: &mut Fields) -> Result<Option<PreviousSecret>, Malformed> {
    let Some(item) = fields.read_some::<Item>(PREVIOUS_SECRET)? else {
        return Ok(None);
    };
    let mut fields = Fields::of(item);
    let AwsId(version) = fields.read(previous::VERSION)?;
    let stored: Option<AwsId> = fields.read_some(previous::STORED_VERSION)?;
    let place = match stored {
        Some(AwsId(stored)) => SecretPlace::SecretsManager {
            version: SecretVersion::new(stored),
        },
        None => {
            let sealed = fields.read_some(previous::SEALED_SECRET)?;
            let place = place(sealed, fields.read_some(previous::SEALING_KEY)?)?;
            place.ok_or("a previous secret without a place")?
        }
    };
    Ok(Some(PreviousSecret {
        secret: KeptSecret {
            version: SecretVersion::new(version),
            place,
        },
        until: fields.read(previous::UNTIL)?,
    }))
}

/// Encodes an endpoint's own headers.
pub(super) fn headers_item(kept: &KeptHeaders) -> AttributeValue {
    let names = kept.names.iter().map(text).collect();
    let draft = Draft::new()
        .set(headers::VERSION, version_id(&kept.version))
        .set(headers::NAMES, AttributeValue::L(names))
        .set(headers::SEALED, bytes(&kept.sealed.bytes))
        .set(headers::SEALING_KEY, text(kept.sealed.key_id));
    AttributeValue::M(draft.item())
}

pub(super) fn own_headers(fields: &mut Fields) -> Result<Option<KeptHeaders>, Malformed> {
    let Some(item) = fields.read_some::<Item>(HEADERS)? else {
        return Ok(None);
    };
    let mut fields = Fields::of(item);
    let AwsId(version) = fields.read(headers::VERSION)?;
    let Bytes(bytes) = fields.read(headers::SEALED)?;
    let key_id: String = fields.read(headers::SEALING_KEY)?;
    Ok(Some(KeptHeaders {
        version: SecretVersion::new(version),
        names: fields.read(headers::NAMES)?,
        sealed: SealedHeaders {
            key_id: SealingKeyId::parse(&key_id)?,
            bytes,
        },
    }))
}

/// Whether an endpoint's item names a secret in Secrets Manager that signs at `now`. Works
/// even if the item cannot be decoded, and then errs on the side of yes.
pub(super) fn names_a_stored_secret(item: &Item, now: Timestamp) -> bool {
    if !item.contains_key(SEALING_KEY) {
        return true;
    }
    let previous = item.get(PREVIOUS_SECRET).cloned();
    let Some(previous) = previous.and_then(Item::of) else {
        return false;
    };
    let is_stored = previous.contains_key(previous::STORED_VERSION);
    let until = Fields::of(previous).read_some::<Timestamp>(previous::UNTIL);
    // A secret with an unreadable end may still be needed.
    is_stored && !matches!(until, Ok(Some(until)) if until <= now)
}

/// The keys that something in an endpoint's item is sealed to. Works even if the item
/// cannot be decoded, as far as the keys themselves are readable.
pub(super) fn sealing_keys_in(item: &Item) -> Vec<SealingKeyId> {
    let within = |attribute, key| item.get(attribute)?.as_m().ok()?.get(key);
    let previous = within(PREVIOUS_SECRET, previous::SEALING_KEY);
    let headers = within(HEADERS, headers::SEALING_KEY);
    let keys = [item.get(SEALING_KEY), previous, headers];
    let keys = keys.into_iter().flatten();
    keys.filter_map(|key| SealingKeyId::parse(key.as_s().ok()?).ok())
        .collect()
}
