//! What the tests share.

pub mod app;
pub mod chaos;
pub mod client;
pub mod db;
pub mod encrypted_object;
pub mod encryption;
pub mod html;
pub mod http;
pub mod limit_store;
pub mod peer;
pub mod people;
pub mod process;
pub mod program;
pub mod provider;
pub mod receiver;
pub mod relying_party;
pub mod request_object;
pub mod source;
pub mod statements;
pub mod tls;
pub mod user_agent;
pub mod webdriver;

pub use self::app::TestApp;
pub use self::db::{Engine, TestDb};

/// Writes a test once and runs it on both databases: a module of the test's name with the tests `sqlite` and `postgres`.
///
/// ```ignore
/// on_both_engines! {
///     /// RFC 6749 §4.1.2: "The client MUST NOT use the authorization code more than once."
///     async fn s4_1_2_code_is_single_use(engine: Engine) {
///         let db = TestDb::new(engine).await;
///     }
/// }
/// ```
macro_rules! on_both_engines {
    ($($(#[$meta:meta])* async fn $name:ident($engine:ident: $type:ty) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn check($engine: $type) $body

            #[tokio::test]
            async fn sqlite() {
                check($crate::support::Engine::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                if $crate::support::Engine::Postgres.is_available() {
                    check($crate::support::Engine::Postgres).await;
                }
            }
        }
    )+};
}
