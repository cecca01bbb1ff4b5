//! The OpenAPI 3.1 document, made from the protos (comments included) and the table of roles when it is first asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use bytes::Bytes;
use http::Response;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
};
use serde_json::{Map, Value, json};
use tonic::body::Body;
use tracing::error;

use super::SAFE;
use super::connect;
use crate::grpc::auth::{Least, TABLE};

const PACKAGE: &str = "booth.v1";

/// The numbers of fields in descriptors, which comments are found by (`google/protobuf/descriptor.proto`).
mod number {
    pub const MESSAGE: i32 = 4;
    pub const ENUM: i32 = 5;
    pub const SERVICE: i32 = 6;
    pub const METHOD: i32 = 2;
    pub const FIELD: i32 = 2;
    pub const NESTED: i32 = 3;
    pub const NESTED_ENUM: i32 = 4;
    pub const VALUE: i32 = 2;
}

/// `/openapi.json`. It tells nothing of this server but what it can be asked, so it needs no token.
pub fn answer() -> Response<Body> {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());
    connect::whole("application/json", DOCUMENT.clone())
}

pub fn document() -> Value {
    let set = FileDescriptorSet::decode(booth_proto::DESCRIPTORS).unwrap_or_else(|error| {
        error!(%error, "descriptors");
        FileDescriptorSet::default()
    });
    let files = || set.file.iter().filter(|file| file.package() == PACKAGE);
    let requests: BTreeSet<&str> = files()
        .flat_map(|file| &file.service)
        .flat_map(|service| &service.method)
        .map(|method| named(method.input_type()))
        .collect();
    let messages: BTreeMap<String, &DescriptorProto> = files()
        .flat_map(|file| &file.message_type)
        .map(|message| (format!("{PACKAGE}.{}", message.name()), message))
        .collect();
    let (mut paths, mut schemas, mut tags) = (tiles(), wellknown(), Vec::new());
    for file in files() {
        let notes = Notes::of(file);
        for (n, message) in (0..).zip(&file.message_type) {
            let name = format!("{PACKAGE}.{}", message.name());
            let closed = requests.contains(name.as_str());
            notes.message(&mut schemas, &name, message, &[number::MESSAGE, n], closed);
        }
        for (n, found) in (0..).zip(&file.enum_type) {
            let name = format!("{PACKAGE}.{}", found.name());
            schemas.insert(name, notes.choice(found, &[number::ENUM, n]));
        }
        for (n, service) in (0..).zip(&file.service) {
            let at = [number::SERVICE, n];
            tags.push(json!({ "name": service.name(), "description": notes.at(&at) }));
            for (m, method) in (0..).zip(&service.method) {
                let note = notes.at(&[at.as_slice(), &[number::METHOD, m]].concat());
                let path = format!("/{PACKAGE}.{}/{}", service.name(), method.name());
                let asked = messages.get(named(method.input_type()));
                let operation = operation(service, method, &path, note, asked.copied());
                paths.insert(path, operation);
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "booth",
            "version": "v1",
            "summary": "Callers, slots and channels of a call-in broadcast.",
            "description": "Unary calls in Connect's form: POST, JSON in and out. The same API speaks gRPC and gRPC-web. \
                Mutations carry `requestId` (a repeat gets the first answer) and may carry `expectedRevision` (409 on a mismatch).",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "bearer": [] }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Error": {
                    "description": "A refusal or a failure; `details[0].debug.reason` is stable.",
                    "content": { "application/json": { "schema": reference("connect.Error") } },
                },
            },
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "link": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "token",
                    "description": "A short-lived token made by GetLinkToken.",
                },
            },
        },
    })
}

