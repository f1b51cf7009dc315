//! The pages beside the operations: health, the documents of the operations and of the events, a list of operations for people, error reasons.
//!
//! Role: few, small and static; the documents are made at the first request and kept.
//! Invariants: no page needs anything from another host; none shows what an unknown caller may not know.
//! Failure story: `/readyz` says only whether, not what: the operators' port names what fails.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::edge::Edge;
use crate::openapi::{Document, Documents};
use crate::problem::{ERROR_PAGES, Problem};

/// The page at `path`, if there is one.
pub(crate) async fn find(
    edge: &Edge,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Option<Response<Body>> {
    const PAGES: [&str; 7] = [
        "/livez",
        "/readyz",
        "/openapi.json",
        "/asyncapi.json",
        "/docs",
        "/errors",
        "/errors/",
    ];
    if !PAGES.contains(&path) && !path.starts_with("/errors/") {
        return None;
    }
    if method != Method::GET && method != Method::HEAD {
        return Some(Problem::wrong_method("GET, HEAD".to_owned()).respond(path));
    }
    Some(match path {
        "/livez" => text("text/plain; charset=utf-8", "ok\n"),
        "/readyz" => ready(edge).await,
        "/openapi.json" => document(&documents(edge).openapi, "application/json", headers),
        "/asyncapi.json" => document(&documents(edge).asyncapi, "application/json", headers),
        "/docs" => document(&documents(edge).docs, "text/html; charset=utf-8", headers),
        "/errors" | "/errors/" => text("text/markdown; charset=utf-8", error_list()),
        _ => error_page(path),
    })
}

fn documents(edge: &Edge) -> &Documents {
    edge.documents
        .get_or_init(|| Documents::of(&edge.routes, &edge.logins.schemes, edge.asyncapi))
}

async fn ready(edge: &Edge) -> Response<Body> {
    let is_ready = !edge.shutdown.is_draining() && edge.readiness.failing().await.is_empty();
    if is_ready {
        return text("text/plain; charset=utf-8", "ok\n");
    }
    let mut response = text("text/plain; charset=utf-8", "not ready\n");
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

fn error_list() -> String {
    let mut list = "# Error reasons\n\n".to_owned();
    for (reason, _) in ERROR_PAGES {
        list.push_str("- [");
        list.push_str(reason);
        list.push_str("](/errors/");
        list.push_str(reason);
        list.push_str(")\n");
    }
    list
}

fn error_page(path: &str) -> Response<Body> {
    let reason = path.trim_start_matches("/errors/");
    match ERROR_PAGES.binary_search_by_key(&reason, |(name, _)| name) {
        Ok(index) => text("text/markdown; charset=utf-8", ERROR_PAGES[index].1),
        Err(_) => Problem::new(
            "NOT_FOUND",
            "there is no such reason; /errors lists them all",
        )
        .respond(path),
    }
}

fn text(kind: &'static str, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn document(document: &Document, kind: &'static str, asked: &HeaderMap) -> Response<Body> {
    let unchanged = asked
        .get(IF_NONE_MATCH)
        .is_some_and(|seen| *seen == document.etag);
    let mut response = text(
        kind,
        if unchanged {
            Bytes::new()
        } else {
            document.text.clone()
        },
    );
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(ETAG, document.etag.clone());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
        ),
    );
    response
}
