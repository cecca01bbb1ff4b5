//! What stands in for child processes and workers.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use booth_core::ChannelId;
use booth_proto::worker::DrillReport;
use tokio::sync::mpsc;

use crate::probe::{CheckedFile, Format, Probe, ProbeError};
use crate::server::{DrillError, Drills};

/// Goes by the file's text: `4000` is a film of 4 s, anything else has no video.
#[derive(Debug, Default)]
pub struct FakeProbe {
    pub asked: Mutex<Vec<(Vec<String>, Format)>>,
    /// Answers instead, once.
    pub trouble: Mutex<Option<ProbeError>>,
}

impl FakeProbe {
    pub fn times_asked(&self) -> usize {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

#[tonic::async_trait]
impl Probe for FakeProbe {
    async fn check(
        &self,
        files: &[String],
        format: &Format,
    ) -> Result<Vec<CheckedFile>, ProbeError> {
        let asked = (files.to_vec(), format.clone());
        self.asked.lock().unwrap().push(asked);
        if let Some(trouble) = self.trouble.lock().unwrap().take() {
            return Err(trouble);
        }
        let look = |path: &String| {
            let text = std::fs::read_to_string(path).unwrap();
            let duration_ms = text.parse().map_err(|_| ProbeError::File {
                path: path.clone(),
                why: "it has no video: give a file with a picture".into(),
            })?;
            Ok(CheckedFile {
                path: path.clone(),
                duration_ms,
                video: "H.264 High 1920x1080 25 fps".into(),
                audio: String::new(),
                changes: vec!["scaled to 1280x720".into()],
            })
        };
        files.iter().map(look).collect()
    }
}

/// Rehearsals whose reports the test gives.
#[derive(Debug, Default)]
pub struct FakeDrills(Mutex<BTreeMap<ChannelId, mpsc::Sender<DrillReport>>>);

impl FakeDrills {
    pub fn reports(&self, channel: &str) -> mpsc::Sender<DrillReport> {
        let id: ChannelId = channel.parse().unwrap();
        self.0.lock().unwrap()[&id].clone()
    }
    pub fn take(&self, channel: &str) -> mpsc::Sender<DrillReport> {
        let id: ChannelId = channel.parse().unwrap();
        self.0.lock().unwrap().remove(&id).unwrap()
    }
}

#[tonic::async_trait]
impl Drills for FakeDrills {
    async fn start(&self, channel: &ChannelId) -> Result<mpsc::Receiver<DrillReport>, DrillError> {
        let mut all = self.0.lock().unwrap();
        if all.get(channel).is_some_and(|r| !r.is_closed()) {
            return Err(DrillError::Running);
        }
        let (reports, receiver) = mpsc::channel(8);
        all.insert(channel.clone(), reports);
        Ok(receiver)
    }
}
