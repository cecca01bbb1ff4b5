//! Settings of channels and destinations, merged and sealed; files are looked into before anybody has to wait for them.

use booth_core::{
    Channel, ChannelId, ChannelSettings, Command, Denied, DestinationId, DestinationPreset,
    DestinationSettings, Sealed, State, Target,
};
use booth_proto::convert::channel::Made as MadeAtEdge;
use booth_proto::{convert, v1};
use tonic::Status;

use super::Made;
use crate::director::Accepted;
use crate::grpc::api::{Api, Asked, broken, invalid, refused};
use crate::grpc::channel::unusable;
use crate::probe::{self, Format};
use crate::secrets::{
    Secret, channel_key_context, channel_passphrase_context, destination_key_context, new_token,
};

impl Api {
    /// The new channel and its live key.
    pub async fn create_channel(
        &self,
        asked: Asked,
        id: ChannelId,
        patch: v1::ChannelSettings,
    ) -> Result<(Accepted, Secret<String>), Status> {
        let digest = self
            .looked_into(&asked, &ChannelSettings::default(), &patch)
            .await?;
        let key = self.live_key(&asked, &id)?;
        let sealed = self.sealed_live_key(&id, &key)?;
        let api = self.clone();
        let done = self.alone(async move {
            let base = ChannelSettings::default();
            let settings = api.channel_patch(&id, &base, &patch, &digest)?;
            let create = Command::CreateChannel {
                id,
                settings,
                key: sealed,
            };
            api.command(&asked, create).await
        });
        Ok((done.await?, key))
    }

    pub async fn update_channel(
        &self,
        asked: Asked,
        id: ChannelId,
        patch: v1::ChannelSettings,
    ) -> Result<Accepted, Status> {
        let base = match self.state().channels.get(&id) {
            Some(channel) => channel.settings.clone(),
            // That there is no such channel is for the core to say: it may be a repeat.
            None => ChannelSettings::default(),
        };
        let digest = self.looked_into(&asked, &base, &patch).await?;
        let api = self.clone();
        self.alone(async move {
            let target = Target::Channel(id.clone());
            let settings = match api.settings_of_repeat(&asked, &target) {
                Some(Made::Channel(first)) if is_already(&first, &patch) => first,
                _ => {
                    let now = api.state().channels.get(&id).map(|c| c.settings.clone());
                    api.channel_patch(&id, &now.unwrap_or_default(), &patch, &digest)?
                }
            };
            api.command(&asked, Command::UpdateChannel { id, settings })
                .await
        })
        .await
    }

    /// A new live key, and what became of storing it.
    pub async fn rotate_channel_key(
        &self,
        asked: Asked,
        id: ChannelId,
    ) -> Result<(Accepted, Secret<String>), Status> {
        let key = self.live_key(&asked, &id)?;
        let state = self.state();
        if let Some(channel) = state.channels.get(&id) {
            // A request id that comes again after its answer was forgotten must not let the old key stay.
            let same = self.live_key_of(channel)? == key;
            if same && !asked.is_repeat(&state) {
                return Err(refused(Denied::RequestReused));
            }
        }
        let sealed = self.sealed_live_key(&id, &key)?;
        let rotate = Command::RotateChannelKey { id, key: sealed };
        Ok((self.command(&asked, rotate).await?, key))
    }

    pub async fn create_destination(
        &self,
        asked: Asked,
        (channel, id): (ChannelId, DestinationId),
        patch: v1::DestinationSettings,
        enabled: bool,
    ) -> Result<Accepted, Status> {
        let settings = self.destination_patch((&channel, &id), None, &patch)?;
        let add = Command::AddDestination {
            channel,
            id,
            settings,
            enabled,
        };
        self.command(&asked, add).await
    }

    pub async fn update_destination(
        &self,
        asked: Asked,
        (channel, id): (ChannelId, DestinationId),
        patch: v1::DestinationSettings,
    ) -> Result<Accepted, Status> {
        let api = self.clone();
        self.alone(async move {
            let target = Target::Destination(channel.clone(), id.clone());
            let settings = match api.settings_of_repeat(&asked, &target) {
                Some(Made::Destination(first)) if is_already_there(&first, &patch) => first,
                _ => {
                    let state = api.state();
                    let base = match found(&state, &channel, &id) {
                        Ok(found) => found.settings.clone(),
                        // The first answer is for the core to repeat.
                        Err(_) if asked.is_repeat(&state) => anything(),
                        Err(denied) => return Err(refused(denied)),
                    };
                    api.destination_patch((&channel, &id), Some(&base), &patch)?
                }
            };
            let update = Command::UpdateDestination {
                channel,
                id,
                settings,
            };
            api.command(&asked, update).await
        })
        .await
    }

    /// The live key of the channel that there is now. Only to show or to compare it.
    pub fn live_key_of(&self, channel: &Channel) -> Result<Secret<String>, Status> {
        let context = channel_key_context(&channel.id);
        self.rooms.keys.open(&context, &channel.key).map_err(broken)
    }

    /// The same for a repeat, unguessable otherwise. It stands in URLs: base64 of their alphabet.
    fn live_key(&self, asked: &Asked, id: &ChannelId) -> Result<Secret<String>, Status> {
        if asked.request_id.is_empty() {
            return new_token().map_err(broken);
        }
        let purpose = format!("channel key\0{id}\0{}", asked.by.id);
        Ok(self.rooms.keys.token_for(&purpose, &asked.request_id))
    }

    fn sealed_live_key(&self, id: &ChannelId, key: &Secret<String>) -> Result<Sealed, Status> {
        let context = channel_key_context(id);
        // Exposed to be sealed.
        self.rooms.keys.seal(&context, key.expose()).map_err(broken)
    }

