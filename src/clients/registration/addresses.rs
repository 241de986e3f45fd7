//! Where browsers and the server itself are sent to.

use super::Rules;
use super::found::Found;
use crate::clients::uris;
use crate::storage::clients::ClientMetadata;
use crate::types::{GrantType, RedirectUri};

pub(super) fn redirects(metadata: &ClientMetadata, found: &mut Found) {
    let check = |uri: &str| {
        RedirectUri::parse(uri, metadata.is_native())
            .err()
            .map(|malformed| malformed.0)
    };
    found.when(
        metadata.has_grant(GrantType::AuthorizationCode) && metadata.redirect_uris.is_empty(),
        "/redirect_uris",
        "needs 1 to 100 entries for the authorization_code grant",
    );
    found.list("/redirect_uris", &metadata.redirect_uris, check);
    found.list(
        "/post_logout_redirect_uris",
        &metadata.post_logout_redirect_uris,
        check,
    );
    found.list(
        "/allowed_cors_origins",
        &metadata.allowed_cors_origins,
        uris::origin,
    );
}

pub(super) fn pages(metadata: &ClientMetadata, found: &mut Found) {
    found.member("/client_uri", &metadata.client_uri, uris::page);
    found.member("/logo_uri", &metadata.logo_uri, uris::page);
    found.member("/tos_uri", &metadata.tos_uri, uris::page);
    found.member("/policy_uri", &metadata.policy_uri, uris::page);
    found.member("/initiate_login_uri", &metadata.initiate_login_uri, uris::page);
}

pub(super) fn logout(metadata: &ClientMetadata, rules: &Rules<'_>, found: &mut Found) {
    found.member(
        "/frontchannel_logout_uri",
        &metadata.frontchannel_logout_uri,
        |uri| uris::frame(uri, &metadata.redirect_uris, !metadata.is_public()),
    );
    found.member(
        "/backchannel_logout_uri",
        &metadata.backchannel_logout_uri,
        // Back-Channel Logout §2.2: "MAY use the http scheme, provided that the Client Type is confidential".
        |uri| uris::fetched(uri, rules.http_to_allowed && !metadata.is_public()),
    );
}
