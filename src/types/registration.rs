//! The closed vocabularies of client registration (RFC 7591, OpenID Connect Dynamic Client Registration).

use super::Malformed;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident: $refusal:literal { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// Every value, in the order in which metadata lists them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The registered name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Accepts exactly the registered names.
            pub fn parse(text: &str) -> Result<Self, Malformed> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(Malformed($refusal)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

vocabulary! {
    /// `grant_types`: how a client may obtain tokens. What stands here is what the token endpoint serves.
    GrantType: "must be one of authorization_code, refresh_token, client_credentials, urn:ietf:params:oauth:grant-type:device_code" {
        /// RFC 6749 §4.1.
        AuthorizationCode = "authorization_code",
        /// RFC 6749 §6.
        RefreshToken = "refresh_token",
        /// RFC 6749 §4.4.
        ClientCredentials = "client_credentials",
        /// RFC 8628 §3.4.
        DeviceCode = "urn:ietf:params:oauth:grant-type:device_code",
    }
}

impl GrantType {
    /// Whether a person gives it, so that a refresh token may come of it.
    pub const fn is_given_by_a_person(self) -> bool {
        match self {
            Self::AuthorizationCode | Self::DeviceCode => true,
            Self::RefreshToken | Self::ClientCredentials => false,
        }
    }
}

vocabulary! {
    /// `response_types`: what the authorization endpoint may answer.
    ResponseType: "must be code" {
        /// An authorization code (RFC 6749 §4.1). There is no implicit and no hybrid flow.
        Code = "code",
    }
}

vocabulary! {
    /// `token_endpoint_auth_method`: how a client proves who it is, at every endpoint that asks for it.
    AuthMethod: "must be one of client_secret_basic, client_secret_post, private_key_jwt, none" {
        /// The secret in the `Authorization` header (RFC 6749 §2.3.1).
        ClientSecretBasic = "client_secret_basic",
        /// The secret in the form (RFC 6749 §2.3.1).
        ClientSecretPost = "client_secret_post",
        /// A signed assertion (RFC 7523 §2.2).
        PrivateKeyJwt = "private_key_jwt",
        /// A public client, which only names itself.
        None = "none",
    }
}

vocabulary! {
    /// `application_type` (OpenID Connect Dynamic Client Registration §2): which redirect URIs are allowed.
    ApplicationType: "must be web or native" {
        /// https, or http on loopback.
        Web = "web",
        /// Also private-use schemes, and loopback addresses with any port (RFC 8252).
        Native = "native",
    }
}

vocabulary! {
    /// `subject_type` (OpenID Connect Core §8): whether all clients see the same `sub`.
    SubjectType: "must be public or pairwise" {
        /// The same for all.
        Public = "public",
        /// Another for each sector.
        Pairwise = "pairwise",
    }
}

vocabulary! {
    /// `consumer_class`: who the client is to the deployment. Sets and bounds what it may have.
    ConsumerClass: "must be one of web_mobile, service, enterprise_sso, third_party, webhook_receiver" {
        /// Applications in which people sign in.
        WebMobile = "web_mobile",
        /// Machines of the deployment itself.
        Service = "service",
        /// Applications of an enterprise whose people sign in through its own identity provider.
        EnterpriseSso = "enterprise_sso",
        /// Machines of other developers.
        ThirdParty = "third_party",
        /// Endpoints that are only sent signed messages.
        WebhookReceiver = "webhook_receiver",
    }
}

vocabulary! {
    /// `introspection`: whose tokens the client may introspect, beside its own.
    IntrospectionRight: "must be audience or any" {
        /// Tokens whose audience holds a resource that the client is (`resource_identifiers`).
        Audience = "audience",
        /// Every token of the tenant.
        Any = "any",
    }
}

vocabulary! {
    /// `client_assertion_audience`: what the `aud` of a client assertion has to be.
    AssertionAudience: "must be issuer or endpoint" {
        /// The issuer identifier and nothing else.
        Issuer = "issuer",
        /// Also the URL of the endpoint that is called: weaker, for clients that cannot do better.
        Endpoint = "endpoint",
    }
}

vocabulary! {
    /// How the content encryption key reaches the client (RFC 7518 §4.1). There is no RSA1_5 (RFC 8725 §3.2) and nothing
    /// with a shared secret.
    KeyManagement: "must be one of RSA-OAEP, RSA-OAEP-256, ECDH-ES, ECDH-ES+A128KW, ECDH-ES+A256KW" {
        /// RSAES OAEP with SHA-1 and MGF1 (RFC 7518 §4.3).
        RsaOaep = "RSA-OAEP",
        /// RSAES OAEP with SHA-256 (RFC 7518 §4.3).
        RsaOaep256 = "RSA-OAEP-256",
        /// Agreed by ECDH with an ephemeral key (RFC 7518 §4.6).
        EcdhEs = "ECDH-ES",
        /// The same, to wrap a key with AES-128.
        EcdhEsA128Kw = "ECDH-ES+A128KW",
        /// The same, to wrap a key with AES-256.
        EcdhEsA256Kw = "ECDH-ES+A256KW",
    }
}

vocabulary! {
    /// How the content is encrypted (RFC 7518 §5.1).
    ContentEncryption: "must be one of A128CBC-HS256, A256CBC-HS512, A128GCM, A256GCM" {
        /// AES-128 in CBC mode with HMAC-SHA-256; the default of OpenID Connect Dynamic Client Registration §2.
        A128CbcHs256 = "A128CBC-HS256",
        /// AES-256 in CBC mode with HMAC-SHA-512.
        A256CbcHs512 = "A256CBC-HS512",
        /// AES-128 in Galois/Counter mode.
        A128Gcm = "A128GCM",
        /// AES-256 in Galois/Counter mode.
        A256Gcm = "A256GCM",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for grant in GrantType::ALL {
            assert_eq!(GrantType::parse(grant.as_str()), Ok(*grant));
            assert_eq!(
                serde_json::to_value(grant).unwrap(),
                serde_json::json!(grant.as_str())
            );
        }
        for bad in ["", "password", "implicit", "Authorization_code"] {
            assert!(GrantType::parse(bad).is_err(), "{bad}");
        }
    }
}
