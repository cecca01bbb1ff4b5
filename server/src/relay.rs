//! The relay: packets of callers' sessions to the workers that decode them, and the workers' wishes back.
//!
//! A packet for which nobody has subscribed costs one atomic read. A worker that does not keep up loses packets of its
//! own queue, never another's.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use booth_core::{CallerId, PublisherId, SessionId};
use booth_proto::worker::{self, Medium};
use bytes::Bytes;
use tokio::sync::{Notify, mpsc, watch};

/// How much video the server wants of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VideoWant {
    /// Nobody looks: the lowest cost that still shows that there is a picture.
    #[default]
    Low,
    /// Armed or on air.
    Full,
}

/// One packet for a worker's link.
#[derive(Debug, Clone)]
pub struct Packet {
    pub session: SessionId,
    pub medium: Medium,
    pub rtcp: bool,
    pub data: Bytes,
}

/// Where a unit's link takes packets from. 512 packets are about a second of one caller at 3 Mb/s.
pub const UNIT_QUEUE: usize = 512;

pub type UnitTx = mpsc::Sender<Packet>;

#[derive(Debug)]
struct Session {
    source: worker::Source,
    /// Of a session that feeds a channel.
    publisher: Option<PublisherId>,
    wanted: AtomicBool,
    units: RwLock<BTreeMap<String, UnitTx>>,
    want: watch::Sender<VideoWant>,
    keyframe: mpsc::Sender<()>,
}

/// All sessions with media. Cloned freely; locks are held for a look-up only.
#[derive(Debug, Clone, Default)]
pub struct Hub {
    all: Arc<Mutex<BTreeMap<SessionId, Arc<Session>>>>,
    /// A session that feeds a channel was opened.
    pub(crate) changed: Arc<Notify>,
}

/// The rtc room's end of one session; dropping it closes the session.
#[derive(Debug)]
pub struct SourceTx {
    id: SessionId,
    session: Arc<Session>,
    hub: Hub,
}

/// What the session is asked for.
#[derive(Debug)]
pub struct SourceRx {
    pub want: watch::Receiver<VideoWant>,
    /// One wish pending at most; a key frame answers all that came before.
    pub keyframe: mpsc::Receiver<()>,
}

impl Hub {
    /// Opens a caller's session whose tracks are known. `source.session` is its id.
    pub fn open(&self, source: worker::Source) -> (SourceTx, SourceRx) {
        self.open_of(source, None)
    }

    /// Opens a session that feeds a channel.
    pub fn open_publisher(
        &self,
        source: worker::Source,
        publisher: PublisherId,
    ) -> (SourceTx, SourceRx) {
        let opened = self.open_of(source, Some(publisher));
        self.changed.notify_one();
        opened
    }

    fn open_of(
        &self,
        source: worker::Source,
        publisher: Option<PublisherId>,
    ) -> (SourceTx, SourceRx) {
        let id = SessionId(source.session);
        let (want_tx, want_rx) = watch::channel(VideoWant::Low);
        let (key_tx, key_rx) = mpsc::channel(1);
        let session = Arc::new(Session {
            source,
            publisher,
            wanted: AtomicBool::new(false),
            units: RwLock::default(),
            want: want_tx,
            keyframe: key_tx,
        });
        self.sessions(|all| all.insert(id, Arc::clone(&session)));
        (
            SourceTx {
                id,
                session,
                hub: self.clone(),
            },
            SourceRx {
                want: want_rx,
                keyframe: key_rx,
            },
        )
    }

    /// The tracks of a session, for the order that names it.
    pub fn source(&self, id: SessionId) -> Option<worker::Source> {
        self.sessions(|all| all.get(&id).map(|s| s.source.clone()))
    }

    /// The tracks of the latest session of a channel's publisher.
    pub fn published(&self, publisher: PublisherId) -> Option<worker::Source> {
        self.sessions(|all| {
            all.values()
                .rev()
                .find(|s| s.publisher == Some(publisher))
                .map(|s| s.source.clone())
        })
    }

    /// From now on `unit` gets the packets of exactly these sessions.
    pub fn subscribe(&self, unit: &str, tx: &UnitTx, sessions: &[SessionId]) {
        let all: Vec<_> =
            self.sessions(|all| all.iter().map(|(id, s)| (*id, Arc::clone(s))).collect());
        for (id, session) in all {
            let mut units = session
                .units
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            if sessions.contains(&id) {
                units.insert(unit.to_owned(), tx.clone());
            } else {
                units.remove(unit);
            }
            session.wanted.store(!units.is_empty(), Ordering::Release);
        }
    }

