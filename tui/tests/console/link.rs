//! The link against a server that is played here, over a real connection: what it repeats, what it gives up, what it believes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use booth_proto::v1::{
    self,
    slot_service_server::{SlotService, SlotServiceServer},
    system_service_server::{SystemService, SystemServiceServer},
    watch_response::Message,
    watch_service_server::{WatchService, WatchServiceServer},
};
use booth_tui::command::Command;
use booth_tui::door::Door;
use booth_tui::link::{self, Ask, Server};
use booth_tui::msg::{Answer, LinkMsg, Refusal};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use pbjson_types::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, async_trait};

const SOON: Duration = Duration::from_secs(20);

/// A boothd of these words, and what it was asked.
#[derive(Clone, Default)]
struct Played {
    version: &'static str,
    /// When it was started, in seconds.
    life: i64,
    revision: u64,
    /// The stream ends with this after its snapshot; else it goes on.
    ends: Option<fn() -> Status>,
    /// Answers to takes, one after the other; the last one for ever.
    takes: Vec<fn() -> Result<u64, Status>>,
    asked: Arc<Mutex<Asked>>,
}

#[derive(Default)]
struct Asked {
    since: Vec<u64>,
    takes: Vec<v1::TakeSlotRequest>,
}

type Streamed<T> = Result<Response<BoxStream<'static, Result<T, Status>>>, Status>;

#[async_trait]
impl SystemService for Played {
    type BackupStream = BoxStream<'static, Result<v1::BackupResponse, Status>>;
    type RunChecksStream = BoxStream<'static, Result<v1::RunChecksResponse, Status>>;

    async fn get_status(
        &self,
        _: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        Ok(Response::new(v1::GetStatusResponse {
            version: self.version.into(),
            start_time: Some(Timestamp {
                seconds: self.life,
                nanos: 0,
            }),
            revision: self.revision,
            ..Default::default()
        }))
    }

    async fn backup(&self, _: Request<v1::BackupRequest>) -> Streamed<v1::BackupResponse> {
        Err(Status::unimplemented(""))
    }

    async fn run_checks(
        &self,
        _: Request<v1::RunChecksRequest>,
    ) -> Streamed<v1::RunChecksResponse> {
        Err(Status::unimplemented(""))
    }
}

#[async_trait]
impl WatchService for Played {
    type WatchStream = BoxStream<'static, Result<v1::WatchResponse, Status>>;
    type WatchMetersStream = BoxStream<'static, Result<v1::WatchMetersResponse, Status>>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Streamed<v1::WatchResponse> {
        let since = request.into_inner().since;
        self.asked.lock().unwrap().since.push(since);
        let message = match since {
            0 => Message::Snapshot(v1::Snapshot::default()),
            _ => Message::Heartbeat(v1::Heartbeat { time: None }),
        };
        let first = stream::iter([Ok(v1::WatchResponse {
            revision: self.revision,
            message: Some(message),
        })]);
        Ok(Response::new(match self.ends {
            Some(end) => first.chain(stream::iter([Err(end())])).boxed(),
            None => first.chain(stream::pending()).boxed(),
        }))
    }

    async fn watch_meters(
        &self,
        _: Request<v1::WatchMetersRequest>,
    ) -> Streamed<v1::WatchMetersResponse> {
        Err(Status::unimplemented(""))
    }
}

