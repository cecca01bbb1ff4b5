//! A server that answers what a test tells it to and remembers what it was asked. A proxy in front of it can cut every
//! connection, which is what a killed server looks like from outside.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use booth_proto::v1::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorInfo, StatusExt};

/// One answer to one call.
#[derive(Clone)]
pub enum Reply {
    Json(Value),
    Status(Code, &'static str),
    /// FAILED_PRECONDITION or whatever the code is, with `ErrorInfo`.
    Refused(Code, &'static str, Value),
    /// The connection breaks after the call has arrived.
    Cut,
    /// Nothing is ever answered.
    Silence,
}

/// One call as it arrived.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: &'static str,
    pub request: Value,
    pub token: String,
}

/// What a stream does next.
#[derive(Clone)]
pub enum Step {
    Send(Value),
    /// Once this file is there.
    Await(PathBuf),
    End(Code),
}

#[derive(Default)]
struct Script {
    once: BTreeMap<&'static str, VecDeque<Reply>>,
    always: BTreeMap<&'static str, Reply>,
    /// One list of steps per opened stream; then it stays open in silence.
    streams: VecDeque<Vec<Step>>,
    calls: Vec<Call>,
}

#[derive(Clone)]
pub struct Fake {
    script: Arc<Mutex<Script>>,
    cut: broadcast::Sender<()>,
    pub address: SocketAddr,
}

impl Fake {
    pub async fn start() -> Self {
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = inner.local_addr().unwrap();
        let (cut, _) = broadcast::channel(16);
        let fake = Self {
            script: Arc::default(),
            cut,
            address: door.local_addr().unwrap(),
        };
        tokio::spawn(proxy(door, behind, fake.cut.clone()));
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(caller_service_server::CallerServiceServer::new(
                    fake.clone(),
                ))
                .add_service(slot_service_server::SlotServiceServer::new(fake.clone()))
                .add_service(show_service_server::ShowServiceServer::new(fake.clone()))
                .add_service(operator_service_server::OperatorServiceServer::new(
                    fake.clone(),
                ))
                .add_service(system_service_server::SystemServiceServer::new(
                    fake.clone(),
                ))
                .add_service(watch_service_server::WatchServiceServer::new(fake.clone()))
                .add_service(channel_service_server::ChannelServiceServer::new(
                    fake.clone(),
                ))
                .add_service(destination_service_server::DestinationServiceServer::new(
                    fake.clone(),
                ))
                .serve_with_incoming(TcpListenerStream::new(inner)),
        );
        fake
    }

    /// The next call of `method` gets this; calls after it get what `always` says, or an empty answer.
    pub fn once(&self, method: &'static str, reply: Reply) -> &Self {
        self.script
            .lock()
            .unwrap()
            .once
            .entry(method)
            .or_default()
            .push_back(reply);
        self
    }

    pub fn always(&self, method: &'static str, reply: Reply) -> &Self {
        self.script.lock().unwrap().always.insert(method, reply);
        self
    }

    /// The next opened stream does this.
    pub fn stream(&self, steps: Vec<Step>) -> &Self {
        self.script.lock().unwrap().streams.push_back(steps);
        self
    }

    /// Two callers whom commands can name.
    pub fn with_callers(&self) -> &Self {
        self.always(
            "list_callers",
            Reply::Json(json!({
                "callers": [
                    { "name": "shows/main/callers/c7k2m9", "displayName": "Anna", "state": "STATE_READY", "position": 1, "connected": true, "hasAudio": true, "hasVideo": true },
                    { "name": "shows/main/callers/d4", "displayName": "Ben", "state": "STATE_WAITING", "position": 2 },
                ],
                "revision": "41",
            })),
        )
    }

    /// Every connection breaks, as if the server was killed.
    pub fn cut(&self) {
        self.cut.send(()).unwrap();
    }

    pub fn calls(&self) -> Vec<Call> {
        self.script.lock().unwrap().calls.clone()
    }

    pub fn calls_of(&self, method: &str) -> Vec<Call> {
        self.calls()
            .into_iter()
            .filter(|call| call.method == method)
            .collect()
    }

    fn note<Q: Serialize>(&self, method: &'static str, request: &Request<Q>) {
        let token = request
            .metadata()
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let call = Call {
            method,
            request: serde_json::to_value(request.get_ref()).unwrap(),
            token: token.to_owned(),
        };
        self.script.lock().unwrap().calls.push(call);
    }

