//! Who pays for a request: the address that it came from, until a client or a user is known.

use crate::protect::Exchange;
use crate::protect::limits::{Decision, Key, Layer, Tier};
use crate::protect::routes::Payer;
use crate::storage::clients::Client;
use crate::surface::{Refusal, Refused};
use crate::types::{ClientId, UserId};
use actix_web::http::StatusCode;

impl Exchange {
    /// Tells which client this is, once it is authenticated, and on behalf of which user it asks. From here on the client
    /// is counted instead of the address, and the log names it.
    ///
    /// # Errors
    /// 429 when the client or the user has used up a limit.
    pub async fn client(&self, client: &Client, user: Option<UserId>) -> Result<(), Refused> {
        let (tenant, client_id) = (client.tenant_id, &client.client_id);
        let route = {
            let mut state = self.0.state.borrow_mut();
            state.client = Some(client_id.clone());
            state.user = user;
            state.route.clone()
        };
        let limits = self.0.edge.limits();
        let key = Key::Client(tenant, client_id);
        let path = route.as_ref().map_or("", |route| route.path.as_str());
        let operation = Key::Operation(path, &key);
        let tier = route.as_ref().map_or(Tier::Standard, |route| route.policy.tier);
        let mut layers = Vec::with_capacity(6);
        if tier != Tier::Public {
            self.paid_by_somebody_known();
            layers.extend(limits.layer_of_client(Tier::Standard, key, client));
            layers.extend(limits.layer_of_client(Tier::Spike, key, client));
            layers.extend(limits.layer(Tier::PerSecond, key));
            layers.extend(limits.layer(Tier::PerTenant, Key::Tenant(tenant)));
        }
        match tier {
            Tier::Expensive => layers.extend(limits.layer_of_client(tier, key, client)),
            Tier::Sensitive => layers.extend(limits.layer_of_client(tier, operation, client)),
            _ => {}
        }
        if let Some(user) = user {
            layers.extend(limits.layer(Tier::PerUser, Key::User(tenant, user)));
        }
        self.charge(&layers).await?;
        match limits.quota_of(client).filter(|_| tier != Tier::Public) {
            None => Ok(()),
            Some(quota) => {
                let quotas = self.0.edge.quotas();
                let decision = quotas.take(tenant, client_id, quota, self.0.now).await;
                self.decided(Some(decision))
            }
        }
    }

    /// Tells which public client a request names. The log names it too, but the address goes on paying: anybody can name
    /// it, and would use up what its users need (contract, "Limits").
    pub fn public_client(&self, client: &ClientId) {
        self.0.state.borrow_mut().client = Some(client.clone());
    }

    /// Tells on whose behalf a request is made that no client makes; all requests of one user are counted together.
    ///
    /// # Errors
    /// 429 when the user has used up a limit.
    pub async fn user(&self, user: UserId) -> Result<(), Refused> {
        let tenant = self.tenant().id;
        let (route, client_known) = {
            let mut state = self.0.state.borrow_mut();
            state.user = Some(user);
            (state.route.clone(), state.client.is_some())
        };
        let limits = self.0.edge.limits();
        let key = Key::User(tenant, user);
        let mut layers: Vec<_> = limits.layer(Tier::PerUser, key).into_iter().collect();
        if let Some(route) = &route
            && route.policy.tier == Tier::Sensitive
            && !client_known
        {
            layers.extend(limits.layer(Tier::Sensitive, Key::Operation(&route.path, &key)));
        }
        self.charge(&layers).await
    }

    /// Counts a sensitive operation as the address's: whoever asks needs to be nobody in particular.
    ///
    /// # Errors
    /// 429 when the address has used up the limit.
    pub async fn stranger(&self) -> Result<(), Refused> {
        let route = self.0.state.borrow().route.clone();
        let Some(route) = route else { return Ok(()) };
        let key = Key::Address(self.0.caller.address);
        let limits = self.0.edge.limits();
        let layer = limits.layer(Tier::Sensitive, Key::Operation(&route.path, &key));
        self.charge(layer.as_slice()).await
    }