/// As `async_trait` writes them, for it does not look into macros.
macro_rules! unimplemented {
    ($($method:ident $request:ident $response:ident;)*) => {$(
        fn $method<'a, 'f>(&'a self, _: Request<v1::$request>) -> BoxFuture<'f, Result<Response<v1::$response>, Status>>
        where
            'a: 'f,
            Self: 'f,
        {
            Box::pin(std::future::ready(Err(Status::unimplemented(""))))
        }
    )*};
}

#[async_trait]
impl SlotService for Played {
    async fn take_slot(
        &self,
        request: Request<v1::TakeSlotRequest>,
    ) -> Result<Response<v1::TakeSlotResponse>, Status> {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.takes.push(request.into_inner());
            asked.takes.len()
        };
        let answer = self.takes.get(number - 1).or(self.takes.last());
        let revision = answer.unwrap()()?;
        Ok(Response::new(v1::TakeSlotResponse {
            revision,
            ..Default::default()
        }))
    }

    unimplemented! {
        list_slots ListSlotsRequest ListSlotsResponse;
        get_slot GetSlotRequest GetSlotResponse;
        create_slot CreateSlotRequest CreateSlotResponse;
        update_slot UpdateSlotRequest UpdateSlotResponse;
        delete_slot DeleteSlotRequest DeleteSlotResponse;
        release_slot ReleaseSlotRequest ReleaseSlotResponse;
        arm_slot ArmSlotRequest ArmSlotResponse;
        get_slot_tile GetSlotTileRequest GetSlotTileResponse;
        get_slot_address GetSlotAddressRequest GetSlotAddressResponse;
    }
}

impl Played {
    /// Runs until the handle is aborted; connections end with it.
    async fn serve(&self, at: Option<SocketAddr>) -> (SocketAddr, JoinHandle<()>) {
        let listener = match at {
            Some(at) => TcpListener::bind(at).await,
            None => TcpListener::bind("127.0.0.1:0").await,
        };
        let listener = listener.unwrap();
        let at = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(SystemServiceServer::new(self.clone()))
            .add_service(WatchServiceServer::new(self.clone()))
            .add_service(SlotServiceServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let running = tokio::spawn(async move { server.await.unwrap() });
        (at, running)
    }

    fn since(&self) -> Vec<u64> {
        self.asked.lock().unwrap().since.clone()
    }
}

/// A console's end of the link.
struct Desk {
    asks: mpsc::Sender<Ask>,
    said: mpsc::Receiver<LinkMsg>,
    link: JoinHandle<()>,
}

impl Desk {
    fn at(at: SocketAddr) -> Self {
        let (asks, asked) = mpsc::channel(link::ASKS);
        let (out, said) = mpsc::channel(link::QUEUE);
        let server = Server {
            door: Door::new(&format!("http://{at}"), None, link::CONNECT).unwrap(),
            token: "Bearer x".parse().unwrap(),
        };
        let link = tokio::spawn(link::run(server, asked, out));
        Self { asks, said, link }
    }

    /// The first word that `pick` takes.
    async fn hears<T>(&mut self, what: &str, pick: impl Fn(LinkMsg) -> Option<T>) -> T {
        let heard = timeout(SOON, async {
            loop {
                if let Some(found) = pick(self.said.recv().await.unwrap()) {
                    return found;
                }
            }
        });
        heard.await.unwrap_or_else(|_| panic!("no {what}"))
    }

    async fn snapshot(&mut self) -> u64 {
        self.hears("snapshot", |msg| match msg {
            LinkMsg::Watch(response) if matches!(response.message, Some(Message::Snapshot(_))) => {
                Some(response.revision)
            }
            _ => None,
        })
        .await
    }

    async fn down(&mut self) -> (String, String, u64) {
        self.hears("end", |msg| match msg {
            LinkMsg::Down {
                why,
                next,
                retry_ms,
            } => Some((why, next, retry_ms)),
            _ => None,
        })
        .await
    }

