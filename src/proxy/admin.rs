//! The admin port: health, metrics, and the table as it is. Never published.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::drain::Stage;
use super::table::{LiveRoute, Standing, Table};
use super::worker::Shared;
use super::{clock, report};

#[derive(Clone)]
struct Admin {
    shared: Arc<Shared>,
    listening: watch::Receiver<bool>,
}

/// Serves the admin port until the task is dropped: it must answer to the very end of a drain.
pub(super) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    listening: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/debug/table", get(table))
        .with_state(Admin { shared, listening });
    axum::serve(listener, router).await
}

/// Ready: there is a table, its listeners are open, and the proxy is not on its way out.
async fn ready(State(admin): State<Admin>) -> impl IntoResponse {
    if admin.shared.drain.stage() != Stage::Serving {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    }
    if *admin.listening.borrow() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let control = admin.shared.control.borrow();
    let why = match &control.error {
        Some(error) => format!("no table yet: no operator answers ({error})\n"),
        None => "no table yet: waiting for the operator\n".to_owned(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, why)
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (
        [(header::CONTENT_TYPE, kind)],
        report::metrics(&admin.shared),
    )
}

async fn table(State(admin): State<Admin>) -> impl IntoResponse {
    let table = admin.shared.tables.load_full();
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, format!("{:#}\n", describe(&table)))
}

fn describe(table: &Table) -> Value {
    let mut routes: Vec<_> = table.all().collect();
    routes.sort_by(|a, b| (&a.host, &a.name).cmp(&(&b.host, &b.name)));
    let mut passthroughs: Vec<_> = table.secure.passthroughs.all().collect();
    passthroughs.sort_by_key(|it| &it.host);
    let certificates = table.secure.all.iter();
    json!({
        "number": table.number,
        "cluster": table.listener.cluster,
        "routes": routes.into_iter().map(|route| describe_route(route)).collect::<Vec<_>>(),
        "passthroughs": passthroughs.into_iter().map(|it| describe_passthrough(it)).collect::<Vec<_>>(),
        "certificates": certificates.map(|it| json!({
            "name": it.name,
            "notAfter": it.not_after,
        })).collect::<Vec<_>>(),
    })
}

fn describe_route(route: &LiveRoute) -> Value {
    json!({
        "name": route.name,
        "host": route.host,
        "path": route.path.of().text(),
        "rewrite": route.rewrite,
        "backends": backends(route),
    })
}

fn describe_passthrough(route: &LiveRoute) -> Value {
    json!({"name": route.name, "host": route.host, "backends": backends(route)})
}

fn backends(route: &LiveRoute) -> Vec<Value> {
    let now = clock::now();
    let endpoint = |endpoint: &Arc<super::table::Endpoint>| {
        json!({
            "address": endpoint.address.to_string(),
            "task": endpoint.id,
            "avoided": endpoint.standing(now) == Standing::Avoided,
            "healthy": endpoint.standing(now) != Standing::Unhealthy,
        })
    };
    let describe = |backend: &Arc<super::table::LiveBackend>| {
        json!({
            "name": backend.name,
            "service": backend.service,
            "endpoints": backend.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        })
    };
    route.backends().map(describe).collect()
}
