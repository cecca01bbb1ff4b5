//! One reading of the lossy meters, for figures that no resource has: bit rates, dropped frames, and the server's time.

use std::time::Duration;

use booth_proto::v1::watch_service_client::WatchServiceClient;
use booth_proto::v1::{WatchMetersRequest, WatchMetersResponse};
use tokio::time::timeout;

use crate::app::Ctx;
use crate::client::LARGEST_ANSWER;
use crate::errors::Outcome;

/// A table without its figures is better than a late one.
const LIMIT: Duration = Duration::from_secs(1);

/// Nothing when there is no reading in time: figures are an addition.
pub async fn now(ctx: &Ctx) -> Outcome<Option<WatchMetersResponse>> {
    let client = ctx.client().await?;
    let mut service =
        WatchServiceClient::new(client.streams()).max_decoding_message_size(LARGEST_ANSWER);
    let reading = async {
        let opened = service.watch_meters(WatchMetersRequest { rate: 1 }).await;
        opened.ok()?.into_inner().message().await.ok()?
    };
    Ok(timeout(LIMIT, reading).await.ok().flatten())
}
