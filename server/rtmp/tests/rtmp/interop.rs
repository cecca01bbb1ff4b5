//! ffmpeg as encoder and as destination.

use std::collections::BTreeSet;

use booth_rtmp::publisher::{Deadlines, Publisher, Target, tls_config};
use booth_rtmp::server::{Ended, ListenerLimits};
use booth_stream::{MediaEvent, Track, VideoCodec};
use tokio::time::timeout;

use crate::help::*;

const PICTURE: &str = "-f lavfi -i testsrc2=size=320x180:rate=30";
const SOUND: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000";
const H264: &str = "-c:v libx264 -preset veryfast -bf 2 -g 30 -b:v 500k -pix_fmt yuv420p";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_publishes_h264_with_b_frames_and_aac() {
    let mut server = Server::plain().await;
    let url = server.url(&format!("live/x?token={KEY}"));
    let mut encoder = ffmpeg(&format!(
        "{PICTURE} {SOUND} -t 3 {H264} -c:a aac -ar 48000 -f flv {url}"
    ));
    let Told::Asked(request) = server.next().await else {
        panic!("nobody asked");
    };
    assert_eq!((request.channel.as_str(), request.key.as_str()), ("x", KEY));
    assert!(request.agent.contains("Lav"), "{}", request.agent);
    assert!(!format!("{request:?}").contains(KEY));
    let (events, ended) = server.until_ended().await;
    assert_eq!(ended, Ended::Unpublished);
    assert!(
        timeout(SOON, encoder.wait())
            .await
            .unwrap()
            .unwrap()
            .success()
    );

    let MediaEvent::Video(config) = events
        .iter()
        .find(|e| matches!(e, MediaEvent::Video(_)))
        .unwrap()
    else {
        unreachable!()
    };
    assert_eq!((config.codec, config.profile), (VideoCodec::H264, 100));
    let video = units(&events, Track::Video);
    let audio = units(&events, Track::Audio);
    assert_eq!(video.len(), 90);
    // Three seconds, one priming frame, one at the end.
    assert!((140..=143).contains(&audio.len()), "{}", audio.len());
    assert_eq!(video.iter().filter(|unit| unit.key).count(), 3);
    assert!(video.windows(2).all(|two| two[1].dts > two[0].dts));
    assert!(
        video.iter().any(|unit| unit.pts > unit.dts),
        "there are B-frames"
    );
    let shown: BTreeSet<i64> = video.iter().map(|unit| unit.pts).collect();
    assert_eq!(shown.len(), 90, "every picture is shown at its own time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_of_the_stream_may_be_the_key_and_the_encoder_says_its_name() {
    let mut server = Server::plain().await;
    let url = server.url(&format!("live/{KEY}"));
    let _encoder = ffmpeg(&format!("-re {SOUND} -t 2 -c:a aac -f flv {url}"));
    let mut named = None;
    let mut events = Vec::new();
    loop {
        match server.next().await {
            Told::Asked(request) => {
                assert_eq!((request.channel.as_str(), request.key.as_str()), ("", KEY));
            }
            Told::Encoder(name) => named = Some(name),
            Told::Media(event) => events.push(event),
            Told::Ended(ended) => {
                assert_eq!(ended, Ended::Unpublished);
                break;
            }
        }
    }
    assert!(named.unwrap().contains("Lavf"));
    // Audio only.
    assert!(units(&events, Track::Audio).len() > 80);
    assert!(units(&events, Track::Video).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_publishes_over_tls() {
    let (tls, _) = certificate();
    let mut server = Server::start(Some(tls), ListenerLimits::default()).await;
    let url = format!("rtmps://{}/live/{KEY}", server.address);
    // Video only.
    let mut encoder = ffmpeg(&format!("{PICTURE} -t 1 {H264} -f flv {url}"));
    let (events, ended) = server.until_ended().await;
    assert_eq!(ended, Ended::Unpublished);
    assert_eq!(units(&events, Track::Video).len(), 30);
    assert!(units(&events, Track::Audio).is_empty());
    assert!(
        timeout(SOON, encoder.wait())
            .await
            .unwrap()
            .unwrap()
            .success()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_with_a_wrong_key_or_application_is_refused_and_ends() {
    let mut server = Server::plain().await;
    for rest in ["live/x?token=wrong", "other/x?token=canary-key"] {
        let encoder = ffmpeg(&format!(
            "{PICTURE} -t 3 {H264} -f flv {}",
            server.url(rest)
        ));
        let output = timeout(SOON, encoder.wait_with_output())
            .await
            .unwrap()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{rest}");
        let wanted = if rest.starts_with("live") {
            "wrong key"
        } else {
            "must be live"
        };
        assert!(said.contains(wanted), "{rest}: {said}");
    }
    while let Ok(told) = server.told.try_recv() {
        assert!(matches!(told, Told::Asked(_)), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_that_wants_to_play_is_refused() {
    let server = Server::plain().await;
    let player = ffmpeg(&format!("-i {} -f null -", server.url("live/x")));
    let output = timeout(SOON, player.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("plays none"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_past_the_end_of_24_and_of_32_bits_of_time_goes_on() {
    let mut server = Server::plain().await;
    let url = server.url(&format!("live/{KEY}"));
    for begin_s in [16_776, 4_294_966] {
        let mut encoder = ffmpeg(&format!(
            "{PICTURE} {SOUND} -t 3 -output_ts_offset {begin_s} {H264} -c:a aac -ar 48000 -f flv {url}"
        ));
        let (events, ended) = server.until_ended().await;
        assert_eq!(ended, Ended::Unpublished);
        assert!(
            timeout(SOON, encoder.wait())
                .await
                .unwrap()
                .unwrap()
                .success()
        );
        let video = units(&events, Track::Video);
        assert_eq!(video.len(), 90, "{begin_s}");
        for two in video.windows(2) {
            let step = (two[1].dts - two[0].dts) / 1_000_000;
            assert!(
                (33..=34).contains(&step),
                "{begin_s}: {step} ms at {}",
                two[0].dts
            );
        }
        for two in units(&events, Track::Audio).windows(2) {
            let step = (two[1].dts - two[0].dts) / 1_000_000;
            assert!(
                (21..=22).contains(&step),
                "{begin_s}: {step} ms at {}",
                two[0].dts
            );
        }
    }
}

/// `rtmpsink` is librtmp, as in OBS; `rtmp2sink` is GStreamer's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn librtmp_and_gstreamer_publish() {
    for sink in ["rtmpsink", "rtmp2sink"] {
        let mut server = Server::plain().await;
        let url = server.url(&format!("live/x?token={KEY}"));
        let encoder = program(
            "gst-launch-1.0",
            &format!(
                "flvmux streamable=true name=mux ! {sink} location={url} \
                 videotestsrc num-buffers=60 ! video/x-raw,width=320,height=180,framerate=30/1 ! \
                 x264enc key-int-max=30 bitrate=500 ! h264parse ! mux. \
                 audiotestsrc num-buffers=86 samplesperbuffer=1024 ! audio/x-raw,rate=44100,channels=2 ! \
                 avenc_aac ! aacparse ! mux."
            ),
        );
        let Told::Asked(request) = server.next().await else {
            panic!("nobody asked");
        };
        assert_eq!((request.channel.as_str(), request.key.as_str()), ("x", KEY));
        let (events, ended) = server.until_ended().await;
        let output = timeout(SOON, encoder.wait_with_output())
            .await
            .unwrap()
            .unwrap();
        assert!(output.status.success(), "{sink}, {ended}: {output:?}");
        assert_eq!(units(&events, Track::Video).len(), 60, "{sink}");
        assert!(units(&events, Track::Audio).len() >= 80, "{sink}");
    }
}

/// What a real encoder sends, to be sent on.
async fn recorded() -> Vec<MediaEvent> {
    let mut server = Server::plain().await;
    let url = server.url(&format!("live/{KEY}"));
    let _encoder = ffmpeg(&format!(
        "{PICTURE} {SOUND} -t 3 {H264} -c:a aac -ar 48000 -f flv {url}"
    ));
    server.until_ended().await.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_destination_gets_every_unit_at_its_time() {
    let events = recorded().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("got.flv");
    let port = free_port();
    let mut destination = ffmpeg(&format!(
        "-listen 1 -f flv -i rtmp://127.0.0.1:{port}/live/key -c copy -copyts -f flv {}",
        file.display()
    ));
    let target = Target::parse(&format!("rtmp://127.0.0.1:{port}/live"), "key").unwrap();
    let tls = tls_config(None).unwrap();
    let mut publisher = timeout(SOON, async {
        loop {
            match Publisher::connect(&target, &Deadlines::default(), &tls).await {
                Ok(publisher) => return publisher,
                Err(error) => assert!(!error.terminal(), "{error}"),
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    for event in &events {
        publisher.send(event).await.unwrap();
    }
    assert!(publisher.stats().sent_bytes > 100_000);
    publisher.close().await;
    assert!(
        timeout(SOON, destination.wait())
            .await
            .unwrap()
            .unwrap()
            .success()
    );

    let wanted: Vec<(i64, i64, usize)> = units(&events, Track::Video)
        .iter()
        .map(|unit| {
            let begin = units(&events, Track::Video)[0]
                .dts
                .min(units(&events, Track::Audio)[0].dts);
            (
                (unit.dts - begin) / 1_000_000,
                (unit.pts - begin) / 1_000_000,
                unit.data.len(),
            )
        })
        .collect();
    let probe = ffprobe(
        &file,
        "-select_streams v -show_entries packet=dts,pts,size -of csv=p=0",
    )
    .await;
    let got: Vec<(i64, i64, usize)> = probe
        .lines()
        .map(|line| {
            let mut fields = line.split(',').map(|f| f.trim().parse::<i64>().unwrap());
            let (pts, dts, size) = (
                fields.next().unwrap(),
                fields.next().unwrap(),
                fields.next().unwrap(),
            );
            (dts, pts, usize::try_from(size).unwrap())
        })
        .collect();
    assert_eq!(got, wanted);
    let streams = ffprobe(
        &file,
        "-show_entries stream=codec_name,width,sample_rate -of csv=p=0",
    )
    .await;
    assert!(streams.contains("h264,320"), "{streams}");
    assert!(streams.contains("aac,48000"), "{streams}");
}