    /// Counts the request as the address's, before anything is known of the sender but its address. Where a client is
    /// going to say who it is, the store that replicas share is asked once that is known, so that it is asked once.
    pub(super) async fn arrive(&self, tier: Tier, payer: Payer) -> Result<(), Refused> {
        let tier = if tier == Tier::Public {
            Tier::Public
        } else {
            Tier::Standard
        };
        self.0.state.borrow_mut().paid_by_address = Some(tier);
        let layers = self.layers_of_address(tier);
        match payer {
            Payer::Address => self.charge(&layers).await,
            Payer::Client => {
                self.0.state.borrow_mut().owed = true;
                self.decided(self.0.edge.limits().take_here(&layers, self.0.now))
            }
        }
    }

    /// Counts the request as the address's after all, when nobody has said who it is.
    pub(super) async fn settle(&self) -> Result<(), Refused> {
        let paid_by_address = {
            let state = self.0.state.borrow();
            state.paid_by_address.filter(|_| state.owed)
        };
        match paid_by_address {
            Some(tier) if self.0.edge.limits().is_shared().is_some() => {
                self.0.state.borrow_mut().owed = false;
                let owed = self.layers_of_address(tier);
                self.decided(self.0.edge.limits().take(&owed, &[], self.0.now).await)
            }
            _ => Ok(()),
        }
    }

    fn layers_of_address(&self, tier: Tier) -> Vec<Layer<'static>> {
        let limits = self.0.edge.limits();
        let address = Key::Address(self.0.caller.address);
        let mut layers: Vec<_> = limits.layer(Tier::Global, Key::All).into_iter().collect();
        layers.extend(self.layer_of_address(tier));
        layers.extend(limits.layer(Tier::PerSecond, address));
        layers
    }

    /// An address that is suspicious has less.
    fn layer_of_address(&self, tier: Tier) -> Option<Layer<'static>> {
        let address = self.0.caller.address;
        let mut layer = self.0.edge.limits().layer(tier, Key::Address(address))?;
        layer.limit = self.0.edge.suspicion().limit(layer.limit, address, self.0.now);
        Some(layer)
    }

    /// The address gets back what it has paid.
    fn paid_by_somebody_known(&self) {
        let mut state = self.0.state.borrow_mut();
        if let Some(tier) = state.paid_by_address.take() {
            state.decision = None;
            let limits = self.0.edge.limits();
            let per_second = limits.layer(Tier::PerSecond, Key::Address(self.0.caller.address));
            let paid: Vec<_> = self
                .layer_of_address(tier)
                .into_iter()
                .chain(per_second)
                .collect();
            limits.give_back(&paid, self.0.now);
        }
    }

    async fn charge(&self, layers: &[Layer<'_>]) -> Result<(), Refused> {
        let limits = self.0.edge.limits();
        let (owed, paid_by_address) = {
            let mut state = self.0.state.borrow_mut();
            (std::mem::take(&mut state.owed), state.paid_by_address)
        };
        let owed = match (owed, paid_by_address) {
            (false, _) => Vec::new(),
            (true, None) => limits.layer(Tier::Global, Key::All).into_iter().collect(),
            (true, Some(tier)) => self.layers_of_address(tier),
        };
        self.decided(limits.take(&owed, layers, self.0.now).await)
    }

    fn decided(&self, decision: Option<Decision>) -> Result<(), Refused> {
        let Some(decision) = decision else { return Ok(()) };
        self.note_decision(decision);
        if decision.passed {
            Ok(())
        } else {
            Err(self.refuse(too_many(&decision)))
        }
    }
}

/// The 429 of a limit.
pub(super) fn too_many(decision: &Decision) -> Refusal {
    if decision.tier == Tier::Quota {
        let detail = format!(
            "The quota of {} requests a month is used up. Try again in {} s.",
            decision.limit, decision.reset_s
        );
        return Refusal::new(StatusCode::TOO_MANY_REQUESTS, detail)
            .code("quota_exceeded")
            .title("Quota exceeded")
            .retry_after(decision.reset_s);
    }
    Refusal::new(
        StatusCode::TOO_MANY_REQUESTS,
        format!(
            "The limit \"{}\" of {} requests in {} s is used up. Try again in {} s.",
            decision.tier.as_str(),
            decision.limit,
            decision.window_s,
            decision.reset_s
        ),
    )
    .retry_after(decision.reset_s)
}
