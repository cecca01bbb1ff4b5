use booth_core::{ChannelId, ChannelSettings, Command, Denied, Role};
use booth_proto::convert::{self, names};
use booth_proto::v1::{self, channel_service_server::ChannelService};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status};
use tracing::error;

use super::api::{Answered, Api, asked, broken, invalid, opened, refused};
use super::auth::ask_role;
use super::drill;
use super::merge::channel::format_of;
use super::status::Reason;
use crate::address::{join_base_url, reachable_host};
use crate::probe::{self, ProbeError};
use crate::secrets::channel_passphrase_context;

pub fn channel_named(field: &str, name: &str) -> Result<ChannelId, Status> {
    names::parse_channel(field, name).map_err(refused)
}

pub fn missing(channel: &ChannelId) -> Status {
    let channel = channel.clone();
    refused(Denied::ChannelNotFound { channel })
}

/// Why files cannot be used: the request's fault names the field, ours goes to the log.
pub fn unusable(field: &str, error: &ProbeError) -> Status {
    match error {
        ProbeError::File { .. } => invalid(field, error.to_string()),
        ProbeError::TimedOut => Reason::TimedOut.status(error.to_string()),
        ProbeError::Failed(_) => {
            error!(%error, "a check of files");
            Reason::CheckFailed.status(error.to_string())
        }
    }
}

/// Stands where a secret is not shown.
const MASK: &str = "…";

#[tonic::async_trait]
impl ChannelService for Api {
    async fn list_channels(
        &self,
        _request: Request<v1::ListChannelsRequest>,
    ) -> Result<Response<v1::ListChannelsResponse>, Status> {
        let state = self.state();
        let channels = state.channels.values();
        Ok(Response::new(v1::ListChannelsResponse {
            channels: channels.map(|c| convert::channel::channel(c)).collect(),
            revision: state.revision,
        }))
    }

    async fn get_channel(
        &self,
        request: Request<v1::GetChannelRequest>,
    ) -> Result<Response<v1::GetChannelResponse>, Status> {
        let id = channel_named("name", &request.get_ref().name)?;
        let state = self.state();
        let found = state.channels.get(&id).ok_or_else(|| missing(&id))?;
        Ok(Response::new(v1::GetChannelResponse {
            channel: Some(convert::channel::channel(found)),
            revision: state.revision,
        }))
    }

