use std::collections::BTreeSet;

use booth_core::Role;
use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};

use super::{ADMIN, Booth, admin, assert_refused, bearing, reason};
use crate::grpc::auth::{Least, TABLE};
use booth_proto::v1;

/// Messages as the bytes they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}
impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}
impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Calls any method with these bytes for its message; gives the beginning of the answer.
pub async fn call(
    booth: &Booth,
    path: &'static str,
    token: Option<&str>,
    body: Bytes,
) -> Result<(), Status> {
    let mut client = tonic::client::Grpc::new(booth.channel());
    client.ready().await.unwrap();
    let request = match token {
        Some(token) => bearing(token, body),
        None => Request::new(body),
    };
    let path = http::uri::PathAndQuery::from_static(path);
    client
        .server_streaming(request, path, Raw)
        .await
        .map(|_| ())
}

#[test]
fn every_rpc_has_its_least_role_and_the_table_names_no_other() {
    let sets = [
        booth_proto::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let mut rpcs = BTreeSet::new();
    for set in sets {
        let set = prost_types::FileDescriptorSet::decode(set).unwrap();
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    rpcs.insert(format!(
                        "/{}.{}/{}",
                        file.package(),
                        service.name(),
                        method.name()
                    ));
                }
            }
        }
    }
    assert!(rpcs.contains("/booth.v1.SlotService/TakeSlot"));
    let table: BTreeSet<String> = TABLE.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(table.len(), TABLE.len(), "a method is in the table twice");
    assert_eq!(rpcs, table);
}

#[tokio::test]
async fn each_method_opens_to_its_least_role_and_to_nobody_below() {
    let booth = Booth::start().await;
    let roles = [
        ("vera", Role::Viewer),
        ("sam", Role::Screener),
        ("otto", Role::Operator),
        (ADMIN, Role::Admin),
    ];
    for (name, role) in &roles[..3] {
        booth.operator(name, *role, name).await;
    }
    for (path, least) in TABLE {
        let needed = match least {
            Least::Open => {
                let answer = call(&booth, path, None, Bytes::new()).await;
                let code = answer.map_or_else(|s| s.code(), |()| Code::Ok);
                assert!(
                    !matches!(code, Code::Unauthenticated | Code::PermissionDenied),
                    "{path}: {code:?}"
                );
                continue;
            }
            Least::Role(needed) => *needed,
        };
        let status = call(&booth, path, None, Bytes::new()).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unauthenticated, "TOKEN_MISSING"),
            "{path}"
        );
        let status = call(&booth, path, Some("guess"), Bytes::new())
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unauthenticated, "TOKEN_UNKNOWN"),
            "{path}"
        );
        for (token, role) in &roles {
            let answer = call(&booth, path, Some(token), Bytes::new()).await;
            let code = answer.as_ref().map_or_else(Status::code, |()| Code::Ok);
            if *role < needed {
                let status = answer.unwrap_err();
                assert_eq!(
                    (code, reason(&status).as_str()),
                    (Code::PermissionDenied, "ROLE_TOO_LOW"),
                    "{path}"
                );
                let named = format!("{needed:?}");
                assert!(
                    status.message().contains(&named),
                    "{path}: {}",
                    status.message()
                );
            } else {
                assert!(
                    !matches!(
                        code,
                        Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented
                    ),
                    "{path} as {role:?}: {answer:?}"
                );
            }
        }
    }
}

