//! Who is answered: a browser on this machine that has the secret of this process, and no page of another origin.
//!
//! The address that is printed at the start has the secret as `?token=`; it is exchanged for a cookie, so that it stays
//! in no history and in no `Referer`. The `Host` header is checked, or a name that an attacker points at 127.0.0.1
//! (DNS rebinding) would make his page one of this origin.

use crate::failure::Failure;
use crate::query_string::QueryString;
use crate::token::{Access, TOKEN};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use syntrace_base::error::Error;

/// What pages may do: load what this server has, and nothing inline.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Headers of every answer.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Answers who may be answered, and gives every answer its headers.
pub(crate) async fn guard(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let mut response = admitted(&access, request, next).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn admitted(access: &Access, request: Request, next: Next) -> Response {
    if !access.is_own_host(request.headers()) {
        let error = Error::user("this server answers to 127.0.0.1 and localhost alone, with its own port")
            .hint("open the address that `syntrace ui` printed");
        return Failure { status: StatusCode::MISDIRECTED_REQUEST, error }.into_response();
    }
    let query = QueryString::parse(request.uri().query());
    if query.get(TOKEN).is_some_and(|token| access.is_token(token)) {
        // With two slashes it would be the address of another host.
        let path = format!("/{}", request.uri().path().trim_start_matches('/'));
        let place = query.without(TOKEN).after(&path);
        let headers = [(header::LOCATION, place), (header::SET_COOKIE, access.cookie())];
        return (StatusCode::SEE_OTHER, headers).into_response();
    }
    if !access.has_cookie(request.headers()) {
        let error = Error::user("expected the token of this server, found none or another one")
            .hint("open the address that `syntrace ui` printed: it ends in ?token=...");
        return Failure { status: StatusCode::FORBIDDEN, error }.into_response();
    }
    next.run(request).await
}