    async fn answer<Q: Serialize, R: DeserializeOwned + Default>(
        &self,
        method: &'static str,
        request: Request<Q>,
    ) -> Result<Response<R>, Status> {
        self.note(method, &request);
        let reply = {
            let mut script = self.script.lock().unwrap();
            let once = script.once.get_mut(method).and_then(VecDeque::pop_front);
            once.or_else(|| script.always.get(method).cloned())
        };
        match reply {
            None => Ok(Response::new(R::default())),
            Some(Reply::Json(value)) => Ok(Response::new(serde_json::from_value(value).unwrap())),
            Some(Reply::Status(code, text)) => Err(Status::new(code, text)),
            Some(Reply::Refused(code, reason, metadata)) => Err(refused(code, reason, &metadata)),
            Some(Reply::Cut) => {
                self.cut();
                std::future::pending().await
            }
            Some(Reply::Silence) => std::future::pending().await,
        }
    }

    fn stream_of<R: DeserializeOwned + Send + 'static>(&self) -> Streamed<R> {
        let steps = self
            .script
            .lock()
            .unwrap()
            .streams
            .pop_front()
            .unwrap_or_default();
        let (out, incoming) = mpsc::channel(16);
        tokio::spawn(async move {
            for step in steps {
                let sent = match step {
                    Step::Send(value) => out.send(Ok(serde_json::from_value(value).unwrap())).await,
                    Step::Await(file) => {
                        while !file.exists() {
                            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                        }
                        Ok(())
                    }
                    Step::End(Code::Ok) => return,
                    Step::End(code) => out.send(Err(Status::new(code, "the stream ends"))).await,
                };
                if sent.is_err() {
                    return;
                }
            }
            // Open and silent until the reader goes.
            out.closed().await;
        });
        Box::pin(ReceiverStream::new(incoming))
    }
}

type Streamed<R> = Pin<Box<dyn tokio_stream::Stream<Item = Result<R, Status>> + Send>>;

fn refused(code: Code, reason: &str, metadata: &Value) -> Status {
    let values = metadata.as_object().unwrap().iter();
    let info = ErrorInfo {
        reason: reason.to_owned(),
        domain: "booth".to_owned(),
        metadata: values
            .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
    };
    Status::with_error_details_vec(code, format!("refused by {reason}"), vec![info.into()])
}

async fn proxy(door: TcpListener, behind: SocketAddr, cut: broadcast::Sender<()>) {
    while let Ok((mut outside, _)) = door.accept().await {
        let mut cut = cut.subscribe();
        tokio::spawn(async move {
            let mut inside = TcpStream::connect(behind).await.unwrap();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut outside, &mut inside) => {}
                _ = cut.recv() => {}
            }
        });
    }
}

/// Implements whole services, so that the compiler tells when an RPC is missing here.
macro_rules! services {
    ($($module:ident::$service:ident { $($method:ident: $request:ident => $response:ident,)* ; $(stream $stream_method:ident $stream_type:ident: $stream_request:ident => $stream_response:ident,)* })*) => {
        $(
            #[tonic::async_trait]
            impl $module::$service for Fake {
                $(
                    async fn $method(&self, request: Request<$request>) -> Result<Response<$response>, Status> {
                        self.answer(stringify!($method), request).await
                    }
                )*
                $(
                    type $stream_type = Streamed<$stream_response>;
                    async fn $stream_method(&self, request: Request<$stream_request>) -> Result<Response<Self::$stream_type>, Status> {
                        let _: Response<()> = self.answer(stringify!($stream_method), request).await?;
                        Ok(Response::new(self.stream_of()))
                    }
                )*
            }
        )*
        /// Every RPC of the public API.
        pub const METHODS: &[&str] = &[$($(stringify!($method),)* $(stringify!($stream_method),)*)*];
    };
}

