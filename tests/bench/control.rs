//! What the control side costs: a durable command, a restart, a caller who waits.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use booth_proto::v1::caller_service_client::CallerServiceClient;
use booth_proto::v1::{
    CreateInviteRequest, ListSlotsRequest, slot_service_client::SlotServiceClient,
};
use booth_tests::{Booth, usage, wait_for};
use tonic::Request;
use tonic::metadata::MetadataValue;

use crate::table::{Row, percentile};

/// A request that carries the admin's token.
pub fn signed<T>(booth: &Booth, message: T) -> Request<T> {
    let token = std::fs::read_to_string(booth.data().join("admin.token")).unwrap();
    let mut request = Request::new(message);
    let value: MetadataValue<_> = format!("Bearer {}", token.trim()).parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

pub fn address(booth: &Booth) -> String {
    format!("http://127.0.0.1:{}", booth.setup.grpc)
}

const COMMANDS: usize = 1_000;

pub fn acknowledged_command(rows: &mut Vec<Row>) {
    let booth = Booth::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let took: Vec<f64> = runtime.block_on(async {
        let mut client = CallerServiceClient::connect(address(&booth)).await.unwrap();
        let mut took = Vec::new();
        for _ in 0..COMMANDS {
            let request = CreateInviteRequest {
                parent: "shows/main".into(),
                uses: 1,
                ..Default::default()
            };
            let request = signed(&booth, request);
            let began = Instant::now();
            client.create_invite(request).await.unwrap();
            took.push(began.elapsed().as_secs_f64() * 1e3);
        }
        took
    });
    let (p50, p99) = (percentile(&took, 50.0), percentile(&took, 99.0));
    rows.push(Row::goal(
        "command acknowledged (gRPC, fdatasync), p50 / p99",
        format!("{p50:.2} / {p99:.2} ms"),
        "≤ 5 / ≤ 25 ms",
        p50 <= 5.0 && p99 <= 25.0,
    ));

    let mut file = File::create(booth.dir.path().join("fdatasync")).unwrap();
    let took: Vec<f64> = (0..COMMANDS)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[7; 512]).unwrap();
            file.sync_data().unwrap();
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let beside = format!(
        "{:.2} / {:.2} ms",
        percentile(&took, 50.0),
        percentile(&took, 99.0)
    );
    rows.push(Row::beside("write and fdatasync of the same disk", beside));
}

pub fn restart(rows: &mut Vec<Row>) {
    let mut booth = Booth::start();
    booth.wait_for_workers();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let took: Vec<f64> = (0..5)
        .map(|_| {
            booth.kill();
            let began = Instant::now();
            booth.boot();
            runtime.block_on(async {
                let mut client = SlotServiceClient::connect(address(&booth)).await.unwrap();
                client
                    .list_slots(signed(&booth, ListSlotsRequest {}))
                    .await
                    .unwrap();
            });
            began.elapsed().as_secs_f64()
        })
        .collect();
    let worst = took.iter().copied().fold(0.0, f64::max);
    rows.push(Row::goal(
        "boothd killed and started: API answers, p50 / worst of 5",
        format!("{:.2} / {worst:.2} s", percentile(&took, 50.0)),
        "≤ 1 s",
        worst <= 1.0,
    ));
}

const WAITERS: u32 = 50;
const LOOK: Duration = Duration::from_secs(20);

pub fn waiting_callers(rows: &mut Vec<Row>) {
    let booth = Booth::start();
    booth.wait_for_workers();
    let (_, empty) = usage(booth.pid());
    let _demo = booth.demo(WAITERS, &[]);
    wait_for("50 waiting callers", Duration::from_secs(120), || {
        let waiting = booth
            .callers()
            .iter()
            .filter(|c| c["connected"] == true)
            .count();
        (waiting == WAITERS as usize).then_some(())
    });
    // Past the start: handshakes and first key frames are not what waiting costs.
    std::thread::sleep(Duration::from_secs(10));
    let (before, _) = usage(booth.pid());
    std::thread::sleep(LOOK);
    let (after, full) = usage(booth.pid());
    let each = (after - before).as_secs_f64() / LOOK.as_secs_f64() / f64::from(WAITERS) * 100.0;
    let memory = (full.saturating_sub(empty)) as f64 / f64::from(WAITERS) / 1e6;
    rows.push(Row::goal(
        "a caller who waits, at 50: processor / memory",
        format!("{each:.2} % of a core / {memory:.2} MB"),
        "≤ 0.3 % / ≤ 1.5 MB",
        each <= 0.3 && memory <= 1.5,
    ));
}
