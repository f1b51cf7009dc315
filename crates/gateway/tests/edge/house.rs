//! A gateway and one fake service behind it.
//!
//! Role: the fake stands for all four services; it records what it is asked, knows the keys, and answers by method.
//! It sits behind the real identity layer, so only minted tokens get through.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use prost::Message;
use proto::intake::v1::{AuthenticateApiKeyRequest, AuthenticateApiKeyResponse};
use proto::raw::BytesCodec;
use proto::types::v1::{Principal, Role, RoleBinding, Scope, scope};
use serde_json::Value;
use service_kit::admin::Readiness;
use service_kit::channel::{Target, connect, local};
use service_kit::clock::{Clock, ClockControl};
use service_kit::identity::{IdentityLayer, TokenKey, TokenSigner, TokenVerifier};
use service_kit::serve::{GrpcLimits, HttpLimits, ListenOn, Server};
use service_kit::shutdown::{DrainSettings, ShutdownTrigger, shutdown};
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, ServerStreamingService, UnaryService};
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::ServiceExt as _;

/// A secret that the fake knows, of the principal `key:portal`.
pub(crate) const SECRET: &str = "prk_known";

/// What the service was asked.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) method: String,
    pub(crate) principal: String,
    pub(crate) metadata: MetadataMap,
    pub(crate) message: Bytes,
}

impl Question {
    pub(crate) fn read<M: Message + Default>(&self) -> M {
        M::decode(self.message.clone()).unwrap()
    }
}

pub(crate) type Answers = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
type Handler = Arc<dyn Fn(&Question) -> Result<Answers, Status> + Send + Sync>;

/// The fake service.
#[derive(Clone, Default)]
pub(crate) struct Fake {
    asked: Arc<Mutex<Vec<Question>>>,
    handlers: Arc<Mutex<HashMap<String, Handler>>>,
    /// SHA-256 of the secret to principal.
    keys: Arc<Mutex<HashMap<Vec<u8>, Principal>>>,
}

impl Fake {
    /// Answers `method` (`CreateAccessRequest`) with one message.
    pub(crate) fn answer<M: Message + 'static>(
        &self,
        method: &str,
        answer: impl Fn(&Question) -> Result<M, Status> + Send + Sync + 'static,
    ) {
        self.stream(method, move |question| {
            let bytes = Bytes::from(answer(question)?.encode_to_vec());
            Ok(Box::pin(futures::stream::iter([Ok(bytes)])))
        });
    }

    /// Answers `method` with a stream.
    pub(crate) fn stream(
        &self,
        method: &str,
        answer: impl Fn(&Question) -> Result<Answers, Status> + Send + Sync + 'static,
    ) {
        let mut handlers = self.handlers.lock().unwrap();
        handlers.insert(method.to_owned(), Arc::new(answer));
    }

    /// What was asked so far, questions about keys left out.
    pub(crate) fn asked(&self) -> Vec<Question> {
        let asked = self.asked.lock().unwrap().clone();
        asked
            .into_iter()
            .filter(|question| question.method != "AuthenticateApiKey")
            .collect()
    }

    /// How often keys were asked about.
    pub(crate) fn lookups(&self) -> usize {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|question| question.method == "AuthenticateApiKey")
            .count()
    }

    pub(crate) fn know(&self, secret: &str, id: &str) {
        let digest = service_kit::random::sha256(secret.as_bytes());
        let binding = RoleBinding {
            role: Role::Requester.into(),
            scope: Some(Scope {
                scope: Some(scope::Scope::Institution("northbridge".into())),
            }),
        };
        let principal = Principal {
            id: id.to_owned(),
            display_name: "portal".into(),
            bindings: vec![binding],
            owner: String::new(),
        };
        self.keys.lock().unwrap().insert(digest.to_vec(), principal);
    }

    pub(crate) fn revoke(&self, secret: &str) {
        let digest = service_kit::random::sha256(secret.as_bytes());
        self.keys.lock().unwrap().remove(digest.as_slice());
    }

    fn handle(&self, request: &http::request::Parts, message: Bytes) -> Result<Answers, Status> {
        let method = request.uri.path().rsplit('/').next().unwrap().to_owned();
        let principal = request.extensions.get::<Caller>().unwrap();
        let question = Question {
            method: method.clone(),
            principal: principal.0.clone(),
            metadata: MetadataMap::from_headers(request.headers.clone()),
            message,
        };
        self.asked.lock().unwrap().push(question.clone());
        let handler = self.handlers.lock().unwrap().get(&method).cloned();
        if method == "AuthenticateApiKey" && handler.is_none() {
            assert_eq!(question.principal, "service:gateway");
            let asked: AuthenticateApiKeyRequest = question.read();
            let principal = self
                .keys
                .lock()
                .unwrap()
                .get(&asked.secret_sha256[..])
                .cloned();
            let principal = principal.ok_or_else(|| {
                let kind = proto::error::Kind::Unauthenticated;
                proto::error::Failure::new(kind, "KEY_UNKNOWN", "no such key").into_status()
            })?;
            let answer = AuthenticateApiKeyResponse {
                principal: Some(principal),
                expire_time: None,
            };
            let bytes = Bytes::from(answer.encode_to_vec());
            return Ok(Box::pin(futures::stream::iter([Ok(bytes)])));
        }
        match handler {
            Some(handler) => handler(&question),
            None => Err(Status::new(Code::Unimplemented, "not told what to answer")),
        }
    }
}