services! {
    caller_service_server::CallerService {
        list_callers: ListCallersRequest => ListCallersResponse,
        get_caller: GetCallerRequest => GetCallerResponse,
        screen_caller: ScreenCallerRequest => ScreenCallerResponse,
        approve_caller: ApproveCallerRequest => ApproveCallerResponse,
        reject_caller: RejectCallerRequest => RejectCallerResponse,
        hold_caller: HoldCallerRequest => HoldCallerResponse,
        move_caller: MoveCallerRequest => MoveCallerResponse,
        note_caller: NoteCallerRequest => NoteCallerResponse,
        chat_caller: ChatCallerRequest => ChatCallerResponse,
        drop_caller: DropCallerRequest => DropCallerResponse,
        mute_caller: MuteCallerRequest => MuteCallerResponse,
        unmute_caller: UnmuteCallerRequest => UnmuteCallerResponse,
        get_caller_tile: GetCallerTileRequest => GetCallerTileResponse,
        create_invite: CreateInviteRequest => CreateInviteResponse,
        list_invites: ListInvitesRequest => ListInvitesResponse,
        delete_invite: DeleteInviteRequest => DeleteInviteResponse,
        ;
    }
    slot_service_server::SlotService {
        list_slots: ListSlotsRequest => ListSlotsResponse,
        get_slot: GetSlotRequest => GetSlotResponse,
        create_slot: CreateSlotRequest => CreateSlotResponse,
        update_slot: UpdateSlotRequest => UpdateSlotResponse,
        delete_slot: DeleteSlotRequest => DeleteSlotResponse,
        take_slot: TakeSlotRequest => TakeSlotResponse,
        release_slot: ReleaseSlotRequest => ReleaseSlotResponse,
        arm_slot: ArmSlotRequest => ArmSlotResponse,
        get_slot_tile: GetSlotTileRequest => GetSlotTileResponse,
        get_slot_address: GetSlotAddressRequest => GetSlotAddressResponse,
        ;
    }
    show_service_server::ShowService {
        list_shows: ListShowsRequest => ListShowsResponse,
        get_show: GetShowRequest => GetShowResponse,
        create_show: CreateShowRequest => CreateShowResponse,
        update_show: UpdateShowRequest => UpdateShowResponse,
        start_show: StartShowRequest => StartShowResponse,
        stop_show: StopShowRequest => StopShowResponse,
        delete_show: DeleteShowRequest => DeleteShowResponse,
        ;
    }
    channel_service_server::ChannelService {
        list_channels: ListChannelsRequest => ListChannelsResponse,
        get_channel: GetChannelRequest => GetChannelResponse,
        create_channel: CreateChannelRequest => CreateChannelResponse,
        update_channel: UpdateChannelRequest => UpdateChannelResponse,
        delete_channel: DeleteChannelRequest => DeleteChannelResponse,
        start_channel: StartChannelRequest => StartChannelResponse,
        stop_channel: StopChannelRequest => StopChannelResponse,
        force_channel: ForceChannelRequest => ForceChannelResponse,
        rotate_channel_key: RotateChannelKeyRequest => RotateChannelKeyResponse,
        kick_channel_publisher: KickChannelPublisherRequest => KickChannelPublisherResponse,
        get_channel_address: GetChannelAddressRequest => GetChannelAddressResponse,
        check_backup: CheckBackupRequest => CheckBackupResponse,
        ;
        stream drill_channel DrillChannelStream: DrillChannelRequest => DrillChannelResponse,
    }
    destination_service_server::DestinationService {
        list_destinations: ListDestinationsRequest => ListDestinationsResponse,
        get_destination: GetDestinationRequest => GetDestinationResponse,
        create_destination: CreateDestinationRequest => CreateDestinationResponse,
        update_destination: UpdateDestinationRequest => UpdateDestinationResponse,
        enable_destination: EnableDestinationRequest => EnableDestinationResponse,
        disable_destination: DisableDestinationRequest => DisableDestinationResponse,
        delete_destination: DeleteDestinationRequest => DeleteDestinationResponse,
        reveal_destination_key: RevealDestinationKeyRequest => RevealDestinationKeyResponse,
        ;
    }
    operator_service_server::OperatorService {
        list_operators: ListOperatorsRequest => ListOperatorsResponse,
        create_operator: CreateOperatorRequest => CreateOperatorResponse,
        create_operator_token: CreateOperatorTokenRequest => CreateOperatorTokenResponse,
        revoke_operator: RevokeOperatorRequest => RevokeOperatorResponse,
        who_am_i: WhoAmIRequest => WhoAmIResponse,
        get_link_token: GetLinkTokenRequest => GetLinkTokenResponse,
        ;
    }
    system_service_server::SystemService {
        get_status: GetStatusRequest => GetStatusResponse,
        ;
        stream backup BackupStream: BackupRequest => BackupResponse,
        stream run_checks RunChecksStream: RunChecksRequest => RunChecksResponse,
    }
    watch_service_server::WatchService {
        ;
        stream watch WatchStream: WatchRequest => WatchResponse,
        stream watch_meters WatchMetersStream: WatchMetersRequest => WatchMetersResponse,
    }
}
