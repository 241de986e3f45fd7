//! The admin API: JSON over OAuth. Every operation is a value of `operation::Operation`; its route, the scope that the
//! caller needs, the check of its body and its description are made from that one value.

mod audit;
mod call;
pub mod clients;
mod consents;
mod deliveries;
mod docs;
mod grants;
mod keys;
mod limits;
mod merge;
pub mod openapi;
mod operation;
mod page;
mod plans;
mod problem;
pub mod registration_tokens;
mod schema;
mod sessions;
pub mod tenants;
mod users;
mod version;

use self::call::{Actor, Answer, Call};
use self::operation::Operation;
use crate::protect::routes::Routes;
use std::future::Future;

/// Every operation of the admin API.
fn operations() -> impl Iterator<Item = &'static Operation> {
    let resources = [
        clients::OPERATIONS,
        users::OPERATIONS,
        sessions::OPERATIONS,
        grants::OPERATIONS,
        consents::OPERATIONS,
        deliveries::OPERATIONS,
        keys::OPERATIONS,
        limits::OPERATIONS,
        plans::OPERATIONS,
        registration_tokens::OPERATIONS,
        tenants::OPERATIONS,
        audit::OPERATIONS,
    ];
    resources.into_iter().flatten().copied()
}

/// The endpoints of this module.
pub fn routes(routes: &mut Routes) {
    clients::routes(routes);
    users::routes(routes);
    sessions::routes(routes);
    grants::routes(routes);
    consents::routes(routes);
    deliveries::routes(routes);
    keys::routes(routes);
    limits::routes(routes);
    plans::routes(routes);
    registration_tokens::routes(routes);
    tenants::routes(routes);
    audit::routes(routes);
    docs::routes(routes);
}

/// Registers an operation. The handler is called only when the caller's token allows it.
fn add<F, Served>(routes: &mut Routes, operation: &'static Operation, handler: F)
where
    F: Fn(Call, Actor) -> Served + Clone + 'static,
    Served: Future<Output = Answer> + 'static,
{
    let serve = move |call: Call| {
        let handler = handler.clone();
        async move {
            let served = async {
                let actor = call.authorize(operation.scope).await?;
                handler(call.clone(), actor).await
            };
            let result = served.await;
            call.finish(result)
        }
    };
    routes.add(
        operation.method.method(),
        operation.path,
        operation.policy(),
        serve,
    );
}
