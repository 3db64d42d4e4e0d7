//! The operator's admin port: health, metrics, and a look at what it knows. Never published.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Whether it is ready, or why not.
pub type Ready = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;
/// A text made on demand.
pub type Text = Arc<dyn Fn() -> String + Send + Sync>;

/// Takes what a git server tells of a source; whether it is genuine.
pub type Hook = Arc<dyn Fn(&Delivery<'_>) -> bool + Send + Sync>;

/// What a git server sends when something was pushed.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The source that it is for.
    pub source: &'a str,
    /// Signature of the body: `X-Hub-Signature-256`, or `X-Gitea-Signature`.
    pub signature: Option<&'a str>,
    /// `X-Gitlab-Token`.
    pub token: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// What the admin port shows. Each is asked anew for every request, so it must answer at once.
#[derive(Clone)]
pub struct AdminState {
    /// `/readyz`: 200, or 503 with the reason.
    pub ready: Ready,
    /// `/metrics`, in the OpenMetrics text form.
    pub metrics: Text,
    /// `/debug/world`: what is observed and meant, for people.
    pub debug: Text,
    /// `/fleet`: the proxies connected here, as JSON, for the other replicas.
    pub fleet: Text,
    /// `/hooks/SOURCE`: 202, or 403 when the signature or the token is wrong.
    pub hook: Hook,
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").finish_non_exhaustive()
    }
}

/// The routes of the admin port. `/healthz` is 200 as long as the process answers at all.
pub fn router(state: AdminState) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/debug/world", get(debug))
        .route("/fleet", get(fleet))
        .route("/hooks/{source}", post(hook))
        .with_state(state)
}

/// Serves the admin port until the token is cancelled.
pub async fn serve(
    listener: TcpListener,
    state: AdminState,
    stop: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(listener, router(state))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

async fn readyz(State(state): State<AdminState>) -> Response {
    match (state.ready)() {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics(State(state): State<AdminState>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], (state.metrics)()).into_response()
}

async fn fleet(State(state): State<AdminState>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, (state.fleet)()).into_response()
}

/// The body is at most 2 MB, the default of the framework.
async fn hook(
    State(state): State<AdminState>,
    Path(source): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let delivery = Delivery {
        source: &source,
        signature: text("x-hub-signature-256").or_else(|| text("x-gitea-signature")),
        token: text("x-gitlab-token"),
        body: &body,
    };
    if (state.hook)(&delivery) {
        return (StatusCode::ACCEPTED, "looking\n").into_response();
    }
    // The same for a source that does not exist: strangers learn nothing.
    let refusal = "no such source, no secret stored with `skep source hook`, or a wrong one\n";
    (StatusCode::FORBIDDEN, refusal).into_response()
}

async fn debug(State(state): State<AdminState>) -> Response {
    (state.debug)().into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::Service;

    fn state(ready: Result<(), String>) -> AdminState {
        AdminState {
            ready: Arc::new(move || ready.clone()),
            metrics: Arc::new(|| "skep_runs_total 1\n# EOF\n".to_owned()),
            debug: Arc::new(|| "world\n".to_owned()),
            fleet: Arc::new(String::new),
            hook: Arc::new(|delivery| {
                delivery.source == "shop"
                    && delivery.token == Some("t")
                    && delivery.signature.is_none()
                    && delivery.body == b"{}"
            }),
        }
    }

    async fn ask(state: AdminState, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router(state).call(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn an_operator_that_is_not_ready_says_why() {
        let not = state(Err("the engine does not answer".to_owned()));
        assert_eq!(ask(not.clone(), "/healthz").await.0, 200);
        assert_eq!(
            ask(not, "/readyz").await,
            (503, "the engine does not answer\n".to_owned())
        );
        assert_eq!(ask(state(Ok(())), "/readyz").await.0, 200);
    }

    #[tokio::test]
    async fn metrics_are_made_for_every_request() {
        let (status, body) = ask(state(Ok(())), "/metrics").await;
        assert_eq!(status, 200);
        assert!(body.ends_with("# EOF\n"));
        assert_eq!(ask(state(Ok(())), "/debug/world").await.1, "world\n");
    }

    #[tokio::test]
    async fn a_hook_is_taken_when_it_is_genuine_and_refused_otherwise() {
        let told = async |path: &str, token: &str| {
            let request = Request::post(path).header("X-Gitlab-Token", token);
            let request = request.body(Body::from("{}")).unwrap();
            let response = router(state(Ok(()))).call(request).await.unwrap();
            response.status().as_u16()
        };
        assert_eq!(told("/hooks/shop", "t").await, 202);
        assert_eq!(told("/hooks/shop", "x").await, 403);
        assert_eq!(told("/hooks/none", "t").await, 403);
        assert_eq!(ask(state(Ok(())), "/hooks/shop").await.0, 405);
    }

    #[tokio::test]
    async fn the_port_closes_when_it_is_told_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        serve(listener, state(Ok(())), stop).await.unwrap();
    }
}
