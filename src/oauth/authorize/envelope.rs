//! Authorization requests, sealed. Since anybody can have requests sealed, each hour has a key of its own.

use crate::app::App;
use crate::fault::Fault;
use crate::keys::{Purpose, TenantKeys};
use crate::sealed::{KeyBytes, aad};
use crate::types::{TenantId, Timestamp, base64url};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Seals with the key of the hour of `at`. `what` keeps texts for one use from being opened as those for another.
pub(super) fn seal(
    app: &App,
    keys: &TenantKeys,
    tenant: TenantId,
    what: &str,
    at: Timestamp,
    plain: &[u8],
) -> Result<String, Fault> {
    let key = keys.purpose(Purpose::Seal)?;
    let hour = hour(at);
    let associated = associated(what, tenant, key.id(), hour);
    let sealed = key
        .sealing_of_hour(hour)?
        .seal(&app.entropy, &associated, plain)?;
    Ok(format!("{}.{hour}.{}", key.id(), base64url(&sealed)))
}

/// Opens a text that [`seal`] made for the same tenant and use; also gives the hour.
pub(super) fn open(keys: &TenantKeys, tenant: TenantId, what: &str, text: &str) -> Option<(KeyBytes, i64)> {
    let mut parts = text.splitn(3, '.');
    let (key_id, hour, sealed) = (parts.next()?, parts.next()?, parts.next()?);
    let hour: i64 = hour.parse().ok()?;
    let key = keys.purpose_by_id(Purpose::Seal, key_id)?;
    let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let associated = associated(what, tenant, key_id, hour);
    let plain = key.sealing_of_hour(hour).ok()?.open(&associated, &sealed)?;
    Some((plain, hour))
}

/// The hour of an instant, counted from 1970.
pub(super) fn hour(at: Timestamp) -> i64 {
    at.seconds().div_euclid(3600)
}

fn associated(what: &str, tenant: TenantId, key_id: &str, hour: i64) -> Vec<u8> {
    aad(&[what, &tenant.to_string(), key_id, &hour.to_string()])
}