    async fn take(&mut self) -> Result<Answer, Refusal> {
        let command = Command::Take {
            slot: "slots/1".into(),
            caller: "shows/main/callers/ca".into(),
            fade_ms: 0,
            over: false,
            revision: 41,
        };
        let ask = Ask::Call {
            request_id: "console-n-1".into(),
            command,
        };
        self.asks.send(ask).await.unwrap();
        self.hears("answer", |msg| match msg {
            LinkMsg::Answer { request_id, result } => {
                assert_eq!(request_id, "console-n-1");
                Some(result)
            }
            _ => None,
        })
        .await
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.link.abort();
    }
}

fn played(revision: u64) -> Played {
    Played {
        version: "1.0.0",
        life: 1,
        revision,
        ..Played::default()
    }
}

#[tokio::test]
async fn a_take_whose_answer_was_lost_is_repeated_as_the_same_request() {
    let server = Played {
        takes: vec![|| Err(Status::unavailable("connection reset")), || Ok(42)],
        ..played(41)
    };
    let (at, running) = server.serve(None).await;
    let mut desk = Desk::at(at);
    desk.snapshot().await;
    assert_eq!(desk.take().await.unwrap().revision, 42);
    let takes = server.asked.lock().unwrap().takes.clone();
    // The server knows the second one for the first, and by the revision it is refused if the world went on meanwhile.
    let seen: Vec<_> = takes
        .iter()
        .map(|t| (t.request_id.as_str(), t.expected_revision))
        .collect();
    assert_eq!(seen, [("console-n-1", 41), ("console-n-1", 41)]);
    running.abort();
}

#[tokio::test]
async fn a_refusal_is_not_repeated_and_while_there_is_no_server_nothing_is_kept_for_later() {
    let server = Played {
        takes: vec![|| Err(Status::aborted("revision 41 is not 50"))],
        ..played(41)
    };
    let (at, running) = server.serve(None).await;
    let mut desk = Desk::at(at);
    desk.snapshot().await;
    let refusal = desk.take().await.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.lost), ("ABORTED", false));
    assert_eq!(server.asked.lock().unwrap().takes.len(), 1);

    let gone = Played {
        ends: Some(|| Status::unavailable("the server is stopping")),
        ..server
    };
    running.abort();
    // Whatever is open ends with the one that took its place.
    drop(desk);
    let (at, running) = gone.serve(None).await;
    let mut desk = Desk::at(at);
    let mut waits = Vec::new();
    while waits.len() < 3 {
        waits.push(desk.down().await.2);
    }
    running.abort();
    let refusal = loop {
        // Between two attempts; one that meets an attempt is told by that.
        desk.down().await;
        match desk.take().await {
            Err(refusal) if refusal.reason == "NOT_CONNECTED" => break refusal,
            Err(_) => {}
            Ok(answer) => panic!("{answer:?}"),
        }
    };
    assert!(!refusal.lost, "it was not sent, and that is known");
}

#[tokio::test]
async fn a_server_that_takes_connections_and_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    // The kernel takes them; nobody reads.
    let began = Instant::now();
    let mut desk = Desk::at(at);
    let (why, _, retry_ms) = desk.down().await;
    assert!(!why.is_empty());
    assert!(began.elapsed() < Duration::from_secs(12), "{why}");
    assert!((187..=313).contains(&retry_ms), "{retry_ms}");
    let refusal = desk.take().await.unwrap_err();
    assert_eq!(
        (refusal.reason.as_str(), refusal.lost),
        ("NOT_CONNECTED", false)
    );
    drop(listener);
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_told_with_what_to_do() {
    let server = Played {
        ends: Some(|| Status::unauthenticated("the token was revoked")),
        ..played(41)
    };
    let (at, running) = server.serve(None).await;
    let mut desk = Desk::at(at);
    desk.snapshot().await;
    let (why, next, _) = desk.down().await;
    assert_eq!(why, "the token was revoked");
    assert!(next.contains("booth operator token"), "{next}");
    running.abort();
}

/// Where the console goes on after a break: at the change it has, if it is the same server, and from the beginning otherwise.
#[tokio::test]
async fn another_life_of_the_server_is_read_from_the_beginning_and_the_same_one_is_resumed() {
    let ends: Option<fn() -> Status> = Some(|| Status::unavailable("the server is stopping"));
    let first = Played {
        ends,
        ..played(100)
    };
    let (at, running) = first.serve(None).await;
    let mut desk = Desk::at(at);
    assert_eq!(desk.snapshot().await, 100);
    desk.down().await;
    desk.down().await;
    let since = first.since();
    assert!(since[1..].contains(&100), "{since:?}");
    running.abort();
    let _ = running.await;

    // Another data directory with another version: the number of its ledger is smaller, or greater, and means something else.
    for (life, revision) in [(2, 5), (3, 300)] {
        let next = Played {
            version: "2.0.0",
            life,
            revision,
            ends,
            ..Played::default()
        };
        let (_, running) = next.serve(Some(at)).await;
        assert_eq!(desk.snapshot().await, revision, "life {life}");
        running.abort();
        let _ = running.await;
    }
}