    async fn create_channel(
        &self,
        request: Request<v1::CreateChannelRequest>,
    ) -> Result<Response<v1::CreateChannelResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = names::parse_id("channel_id", &r.channel_id, ChannelId::new).map_err(refused)?;
        let asked = asked(by, &r.request_id, 0);
        let settings = r.settings.unwrap_or_default();
        let (done, key) = Self::create_channel(self, asked, id, settings).await?;
        Ok(Response::new(v1::CreateChannelResponse {
            channel: done.channel(),
            revision: done.revision(),
            // Exposed to who made it.
            key: key.expose().clone(),
        }))
    }

    async fn update_channel(
        &self,
        request: Request<v1::UpdateChannelRequest>,
    ) -> Result<Response<v1::UpdateChannelResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = channel_named("name", &r.name)?;
        let patch = r
            .settings
            .ok_or_else(|| invalid("settings", "missing: give what is to change"))?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = Self::update_channel(self, asked, id, patch).await?;
        Ok(Response::new(v1::UpdateChannelResponse {
            channel: done.channel(),
            revision: done.revision(),
        }))
    }

    async fn delete_channel(
        &self,
        request: Request<v1::DeleteChannelRequest>,
    ) -> Result<Response<v1::DeleteChannelResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = channel_named("name", &r.name)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = self.command(&asked, Command::DeleteChannel { id }).await?;
        Ok(Response::new(v1::DeleteChannelResponse {
            revision: done.revision(),
        }))
    }

    async fn start_channel(
        &self,
        request: Request<v1::StartChannelRequest>,
    ) -> Result<Response<v1::StartChannelResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = channel_named("name", &r.name)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = self.command(&asked, Command::StartChannel { id }).await?;
        Ok(Response::new(v1::StartChannelResponse {
            channel: done.channel(),
            revision: done.revision(),
        }))
    }

    async fn stop_channel(
        &self,
        request: Request<v1::StopChannelRequest>,
    ) -> Result<Response<v1::StopChannelResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = channel_named("name", &r.name)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = self.command(&asked, Command::StopChannel { id }).await?;
        Ok(Response::new(v1::StopChannelResponse {
            channel: done.channel(),
            revision: done.revision(),
        }))
    }

    async fn force_channel(
        &self,
        request: Request<v1::ForceChannelRequest>,
    ) -> Result<Response<v1::ForceChannelResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = channel_named("name", &r.name)?;
        let force = convert::channel::parse_force("force", r.force).map_err(refused)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let pin = Command::ForceChannel { id, force };
        let done = self.command(&asked, pin).await?;
        Ok(Response::new(v1::ForceChannelResponse {
            channel: done.channel(),
            revision: done.revision(),
        }))
    }

    async fn rotate_channel_key(
        &self,
        request: Request<v1::RotateChannelKeyRequest>,
    ) -> Result<Response<v1::RotateChannelKeyResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = channel_named("name", &r.name)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let (done, key) = Self::rotate_channel_key(self, asked, id).await?;
        Ok(Response::new(v1::RotateChannelKeyResponse {
            channel: done.channel(),
            revision: done.revision(),
            // Exposed to who made it.
            key: key.expose().clone(),
        }))
    }

    async fn kick_channel_publisher(
        &self,
        request: Request<v1::KickChannelPublisherRequest>,
    ) -> Result<Response<v1::KickChannelPublisherResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = channel_named("name", &r.name)?;
        let asked = asked(by, &r.request_id, r.expected_revision);
        let done = self.command(&asked, Command::KickPublisher { id }).await?;
        Ok(Response::new(v1::KickChannelPublisherResponse {
            channel: done.channel(),
            revision: done.revision(),
        }))
    }

    async fn get_channel_address(
        &self,
        request: Request<v1::GetChannelAddressRequest>,
    ) -> Result<Response<v1::GetChannelAddressResponse>, Status> {
        let (by, r) = opened(request)?;
        let id = channel_named("name", &r.name)?;
        let mut state = self.state();
        if r.reveal {
            ask_role(&state, &by, Role::Operator)?;
            let reveal = Command::RevealKey {
                id: id.clone(),
                destination: None,
            };
            // For the record first: what cannot be recorded is not shown.
            state = self.command(&asked(by, "", 0), reveal).await?.state;
        }
        let channel = state.channels.get(&id).ok_or_else(|| missing(&id))?;
        let input = channel.settings.srt_input.as_ref();
        let sealed = input.and_then(|input| input.passphrase.as_ref());
        let (key, passphrase) = if r.reveal {
            let passphrase = match sealed {
                Some(sealed) => {
                    let context = channel_passphrase_context(&id);
                    let opened = self.rooms.keys.open(&context, sealed);
                    // Exposed to an operator who asked for it.
                    opened.map_err(broken)?.expose().clone()
                }
                None => String::new(),
            };
            (self.live_key_of(channel)?.expose().clone(), passphrase)
        } else {
            let passphrase = sealed.map_or("", |_| MASK);
            (MASK.to_owned(), passphrase.to_owned())
        };
        let config = &self.rooms.config;
        let rtmp = config.rtmp.listen.or(config.rtmp.tls_listen);
        let bind = rtmp.map_or(config.channels.bind, |at| at.ip());
        let web = join_base_url(config);
        let hls = || format!("{web}/hls/channels/{id}/index.m3u8");
        Ok(Response::new(v1::GetChannelAddressResponse {
            host: reachable_host(bind),
            rtmp_port: config.rtmp.listen.map_or(0, |at| u32::from(at.port())),
            rtmps_port: config.rtmp.tls_listen.map_or(0, |at| u32::from(at.port())),
            app: "live".to_owned(),
            stream: format!("{id}?token={key}"),
            key,
            srt_port: input.map_or(0, |input| u32::from(input.port)),
            srt_stream_id: input
                .map(|input| input.stream_id.clone().unwrap_or_else(|| id.to_string()))
                .unwrap_or_default(),
            srt_passphrase: passphrase,
            srt_latency_ms: input.map_or(0, |input| input.latency_ms),
            whip_url: format!("{web}/whip/channels/{id}"),
            monitor_port: channel.settings.monitor_port.map_or(0, u32::from),
            hls_url: channel.settings.hls.then(hls).unwrap_or_default(),
        }))
    }

    async fn check_backup(
        &self,
        request: Request<v1::CheckBackupRequest>,
    ) -> Result<Response<v1::CheckBackupResponse>, Status> {
        let r = request.into_inner();
        if r.files.is_empty() {
            return Err(invalid("files", "missing: name at least one file"));
        }
        convert::channel::check_files("files", &r.files).map_err(refused)?;
        let format = match r.channel.as_str() {
            "" => format_of(&ChannelSettings::default()),
            name => {
                let id = channel_named("channel", name)?;
                let state = self.state();
                format_of(
                    &state
                        .channels
                        .get(&id)
                        .ok_or_else(|| missing(&id))?
                        .settings,
                )
            }
        };
        let looked = probe::look(r.files.clone()).await;
        looked.map_err(|e| unusable("files", &e))?;
        let checked = self.rooms.probe.check(&r.files, &format).await;
        let checked = checked.map_err(|e| unusable("files", &e))?;
        let files: Vec<_> = checked.into_iter().map(checked_file).collect();
        Ok(Response::new(v1::CheckBackupResponse {
            duration_s: files.iter().map(|file| file.duration_s).sum(),
            files,
        }))
    }

    type DrillChannelStream = BoxStream<'static, Result<v1::DrillChannelResponse, Status>>;
    async fn drill_channel(
        &self,
        request: Request<v1::DrillChannelRequest>,
    ) -> Result<Response<Self::DrillChannelStream>, Status> {
        let (by, r) = opened(request)?;
        let id = channel_named("name", &r.name)?;
        Ok(Response::new(drill::stream(self, by, &id).await?.boxed()))
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "exact for 285 thousand years of milliseconds"
)]
fn checked_file(file: probe::CheckedFile) -> v1::CheckedFile {
    v1::CheckedFile {
        path: file.path,
        duration_s: file.duration_ms as f64 / 1_000.0,
        video: file.video,
        audio: file.audio,
        changes: file.changes,
    }
}