/// The principal's id, as the identity layer found it.
#[derive(Debug, Clone)]
struct Caller(String);

fn caller(_issuer: &str, payload: &[u8]) -> Option<Caller> {
    Principal::decode(payload)
        .ok()
        .map(|found| Caller(found.id))
}

/// Answers a question whose head was taken off.
struct Told(Fake, http::request::Parts);

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl UnaryService<Bytes> for Told {
    type Response = Bytes;
    type Future = Boxed<Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let answers = self.0.handle(&self.1, request.into_inner());
        Box::pin(async move {
            // A service that looks something up does not answer in the same breath.
            tokio::task::yield_now().await;
            let first = answers?.next().await;
            first.unwrap_or(Ok(Bytes::new())).map(tonic::Response::new)
        })
    }
}

impl ServerStreamingService<Bytes> for Told {
    type Response = Bytes;
    type ResponseStream = Answers;
    type Future = Boxed<Result<tonic::Response<Answers>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let answers = self.0.handle(&self.1, request.into_inner());
        Box::pin(async move { answers.map(tonic::Response::new) })
    }
}

fn routes(fake: Fake) -> Router {
    Router::new().fallback(move |request: Request<Body>| {
        let fake = fake.clone();
        async move {
            let (parts, body) = request.into_parts();
            let told = Told(fake, parts.clone());
            let is_stream = parts.uri.path().ends_with("/WatchEvents");
            let request = Request::from_parts(parts, body);
            let response = if is_stream {
                Grpc::new(BytesCodec).server_streaming(told, request).await
            } else {
                Grpc::new(BytesCodec).unary(told, request).await
            };
            Ok::<_, Infallible>(response.map(Body::new))
        }
    })
}

/// A gateway with its fake service.
pub(crate) struct House {
    pub(crate) router: Router,
    pub(crate) limits: HttpLimits,
    pub(crate) fake: Fake,
    pub(crate) time: ClockControl,
    pub(crate) trigger: ShutdownTrigger,
    pub(crate) signer: TokenSigner,
}

pub(crate) async fn house() -> House {
    house_with(portreeve_gateway::Settings::default()).await
}

pub(crate) async fn house_with(settings: portreeve_gateway::Settings) -> House {
    try_house(settings).await.unwrap()
}

pub(crate) async fn try_house(
    settings: portreeve_gateway::Settings,
) -> Result<House, portreeve_gateway::StartError> {
    let fake = Fake::default();
    fake.know(SECRET, "key:portal");
    try_before(fake, settings).await
}

/// A gateway before a service that may have others before it.
pub(crate) async fn before(fake: Fake, settings: portreeve_gateway::Settings) -> House {
    try_before(fake, settings).await.unwrap()
}

async fn try_before(
    fake: Fake,
    settings: portreeve_gateway::Settings,
) -> Result<House, portreeve_gateway::StartError> {
    let (clock, time) = Clock::manual("2026-12-01T08:00:00Z".parse().unwrap());
    let key = TokenKey::generate();
    let signer = TokenSigner::new(key.clone(), "test", clock.clone());
    let verifier = TokenVerifier::new(key, clock.clone());
    let (trigger, stop) = shutdown(Clock::system(), DrainSettings::quick());
    let (listener, connector) = local();
    let layer = IdentityLayer::<Caller>::new(verifier, caller);
    let server = Server {
        name: "fake",
        routes: layer.protect(Routes::from(routes(fake.clone()))),
        services: Vec::new(),
        descriptors: proto::FILE_DESCRIPTOR_SET,
        listener: ListenOn::Local(listener),
        limits: GrpcLimits::default(),
    };
    tokio::spawn(server.run(stop.clone()));
    let channel = connect(Target::InMemory(connector), None);
    let deps = portreeve_gateway::Deps {
        clock,
        signer: signer.clone(),
        readiness: Readiness::new(),
        intake: channel.clone(),
        validation: channel.clone(),
        notification: channel.clone(),
        expiry_scheduler: channel,
        asyncapi: || serde_json::json!({"asyncapi": "3.0.0"}),
    };
    let gateway = portreeve_gateway::start(settings, deps, stop).await?;
    Ok(House {
        router: gateway.router,
        limits: gateway.limits,
        fake,
        time,
        trigger,
        signer,
    })
}

/// A request with the known key, and a body if one is given.
pub(crate) fn request(method: &str, path: &str, body: &Value) -> Request<Body> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {SECRET}"));
    if body.is_null() {
        return request.body(Body::empty()).unwrap();
    }
    request
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// A response, read.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) json: Value,
    pub(crate) text: String,
}

impl Answered {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl House {
    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answered {
        let (parts, body) = self.send(request).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answered {
            status: parts.status.as_u16(),
            headers: parts.headers,
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }
}
