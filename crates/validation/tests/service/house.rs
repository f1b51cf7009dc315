//! The service in memory, with tokens that it believes.

use std::sync::Arc;
use std::time::Duration;

use domain::access::Principal;
use portreeve_validation::{Deps, Settings, StartError, start};
use proto::identity::encode_principal;
use proto::validation::v1::validation_service_client::ValidationServiceClient;
use service_kit::channel::{ClientChannel, Target, connect, local};
use service_kit::clock::Clock;
use service_kit::identity::{TokenInjector, TokenKey, TokenSigner, TokenVerifier};
use service_kit::serve::{GrpcLimits, ListenOn, Server};
use service_kit::shutdown::Shutdown;

pub(crate) struct House {
    pub(crate) target: Target,
    signer: TokenSigner,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        Self::try_with(settings).await.unwrap()
    }

    pub(crate) async fn try_with(settings: Settings) -> Result<Self, StartError> {
        let (key, clock) = (TokenKey::generate(), Clock::system());
        let deps = Deps {
            authz: Arc::new(authz::Authz::shipped().unwrap()),
            clock: clock.clone(),
            verifier: TokenVerifier::new(key.clone(), clock.clone()),
        };
        let service = start(settings, deps, Shutdown::never()).await?;
        let (listener, connector) = local();
        let server = Server {
            name: "validation",
            routes: service.routes,
            services: service.services,
            descriptors: proto::FILE_DESCRIPTOR_SET,
            listener: ListenOn::Local(listener),
            limits: GrpcLimits::default(),
        };
        tokio::spawn(server.run(Shutdown::never()));
        Ok(Self {
            target: Target::InMemory(connector),
            signer: TokenSigner::new(key, "gateway", clock),
        })
    }

    pub(crate) fn as_principal(
        &self,
        principal: &Principal,
    ) -> ValidationServiceClient<ClientChannel> {
        let token = TokenInjector::new(
            self.signer.clone(),
            encode_principal(principal),
            Duration::from_secs(60),
        );
        ValidationServiceClient::new(connect(self.target.clone(), Some(token)))
    }
}
