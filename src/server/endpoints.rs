//! All endpoints: each module registers its own.

use super::{Health, Service};
use crate::admin;
use crate::app::App;
use crate::oauth;
use crate::oidc;
use crate::protect::routes::Routes;
use crate::web as pages;
use actix_web::web;
use std::sync::Arc;

/// Registers the endpoints of every module.
pub fn routes(routes: &mut Routes) {
    oauth::routes(routes);
    oidc::routes(routes);
    admin::routes(routes);
    pages::routes(routes);
}

impl Service {
    /// What is served by an app, with so many threads (one per core where it is not said).
    pub fn of(app: &Arc<App>, workers: Option<usize>) -> Self {
        let data = web::Data::from(app.clone());
        Self {
            edge: app.edge.clone(),
            routes: Arc::new(routes),
            data: Arc::new(move |config| {
                config.app_data(data.clone());
            }),
            health: Health {
                config: app.config.clone(),
                store: app.store.clone(),
                audit_store: app.audit_store.clone(),
                keys: app.keys.clone(),
                clock: app.clock.clone(),
                edge: app.edge.clone(),
                outgoing: app.outgoing.clone(),
            },
            workers,
        }
    }
}