    /// Looks into the files that `patch` sets, and gives the digest of its backup. Nothing is held meanwhile: a slow disk
    /// holds up nobody else's change.
    async fn looked_into(
        &self,
        asked: &Asked,
        base: &ChannelSettings,
        patch: &v1::ChannelSettings,
    ) -> Result<String, Status> {
        let files = convert::channel::backup_files(patch).map_err(refused)?;
        let slate = convert::channel::slate_path(patch).map_err(refused)?;
        // The first answer counts, whatever has become of the files since.
        if asked.is_repeat(&self.state()) {
            return Ok(String::new());
        }
        if let Some(path) = slate.filter(|path| !path.is_empty()) {
            let looked = probe::look_at_picture(path.to_owned()).await;
            looked.map_err(|e| unusable("settings.slate", &e))?;
        }
        let Some(files) = files.filter(|files| !files.is_empty()) else {
            return Ok(String::new());
        };
        // The rest of the request is looked at first: that is cheap.
        let to = patched_without_secrets(base, patch).map_err(refused)?;
        let field = "settings.backup.files";
        let digest = probe::look(files.to_vec()).await;
        let digest = digest.map_err(|e| unusable(field, &e))?;
        let checked = self.rooms.probe.check(files, &format_of(&to)).await;
        checked.map_err(|e| unusable(field, &e))?;
        Ok(digest)
    }

    fn channel_patch(
        &self,
        id: &ChannelId,
        base: &ChannelSettings,
        patch: &v1::ChannelSettings,
        digest: &str,
    ) -> Result<ChannelSettings, Status> {
        let first = self.rooms.config.channels.first_srt_port;
        let free_port = self.free_port_from(first).ok_or_else(|| {
            invalid(
                "settings.srt_input.port",
                "no port is free from channels.first_srt_port on",
            )
        })?;
        self.sealing(&channel_passphrase_context(id), |seal| {
            let made = MadeAtEdge {
                digest,
                free_port,
                seal,
            };
            convert::channel::patched(base, patch, made)
        })
    }

    fn destination_patch(
        &self,
        (channel, id): (&ChannelId, &DestinationId),
        base: Option<&DestinationSettings>,
        patch: &v1::DestinationSettings,
    ) -> Result<DestinationSettings, Status> {
        self.sealing(&destination_key_context(channel, id), |seal| {
            convert::destination::patched(base, patch, seal)
        })
    }

    /// Runs a conversion that seals under `context`; tells the server's trouble from the request's.
    fn sealing<T>(
        &self,
        context: &str,
        convert: impl FnOnce(&mut dyn FnMut(&str) -> Result<Sealed, Denied>) -> Result<T, Denied>,
    ) -> Result<T, Status> {
        let mut trouble = None;
        let mut seal = |secret: &str| {
            self.rooms.keys.seal(context, secret).map_err(|e| {
                trouble = Some(e);
                convert::invalid("settings", "a secret could not be sealed")
            })
        };
        let new = convert(&mut seal);
        match trouble {
            Some(error) => Err(broken(error)),
            None => new.map_err(refused),
        }
    }
}

/// What files are brought to for a channel.
pub fn format_of(settings: &ChannelSettings) -> Format {
    Format {
        mode: settings.mode,
        video: settings.video.clone(),
    }
}

pub fn found<'a>(
    state: &'a State,
    channel: &ChannelId,
    id: &DestinationId,
) -> Result<&'a booth_core::Destination, Denied> {
    let Some(parent) = state.channels.get(channel) else {
        let channel = channel.clone();
        return Err(Denied::ChannelNotFound { channel });
    };
    parent.destinations.get(id).ok_or_else(|| {
        let (channel, destination) = (channel.clone(), id.clone());
        Denied::DestinationNotFound {
            channel,
            destination,
        }
    })
}

fn patched_without_secrets(
    base: &ChannelSettings,
    patch: &v1::ChannelSettings,
) -> Result<ChannelSettings, Denied> {
    let made = MadeAtEdge {
        digest: "",
        free_port: 1,
        seal: |_: &str| Ok(Sealed(String::new())),
    };
    convert::channel::patched(base, patch, made)
}

/// Whether `patch` changes nothing of `settings`, apart from what is made anew at every attempt.
fn is_already(settings: &ChannelSettings, patch: &v1::ChannelSettings) -> bool {
    let digest = settings.backup.as_ref().map_or("", |b| b.digest.as_str());
    let input = settings.srt_input.as_ref();
    let seal = |_: &str| {
        let kept = input.and_then(|input| input.passphrase.clone());
        Ok(kept.unwrap_or(Sealed(String::new())))
    };
    let made = MadeAtEdge {
        digest,
        free_port: input.map_or(1, |input| input.port),
        seal,
    };
    convert::channel::patched(settings, patch, made).is_ok_and(|patched| patched == *settings)
}

fn is_already_there(settings: &DestinationSettings, patch: &v1::DestinationSettings) -> bool {
    let seal = |_: &str| Ok(settings.key.clone().unwrap_or(Sealed(String::new())));
    convert::destination::patched(Some(settings), patch, seal)
        .is_ok_and(|patched| patched == *settings)
}

/// Stands in for a destination that is gone.
fn anything() -> DestinationSettings {
    DestinationSettings {
        preset: DestinationPreset::Custom,
        url: "rtmp://localhost/live".into(),
        key: Some(Sealed(String::new())),
        session_max_s: 0,
        latency_ms: 200,
        stream_id: None,
    }
}