/// `.booth.v1.Slot` without its dot.
fn named(name: &str) -> &str {
    name.trim_start_matches('.')
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn json_body(name: &str) -> Value {
    json!({ "application/json": { "schema": reference(name) } })
}

fn operation(
    service: &ServiceDescriptorProto,
    method: &MethodDescriptorProto,
    path: &str,
    note: String,
    asked: Option<&DescriptorProto>,
) -> Value {
    let answer = named(method.output_type());
    let mut description = note;
    if let Some(role) = least(path) {
        if !description.is_empty() {
            description.push_str("\n\n");
        }
        description.push_str(&format!("Least role: {role}."));
    }
    let mut operation = json!({
        "operationId": format!("{}_{}", service.name(), method.name()),
        "tags": [service.name()],
        "description": description,
        "responses": { "default": { "$ref": "#/components/responses/Error" } },
    });
    let by_address = SAFE.contains(&path);
    operation["responses"]["200"] = if method.server_streaming() {
        json!({
            "description": format!("Server-sent events; the data of each is a `{answer}` in JSON, of the last (`end`) an error or `{{}}`."),
            "content": { "text/event-stream": { "schema": { "type": "string" }, "x-data": reference(answer) } },
        })
    } else {
        json!({ "description": "Done.", "content": json_body(answer) })
    };
    if by_address {
        let fields = asked.iter().flat_map(|asked| &asked.field);
        let fields = fields.map(
            |field| json!({ "name": field.json_name(), "in": "query", "schema": schema(field) }),
        );
        operation["parameters"] = fields.collect();
        operation["security"] = json!([{ "bearer": [] }, { "link": [] }]);
        json!({ "get": operation })
    } else {
        operation["requestBody"] =
            json!({ "required": true, "content": json_body(named(method.input_type())) });
        json!({ "post": operation })
    }
}

/// The role that a method asks for, as `Operator.role` has it.
fn least(path: &str) -> Option<String> {
    let (_, least) = TABLE.iter().find(|(known, _)| *known == path)?;
    match least {
        Least::Open => None,
        Least::Role(role) => Some(format!("ROLE_{role:?}").to_uppercase()),
    }
}

/// Comments by the place they stand at.
struct Notes(BTreeMap<Vec<i32>, String>);

impl Notes {
    fn of(file: &FileDescriptorProto) -> Self {
        let places = file.source_code_info.iter().flat_map(|info| &info.location);
        let notes = places.filter_map(|place| {
            let lines: Vec<&str> = [place.leading_comments(), place.trailing_comments()]
                .into_iter()
                .flat_map(str::lines)
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect();
            (!lines.is_empty()).then(|| (place.path.clone(), lines.join(" ")))
        });
        Self(notes.collect())
    }

    fn at(&self, path: &[i32]) -> String {
        self.0.get(path).cloned().unwrap_or_default()
    }

    fn message(
        &self,
        schemas: &mut Map<String, Value>,
        name: &str,
        message: &DescriptorProto,
        at: &[i32],
        closed: bool,
    ) {
        let mut fields = Map::new();
        for (n, field) in (0..).zip(&message.field) {
            let mut schema = schema(field);
            let mut note = self.at(&[at, &[number::FIELD, n]].concat());
            let choice = field.oneof_index.filter(|_| !field.proto3_optional());
            if let Some(choice) = choice.and_then(|n| usize::try_from(n).ok()) {
                let others = message.field.iter().filter(|other| {
                    other.oneof_index == field.oneof_index && other.name != field.name
                });
                let others: Vec<_> = others
                    .map(|other| format!("`{}`", other.json_name()))
                    .collect();
                let choice = message
                    .oneof_decl
                    .get(choice)
                    .map_or("", |choice| choice.name());
                note.push_str(&format!(
                    " ({choice}: not together with {})",
                    others.join(", ")
                ));
            }
            if !note.is_empty() {
                schema["description"] = note.trim().into();
            }
            fields.insert(field.json_name().to_owned(), schema);
        }
        let mut schema = json!({ "type": "object", "properties": fields });
        let note = self.at(at);
        if !note.is_empty() {
            schema["description"] = note.into();
        }
        // Requests with a field that is not known are refused.
        if closed {
            schema["additionalProperties"] = false.into();
        }
        schemas.insert(name.to_owned(), schema);
        for (n, nested) in (0..).zip(&message.nested_type) {
            let at = [at, &[number::NESTED, n]].concat();
            self.message(
                schemas,
                &format!("{name}.{}", nested.name()),
                nested,
                &at,
                false,
            );
        }
        for (n, nested) in (0..).zip(&message.enum_type) {
            let at = [at, &[number::NESTED_ENUM, n]].concat();
            schemas.insert(
                format!("{name}.{}", nested.name()),
                self.choice(nested, &at),
            );
        }
    }

    fn choice(&self, found: &EnumDescriptorProto, at: &[i32]) -> Value {
        let names: Vec<&str> = found.value.iter().map(|value| value.name()).collect();
        let mut lines = vec![self.at(at)];
        for (n, value) in (0..).zip(&found.value) {
            let note = self.at(&[at, &[number::VALUE, n]].concat());
            if !note.is_empty() {
                lines.push(format!("- `{}`: {note}", value.name()));
            }
        }
        let mut schema = json!({ "type": "string", "enum": names });
        let note = lines.join("\n").trim().to_owned();
        if !note.is_empty() {
            schema["description"] = note.into();
        }
        schema
    }
}

/// A field in proto3's JSON mapping.
fn schema(field: &FieldDescriptorProto) -> Value {
    let one = match field.r#type() {
        Type::Bool => json!({ "type": "boolean" }),
        Type::String => json!({ "type": "string" }),
        Type::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Type::Float => json!({ "type": "number", "format": "float" }),
        Type::Double => json!({ "type": "number", "format": "double" }),
        Type::Int32 | Type::Sint32 | Type::Sfixed32 => {
            json!({ "type": "integer", "format": "int32" })
        }
        Type::Uint32 | Type::Fixed32 => {
            json!({ "type": "integer", "format": "int64", "minimum": 0 })
        }
        // JSON's numbers lose what is beyond 2^53: answers have texts, requests may have either.
        Type::Int64 | Type::Sint64 | Type::Sfixed64 => {
            json!({ "type": ["string", "integer"], "format": "int64" })
        }
        Type::Uint64 | Type::Fixed64 => {
            json!({ "type": ["string", "integer"], "format": "uint64" })
        }
        Type::Message | Type::Group | Type::Enum => reference(named(field.type_name())),
    };
    match field.label() {
        Label::Repeated => json!({ "type": "array", "items": one }),
        Label::Optional | Label::Required => one,
    }
}

