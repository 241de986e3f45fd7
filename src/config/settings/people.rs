//! Who signs in, and for how long.

use super::{RANDOM, is};
use crate::config::parse;
use crate::config::setting::{Default, Setting, Shown};
use crate::types::ClientId;

/// The claims that people can be allowed to change by themselves; a username or an e-mail address is proved otherwise.
const EDITABLE: [&str; 9] = [
    "name",
    "given_name",
    "family_name",
    "nickname",
    "phone_number",
    "birthdate",
    "website",
    "zoneinfo",
    "locale",
];

pub(super) static ALL: &[Setting] = &[
    number!("sso.session_max_s", is("28800"), 300 to 28800 " seconds", session.max_s,
        "Absolute end of a browser session"),
    number!("session.idle_s", is("1800"), 300 to 28800 " seconds", session.idle_s,
        "End of a browser session that is not used"),
    value!(
        "session.samesite",
        is("lax"),
        "lax or strict",
        Plain,
        config.session.strict_cookie = |text| parse::choice(text, &[("lax", false), ("strict", true)]),
        "SameSite of the session cookie"
    ),
    value!(
        "profile.editable",
        is("name,given_name,family_name,nickname,phone_number,birthdate,website,zoneinfo,locale"),
        "claims out of name, given_name, family_name, nickname, phone_number, birthdate, website, zoneinfo, locale, \
         separated by commas",
        Plain,
        config.profile.editable = |text| parse::subset(text, &EDITABLE),
        "What people may change of their own profile"
    ),
    value!(
        "bootstrap_client_id",
        is("admin"),
        "1 to 64 characters out of A-Z a-z 0-9 . _ ~ -",
        Plain,
        config.bootstrap.client_id = |text| ClientId::parse(text).map_err(parse::words),
        "First admin client, created when no client exists"
    ),
    optional!(
        "bootstrap_client_secret",
        RANDOM,
        "32 to 512 printable ASCII characters without spaces",
        Hidden,
        config.bootstrap.client_secret = |text| parse::machine_secret(text, 32),
        "Secret of that client"
    ),
    value!(
        "bootstrap_username",
        is("admin"),
        "1 to 64 characters, or an e-mail address",
        Plain,
        config.bootstrap.username = parse::username,
        "First admin user, created when no user exists"
    ),
    optional!(
        "bootstrap_password",
        RANDOM,
        "8 to 256 characters",
        Hidden,
        config.bootstrap.password = parse::password,
        "Password of that user"
    ),
    number!("argon2.m_kib", is("19456"), 19456 to 4194304 " KiB", argon2.memory_kib, "Memory of one password hash"),
    number!("argon2.t", is("2"), 2 to 100 " passes", argon2.passes, "Passes of one password hash"),
    number!("argon2.p", is("1"), 1 to 64 " lanes", argon2.lanes, "Lanes of one password hash"),
    value!(
        "argon2.parallel",
        Default::Words("the number of cores"),
        "1 to 4 times the number of cores",
        Plain,
        config.argon2.parallel = |text| parse::number(text, 1, 4 * parse::cores()),
        "Password hashes at once"
    ),
];
