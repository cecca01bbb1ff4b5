//! What fails: loops that are let go or cannot be read, decoders that stop.

use std::sync::mpsc::channel;
use std::time::Duration;

use super::*;
use crate::channel::transcode::reel::Reel;

#[test]
fn a_loop_that_is_let_go_leaves_nothing_behind() {
    gst::init().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("loop");
    make_loop(&path, BACKUP, 3, (320, 180), FPS);
    let source: Arc<dyn LoopSource> = Arc::new(LoopFile::open(&path).unwrap());
    let format = Format::new(320, 180, FPS).unwrap();
    for number in 0..20 {
        let (complaints, complained) = channel();
        let reel = Reel::start(number, Arc::clone(&source), 0, &format, complaints).unwrap();
        reel.pictures
            .recv_timeout(Duration::from_secs(10))
            .unwrap_or_else(|error| panic!("{error}: {:?}", complained.try_recv()));
    }
    // Each thread that feeds has a hand of it.
    let deadline = Instant::now() + Duration::from_secs(10);
    while Arc::strong_count(&source) > 1 {
        let left = Arc::strong_count(&source) - 1;
        assert!(Instant::now() < deadline, "{left} threads feed on");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