    /// `unit` gets no packets any more.
    pub fn unsubscribe(&self, unit: &str) {
        let all: Vec<_> = self.sessions(|all| all.values().cloned().collect());
        for session in all {
            let mut units = session
                .units
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            units.remove(unit);
            session.wanted.store(!units.is_empty(), Ordering::Release);
        }
    }

    pub fn set_want(&self, id: SessionId, want: VideoWant) {
        if let Some(session) = self.sessions(|all| all.get(&id).cloned()) {
            session
                .want
                .send_if_modified(|now| std::mem::replace(now, want) != want);
        }
    }

    pub fn request_keyframe(&self, id: SessionId) {
        if let Some(session) = self.sessions(|all| all.get(&id).cloned()) {
            // Full means that one is on its way already.
            let _ = session.keyframe.try_send(());
        }
    }

    pub fn caller_of(&self, id: SessionId) -> Option<CallerId> {
        self.sessions(|all| {
            all.get(&id)
                .and_then(|s| CallerId::new(&s.source.caller).ok())
        })
    }

    pub fn len(&self) -> usize {
        self.sessions(|all| all.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn sessions<T>(&self, look: impl FnOnce(&mut BTreeMap<SessionId, Arc<Session>>) -> T) -> T {
        look(&mut self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SourceTx {
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Whether any unit takes packets; when not, [`Self::send`] drops them at once.
    pub fn wanted(&self) -> bool {
        self.session.wanted.load(Ordering::Acquire)
    }

    /// One RTP packet, or one RTCP sender report, as it came off the wire (decrypted). Never blocks.
    pub fn send(&self, medium: Medium, rtcp: bool, data: Bytes) {
        if !self.wanted() {
            return;
        }
        let units = self
            .session
            .units
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        for tx in units.values() {
            // A full queue means a worker that stalls: its loss shows in its own picture and nowhere else.
            let _ = tx.try_send(Packet {
                session: self.id,
                medium,
                rtcp,
                data: data.clone(),
            });
        }
    }
}

impl Drop for SourceTx {
    fn drop(&mut self) {
        self.hub.sessions(|all| all.remove(&self.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(session: u64) -> worker::Source {
        worker::Source {
            caller: "c1".into(),
            session,
            audio: None,
            video: None,
        }
    }

    #[tokio::test]
    async fn packets_reach_the_units_that_subscribed_and_nobody_else() {
        let hub = Hub::default();
        let (tx, _rx) = hub.open(source(7));
        let (unit, mut packets) = mpsc::channel(UNIT_QUEUE);
        tx.send(Medium::Audio, false, Bytes::from_static(b"early"));
        hub.subscribe("slot-1", &unit, &[SessionId(7)]);
        tx.send(Medium::Audio, false, Bytes::from_static(b"on time"));
        hub.subscribe("slot-1", &unit, &[]);
        assert!(!tx.wanted());
        tx.send(Medium::Audio, false, Bytes::from_static(b"late"));
        drop(unit);
        assert_eq!(packets.recv().await.unwrap().data.as_ref(), b"on time");
        assert!(packets.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_unit_that_stalls_loses_its_own_packets_only() {
        let hub = Hub::default();
        let (tx, _rx) = hub.open(source(7));
        let (stalled, _stalled_rx) = mpsc::channel(1);
        let (reading, mut read) = mpsc::channel(UNIT_QUEUE);
        hub.subscribe("slot-1", &stalled, &[SessionId(7)]);
        hub.subscribe("slot-2", &reading, &[SessionId(7)]);
        for _ in 0..100 {
            tx.send(Medium::Video, false, Bytes::from_static(b"x"));
        }
        for _ in 0..100 {
            assert!(read.try_recv().is_ok());
        }
    }

    #[tokio::test]
    async fn a_session_that_is_dropped_is_gone_and_wishes_for_it_do_nothing() {
        let hub = Hub::default();
        let (tx, mut rx) = hub.open(source(7));
        hub.set_want(SessionId(7), VideoWant::Full);
        hub.request_keyframe(SessionId(7));
        hub.request_keyframe(SessionId(7));
        rx.want.changed().await.unwrap();
        assert_eq!(*rx.want.borrow(), VideoWant::Full);
        assert!(rx.keyframe.recv().await.is_some());
        assert!(rx.keyframe.try_recv().is_err(), "wishes that wait are one");
        drop(tx);
        assert!(hub.is_empty() && hub.source(SessionId(7)).is_none());
        hub.set_want(SessionId(7), VideoWant::Low);
        hub.request_keyframe(SessionId(7));
    }
}
