//! gRPC through the proxy, with tonic at both ends: unary, streams both ways, errors in trailers.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, StreamingService, UnaryService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::harness::*;
use crate::http2::over_h2;

#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

fn text(text: impl Into<String>) -> Text {
    Text { text: text.into() }
}

/// Says what it hears, in capitals.
#[derive(Clone)]
struct Shout;

impl NamedService for Shout {
    const NAME: &'static str = "demo.Shout";
}

impl UnaryService<Text> for Shout {
    type Response = Text;
    type Future = Ready<Result<Response<Text>, Status>>;

    fn call(&mut self, request: Request<Text>) -> Self::Future {
        let heard = request.into_inner().text;
        ready(match heard.as_str() {
            "fail" => Err(Status::failed_precondition("not that")),
            _ => Ok(Response::new(text(heard.to_uppercase()))),
        })
    }
}

type Texts = Pin<Box<dyn Stream<Item = Result<Text, Status>> + Send>>;

impl StreamingService<Text> for Shout {
    type Response = Text;
    type ResponseStream = Texts;
    type Future = Ready<Result<Response<Texts>, Status>>;

    fn call(&mut self, request: Request<Streaming<Text>>) -> Self::Future {
        let heard = request.into_inner();
        let said = heard.map(|it| match it?.text.as_str() {
            "fail" => Err(Status::data_loss("in the middle")),
            heard => Ok(text(heard.to_uppercase())),
        });
        ready(Ok(Response::new(Box::pin(said))))
    }
}

impl tower::Service<http::Request<Body>> for Shout {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::default());
            Ok(match request.uri().path() {
                "/demo.Shout/One" => grpc.unary(Shout, request).await,
                _ => grpc.streaming(Shout, request).await,
            })
        })
    }
}

/// A client of the service behind a proxy.
async fn client() -> (Proxy, tonic::client::Grpc<tonic::transport::Channel>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().add_service(Shout);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let mut routes = over_h2(&[("grpc.a", "/demo.Shout", &[endpoint])]);
    routes.listener.traffic.timeouts.request = skep::api::value::Span::from_secs(5);
    let mut proxy = Proxy::serving(&routes).await;
    let address = format!("http://{}", proxy.address().await);
    let channel = tonic::transport::Endpoint::from_shared(address)
        .unwrap()
        .origin("http://grpc.a".parse().unwrap())
        .connect()
        .await
        .unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    (proxy, grpc)
}

#[tokio::test]
async fn a_unary_call_and_its_errors_pass() {
    let (_proxy, mut grpc) = client().await;
    for round in 0..3 {
        let path = PathAndQuery::from_static("/demo.Shout/One");
        let codec = ProstCodec::<Text, Text>::default();
        grpc.ready().await.unwrap();
        let said = grpc
            .unary(Request::new(text("hello")), path.clone(), codec)
            .await;
        assert_eq!(said.unwrap().into_inner().text, "HELLO", "round {round}");
        grpc.ready().await.unwrap();
        let codec = ProstCodec::<Text, Text>::default();
        let failed = grpc.unary(Request::new(text("fail")), path, codec).await;
        let status = failed.unwrap_err();
        assert_eq!(status.code(), tonic::Code::FailedPrecondition);
        assert_eq!(status.message(), "not that");
    }
}

#[tokio::test]
async fn messages_stream_both_ways_one_by_one() {
    let (_proxy, mut grpc) = client().await;
    let (say, said) = mpsc::channel(1);
    say.send(text("first")).await.unwrap();
    let path = PathAndQuery::from_static("/demo.Shout/Many");
    let codec = ProstCodec::<Text, Text>::default();
    let stream = grpc.streaming(Request::new(ReceiverStream::new(said)), path, codec);
    let mut heard = stream.await.unwrap().into_inner();
    // Each is answered before the next is sent: nothing is gathered on the way.
    assert_eq!(heard.message().await.unwrap().unwrap().text, "FIRST");
    for round in 0..50 {
        say.send(text(format!("round {round}"))).await.unwrap();
        let next = tokio::time::timeout(LONG, heard.message()).await.unwrap();
        assert_eq!(next.unwrap().unwrap().text, format!("ROUND {round}"));
    }
    say.send(text("x".repeat(1 << 20))).await.unwrap();
    assert_eq!(heard.message().await.unwrap().unwrap().text.len(), 1 << 20);
    say.send(text("fail")).await.unwrap();
    let status = heard.message().await.unwrap_err();
    assert_eq!(
        status.code(),
        tonic::Code::DataLoss,
        "the trailers are lost"
    );
    assert_eq!(status.message(), "in the middle");
}

#[tokio::test]
async fn a_stream_that_the_client_ends_ends_well() {
    let (_proxy, mut grpc) = client().await;
    let path = PathAndQuery::from_static("/demo.Shout/Many");
    let codec = ProstCodec::<Text, Text>::default();
    let said = tokio_stream::iter([text("a"), text("b")]);
    let stream = grpc.streaming(Request::new(said), path, codec).await;
    let heard: Vec<_> = stream.unwrap().into_inner().collect().await;
    let heard: Vec<_> = heard.into_iter().map(|it| it.unwrap().text).collect();
    assert_eq!(heard, ["A", "B"]);
}