/// What the protos take from elsewhere, and Connect's error.
fn wellknown() -> Map<String, Value> {
    let schemas = json!({
        "google.protobuf.Timestamp": { "type": "string", "format": "date-time" },
        "google.protobuf.Duration": {
            "type": "string",
            "pattern": "^-?[0-9]+(\\.[0-9]{1,9})?s$",
            "description": "Seconds: `90s`, `0.5s`.",
        },
        "connect.Error": {
            "type": "object",
            "required": ["code"],
            "properties": {
                "code": { "type": "string", "description": "`not_found`, `permission_denied`, …" },
                "message": { "type": "string", "description": "For people; may change." },
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["type", "value"],
                        "properties": {
                            "type": { "type": "string", "description": "`google.rpc.ErrorInfo`, `google.rpc.BadRequest`" },
                            "value": { "type": "string", "contentEncoding": "base64" },
                            "debug": { "type": "object", "description": "The detail in JSON: `reason`, `domain`, `metadata`." },
                        },
                    },
                },
            },
        },
    });
    match schemas {
        Value::Object(schemas) => schemas,
        _ => Map::new(),
    }
}

/// What is no RPC.
fn tiles() -> Map<String, Value> {
    let tile = |id: &str, noun: &str, content_type: &str, description: &str| {
        json!({ "get": {
            "operationId": id,
            "tags": ["tiles"],
            "description": format!("{description}\n\nLeast role: ROLE_VIEWER."),
            "security": [{ "bearer": [] }, { "link": [] }],
            "parameters": [{ "name": noun, "in": "path", "required": true, "schema": { "type": "string" } }],
            "responses": {
                "200": {
                    "description": "A picture of 320x180 (a caller's: at most).",
                    "content": { content_type: { "schema": { "type": "string", "contentMediaType": content_type } } },
                },
                "304": { "description": "Still the one of `If-None-Match`." },
                "default": { "$ref": "#/components/responses/Error" },
            },
        }})
    };
    [
        (
            "/tiles/slots/{slot}.png",
            tile(
                "slotTile",
                "slot",
                "image/png",
                "What the slot shows, with its state in words: a tally.",
            ),
        ),
        (
            "/tiles/callers/{caller}.jpg",
            tile(
                "callerTile",
                "caller",
                "image/jpeg",
                "The caller's picture, or name and state in words while nothing is decoded.",
            ),
        ),
    ]
    .into_iter()
    .map(|(path, tile)| (path.to_owned(), tile))
    .collect()
}
