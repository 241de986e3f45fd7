//! The least that a token endpoint can cost: a server that answers every request with a freshly signed token and does
//! nothing else. `scripts/bench` measures it beside grantor, in the same run.
//!
//! Usage: floor PORT ALG

use actix_web::{App, HttpResponse, HttpServer, web};
use grantor::clock::Clock;
use grantor::entropy::Entropy;
use grantor::jose::SigningKey;
use grantor::types::{Algorithm, Kid};
use serde_json::json;
use std::error::Error;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, port, alg] = arguments.as_slice() else {
        return Err("usage: floor PORT ALG".into());
    };
    let alg: Algorithm = Algorithm::parse(alg)?;
    let entropy = Entropy::system();
    let pkcs8 = SigningKey::generate(alg, 2048, &entropy)?;
    let key = web::Data::new(SigningKey::from_pkcs8(
        Kid::parse("floor")?,
        alg,
        &pkcs8,
        &entropy,
    )?);
    HttpServer::new(move || App::new().app_data(key.clone()).default_service(web::to(token)))
        .bind(("127.0.0.1", port.parse()?))?
        .run()
        .await?;
    Ok(())
}

/// The body is read: actix closes a connection on which some of a request was left unread.
async fn token(_body: web::Bytes, key: web::Data<SigningKey>) -> HttpResponse {
    let now = Clock::System.now().seconds();
    let claims = json!({
        "iss": "http://localhost:8080", "sub": "bench", "aud": "http://localhost:8080", "client_id": "bench",
        "iat": now, "exp": now + 900, "jti": "0190c6a1-7e5c-7000-8000-000000000000", "scope": "orders:read",
    });
    match key.sign_jwt("at+jwt", &claims) {
        Ok(token) => HttpResponse::Ok()
            .insert_header(("cache-control", "no-store"))
            .json(json!({ "access_token": token, "token_type": "Bearer", "expires_in": 900, "scope": "orders:read" })),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}
