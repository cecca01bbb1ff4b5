//! WatchService. Changes go through the generated server; meters around it, as their frames come encoded.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use booth_proto::v1::watch_service_server::{WatchService, WatchServiceServer};
use booth_proto::v1::{WatchMetersRequest, WatchMetersResponse, WatchRequest, WatchResponse};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use prost::Message;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::{Request, Response, Status};
use tower::Service;

use super::MESSAGE_MAX_BYTES;
use super::api::{Api, opened};
use super::meters::{FrameCodec, MeterReader};
use super::status::Reason;
use super::watch::Watcher;

const METERS: &str = "/booth.v1.WatchService/WatchMeters";

type Streamed<T> = BoxStream<'static, Result<T, Status>>;

impl Api {
    fn meter_frames(
        &self,
        request: Request<WatchMetersRequest>,
    ) -> Result<Streamed<Bytes>, Status> {
        let (who, request) = opened(request)?;
        let reader = MeterReader::start(self, who, &request)?;
        let frames = stream::unfold(reader, |mut reader| async {
            Some((reader.next().await?, reader))
        });
        Ok(frames.boxed())
    }
}

#[tonic::async_trait]
impl WatchService for Api {
    type WatchStream = Streamed<WatchResponse>;
    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (who, request) = opened(request)?;
        let watcher = Watcher::start(self, who, &request)?;
        let messages = stream::unfold(watcher, |mut watcher| async {
            Some((watcher.next().await?, watcher))
        });
        Ok(Response::new(messages.boxed()))
    }

    type WatchMetersStream = Streamed<WatchMetersResponse>;
    async fn watch_meters(
        &self,
        request: Request<WatchMetersRequest>,
    ) -> Result<Response<Self::WatchMetersStream>, Status> {
        let frames = self.meter_frames(request)?.map(|frame| {
            WatchMetersResponse::decode(frame?).map_err(|e| Reason::Internal.status(e.to_string()))
        });
        Ok(Response::new(frames.boxed()))
    }
}

#[derive(Debug, Clone)]
pub struct WatchServer {
    api: Api,
    generated: WatchServiceServer<Api>,
}

impl WatchServer {
    pub fn new(api: Api) -> Self {
        let generated =
            WatchServiceServer::new(api.clone()).max_decoding_message_size(MESSAGE_MAX_BYTES);
        Self { api, generated }
    }
}

impl NamedService for WatchServer {
    const NAME: &'static str = <WatchServiceServer<Api> as NamedService>::NAME;
}

impl Service<http::Request<Body>> for WatchServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() != METERS {
            return self.generated.call(request);
        }
        let frames = Frames(self.api.clone());
        Box::pin(async move {
            let mut grpc = Grpc::new(FrameCodec).max_decoding_message_size(MESSAGE_MAX_BYTES);
            Ok(grpc.server_streaming(frames, request).await)
        })
    }
}

struct Frames(Api);

impl ServerStreamingService<WatchMetersRequest> for Frames {
    type Response = Bytes;
    type ResponseStream = Streamed<Bytes>;
    type Future = std::future::Ready<Result<Response<Streamed<Bytes>>, Status>>;

    fn call(&mut self, request: Request<WatchMetersRequest>) -> Self::Future {
        std::future::ready(self.0.meter_frames(request).map(Response::new))
    }
}
