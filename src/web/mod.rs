//! The operator's admin port: health, metrics, and a look at what it knows. Never published by
//! Skep; who puts its webhooks where git servers reach them lets strangers reach it too, so nobody
//! gets more of it than a little room for a short while.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections at once; more wait for their turn.
const CONNECTIONS: usize = 256;
/// How long a connection may take to say what it wants, also the next time.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection is used, some seconds for what it is at not counted: who does not read
/// what was asked for does not keep its place.
const LIFE: Duration = Duration::from_secs(60);
/// Bodies that are read at once.
const BODIES: usize = 16;
/// How long a body may take, its turn included.
const BODY: Duration = Duration::from_secs(10);
/// Bytes of a body: what a large push is told with, and more.
const BODY_MAX: usize = 2_000_000;

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
    let bodies = Arc::new(Semaphore::new(BODIES));
    let hook =
        async move |state, source, headers, body| hook(&bodies, state, source, headers, body).await;
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
    let router = router(state);
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let open = TaskTracker::new();
    loop {
        let next = async {
            let place = room.clone().acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, mostly: that passes.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(
                TokioIo::new(stream),
                TowerToHyperService::new(router.clone()),
            );
        let stop = stop.clone();
        open.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            // How it ends is the client's business.
            tokio::select! {
                _ = connection.as_mut() => return drop(place),
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LIFE) => {}
            }
            connection.as_mut().graceful_shutdown();
            let _ = timeout(HEAD + BODY, connection).await;
            drop(place);
        });
    }
    open.close();
    open.wait().await;
    Ok(())
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

/// Who shows no secret at all is not listened to; of the others few are at once.
async fn hook(
    bodies: &Semaphore,
    State(state): State<AdminState>,
    Path(source): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let signature = text("x-hub-signature-256").or_else(|| text("x-gitea-signature"));
    let token = text("x-gitlab-token");
    // The same for a source that does not exist: strangers learn nothing.
    let refusal = "no such source, no secret stored with `skep source hook`, or a wrong one\n";
    if signature.is_none() && token.is_none() {
        return (StatusCode::FORBIDDEN, refusal).into_response();
    }
    let read = async {
        let _turn = bodies.acquire().await;
        let body = to_bytes(body, BODY_MAX).await.ok()?;
        Some((state.hook)(&Delivery {
            source: &source,
            signature,
            token,
            body: &body,
        }))
    };
    let (status, said) = match timeout(BODY, read).await {
        Ok(Some(true)) => (StatusCode::ACCEPTED, "looking\n"),
        Ok(Some(false)) => (StatusCode::FORBIDDEN, refusal),
        Ok(None) => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is cut off, or larger than 2 MB\n",
        ),
        Err(_) => (
            StatusCode::REQUEST_TIMEOUT,
            "the body did not come in time\n",
        ),
    };
    (status, said).into_response()
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

    /// What a hook answers whose body never ends.
    async fn endless(router: Router, token: Option<&str>) -> u16 {
        let body = Body::from_stream(futures_util::stream::pending::<std::io::Result<&[u8]>>());
        let request = Request::post("/hooks/shop");
        let request = match token {
            Some(token) => request.header("X-Gitlab-Token", token),
            None => request,
        };
        let mut router = router;
        let response = router.call(request.body(body).unwrap()).await.unwrap();
        response.status().as_u16()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let begun = tokio::time::Instant::now();
        assert_eq!(endless(router(state(Ok(()))), None).await, 403);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(endless(router(state(Ok(()))), Some("t")).await, 408);
        assert_eq!(begun.elapsed().as_secs(), BODY.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn few_bodies_are_read_at_once() {
        let router = router(state(Ok(())));
        let polled = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let all = (0..BODIES + 10).map(|_| {
            let (polled, mut router) = (polled.clone(), router.clone());
            let body = futures_util::stream::once(async move {
                polled.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                std::future::pending::<std::io::Result<&[u8]>>().await
            });
            let request = Request::post("/hooks/shop").header("X-Gitlab-Token", "t");
            let request = request.body(Body::from_stream(body)).unwrap();
            async move { router.call(request).await.unwrap().status().as_u16() }
        });
        let all = futures_util::future::join_all(all);
        assert!(timeout(BODY / 2, all).await.is_err());
        assert_eq!(polled.load(std::sync::atomic::Ordering::SeqCst), BODIES);
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_sent_away() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(listener, state(Ok(())), stop.clone()));
        let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
        let mut told = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut silent, &mut told).await;
        assert!(read.is_ok(), "{read:?}");
        stop.cancel();
        served.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_sent_away() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let large = AdminState {
            metrics: Arc::new(|| "x".repeat(50_000_000)),
            ..state(Ok(()))
        };
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(listener, large, stop.clone()));
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        // Its first bytes have come: it is being answered.
        client.read_exact(&mut [0; 100]).await.unwrap();
        tokio::time::sleep(LIFE + HEAD + BODY + Duration::from_secs(1)).await;
        let mut rest = Vec::new();
        let read = client.read_to_end(&mut rest).await;
        assert!(read.is_err() || rest.len() < 50_000_000, "{}", rest.len());
        stop.cancel();
        served.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_port_closes_when_it_is_told_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        serve(listener, state(Ok(())), stop).await.unwrap();
    }
}
