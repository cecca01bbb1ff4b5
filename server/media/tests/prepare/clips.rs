//! Files made by ffmpeg: each second begins with a tenth of white and of a tone, so that both can be found again.

use std::path::{Path, PathBuf};
use std::process::Command;

#[track_caller]
pub fn ffmpeg(args: &[&str]) {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-nostdin"])
        .args(args)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What a clip is made of.
pub struct Clip {
    pub size: &'static str,
    pub rate: &'static str,
    pub seconds: f64,
    /// Absent for no sound.
    pub sound_s: Option<f64>,
    pub video: &'static [&'static str],
    pub audio: &'static [&'static str],
}

/// H.264 and AAC as the channel of [`crate::rig::Rig::order`] has them.
pub const FITTING: Clip = Clip {
    size: "320x180",
    rate: "30",
    seconds: 3.0,
    sound_s: Some(3.0),
    video: &[
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-profile:v",
        "baseline",
        "-pix_fmt",
        "yuv420p",
        "-g",
        "30",
        "-bf",
        "0",
    ],
    audio: &["-c:a", "aac", "-ac", "2", "-ar", "48000"],
};

impl Clip {
    #[track_caller]
    pub fn make(&self, dir: &Path, name: &str) -> PathBuf {
        self.make_with(dir, name, &[])
    }

    #[track_caller]
    pub fn make_with(&self, dir: &Path, name: &str, more: &[&str]) -> PathBuf {
        let path = dir.join(name);
        let picture = format!(
            "color=c=gray:s={}:r={}:d={},drawbox=w=iw:h=ih:t=fill:c=white:enable='lt(mod(t+0.001,1),0.1)'",
            self.size, self.rate, self.seconds
        );
        let mut args = vec!["-f", "lavfi", "-i", &picture];
        let sound = self.sound_s.map(|seconds| {
            format!("aevalsrc='if(lt(mod(t,1),0.1),0.5*sin(2*PI*1000*t),0)':s=48000:d={seconds}")
        });
        if let Some(sound) = &sound {
            args.extend(["-f", "lavfi", "-i", sound]);
            args.extend(self.audio);
        }
        args.extend(self.video);
        args.extend(more);
        let text = path.display().to_string();
        args.push(&text);
        ffmpeg(&args);
        path
    }
}