#[test]
fn what_each_role_is_for() {
    let least = |path: &str| {
        TABLE
            .iter()
            .find(|(known, _)| known.ends_with(path))
            .unwrap()
            .1
    };
    for (path, role) in [
        ("SlotService/ListSlots", Role::Viewer),
        ("CallerService/ApproveCaller", Role::Screener),
        ("CallerService/ChatCaller", Role::Screener),
        ("SlotService/TakeSlot", Role::Operator),
        ("SlotService/GetSlotAddress", Role::Operator),
        ("CallerService/CreateInvite", Role::Operator),
        ("ChannelService/GetChannelAddress", Role::Viewer),
        ("ChannelService/ForceChannel", Role::Operator),
        ("ChannelService/RotateChannelKey", Role::Operator),
        ("ChannelService/CheckBackup", Role::Operator),
        ("DestinationService/ListDestinations", Role::Viewer),
        ("DestinationService/RevealDestinationKey", Role::Operator),
        ("OperatorService/CreateOperator", Role::Admin),
        ("SystemService/Backup", Role::Admin),
    ] {
        assert_eq!(least(path), Least::Role(role), "{path}");
    }
}

#[tokio::test]
async fn a_token_is_taken_only_as_a_bearer() {
    let booth = Booth::start().await;
    for value in [
        "",
        ADMIN,
        "Bearer",
        "Bearer ",
        "Basic the-admin-token",
        &format!("Bearer {}", "x".repeat(600)),
    ] {
        let mut request = Request::new(v1::WhoAmIRequest {});
        request
            .metadata_mut()
            .insert("authorization", value.parse().unwrap());
        assert_refused(
            booth.operators().who_am_i(request).await,
            Code::Unauthenticated,
            "TOKEN_MISSING",
        );
    }
    let mut request = Request::new(v1::WhoAmIRequest {});
    request
        .metadata_mut()
        .insert("authorization", format!("bearer  {ADMIN}").parse().unwrap());
    let me = booth
        .operators()
        .who_am_i(request)
        .await
        .unwrap()
        .into_inner()
        .operator
        .unwrap();
    assert_eq!(
        (me.name.as_str(), me.role()),
        ("operators/admin", v1::Role::Admin)
    );
}

#[tokio::test]
async fn the_actor_of_a_change_is_who_the_token_belongs_to() {
    let booth = Booth::start().await;
    booth.operator("sam", Role::Screener, "sam").await;
    booth.caller("c1", "Bravo").await;
    let name = "shows/-/callers/c1".to_owned();
    let note = v1::NoteCallerRequest {
        name,
        text: "good story".into(),
        ..Default::default()
    };
    let caller = booth
        .callers()
        .note_caller(bearing("sam", note))
        .await
        .unwrap()
        .into_inner()
        .caller
        .unwrap();
    assert_eq!(caller.notes[0].operator, "operators/sam");
}

#[tokio::test]
async fn health_is_open_and_reflection_lists_the_services() {
    let booth = Booth::start().await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(booth.channel());
    for service in ["", "booth.v1.SlotService", "booth.v1.ChannelService"] {
        let check = tonic_health::pb::HealthCheckRequest {
            service: service.into(),
        };
        let status = health.check(check).await.unwrap().into_inner().status();
        assert_eq!(
            status,
            tonic_health::pb::health_check_response::ServingStatus::Serving
        );
    }

    use tonic_reflection::pb::v1 as reflection;
    let mut client =
        reflection::server_reflection_client::ServerReflectionClient::new(booth.channel());
    let list = reflection::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            reflection::server_reflection_request::MessageRequest::ListServices(String::new()),
        ),
    };
    let asked = admin(futures_util::stream::iter([list]));
    let mut answers = client
        .server_reflection_info(asked)
        .await
        .unwrap()
        .into_inner();
    let answer = answers
        .message()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    let reflection::server_reflection_response::MessageResponse::ListServicesResponse(list) =
        answer
    else {
        panic!("{answer:?}");
    };
    let names: Vec<_> = list.service.into_iter().map(|s| s.name).collect();
    for noun in [
        "Show",
        "Caller",
        "Slot",
        "Channel",
        "Destination",
        "Operator",
        "System",
        "Watch",
    ] {
        assert!(
            names.contains(&format!("booth.v1.{noun}Service")),
            "{names:?}"
        );
    }
}
