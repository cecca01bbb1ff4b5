//! The OpenAPI document against the descriptors, and against what the server really answers.

use std::collections::BTreeSet;

use http::Request;
use serde_json::{Value, json};

use super::Booth;
use super::json::{ask, post, rpcs};
use crate::grpc::gateway::openapi::document;

async fn served(booth: &Booth) -> Value {
    // Without a token: it tells nothing of this server.
    let request = Request::builder()
        .uri("/openapi.json")
        .header("host", "booth");
    ask(booth, request, "").await.json()
}

#[tokio::test]
async fn it_is_openapi_3_1_with_every_rpc() {
    let booth = Booth::start().await;
    let document = served(&booth).await;
    assert_eq!(document["openapi"], "3.1.0");
    for key in ["title", "version"] {
        assert!(document["info"][key].is_string());
    }
    let paths = document["paths"].as_object().unwrap();
    let mut operations = BTreeSet::new();
    for (path, streams) in rpcs() {
        let safe = path.contains("WatchService");
        let verb = if safe { "get" } else { "post" };
        let operation = &paths[&path][verb];
        let content = &operation["responses"]["200"]["content"];
        if streams {
            assert!(content["text/event-stream"].is_object(), "{path}");
        } else {
            assert!(
                content["application/json"]["schema"]["$ref"].is_string(),
                "{path}"
            );
            let asked = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            assert!(asked.is_string(), "{path}");
        }
        assert!(operation["responses"]["default"].is_object(), "{path}");
        assert!(
            operations.insert(operation["operationId"].as_str().unwrap()),
            "{path}"
        );
    }
    let others: Vec<_> = paths
        .keys()
        .filter(|path| !path.starts_with("/booth.v1."))
        .collect();
    assert_eq!(
        others,
        ["/tiles/callers/{caller}.jpg", "/tiles/slots/{slot}.png"]
    );
    assert_eq!(paths.len(), rpcs().len() + 2);
}

/// Every `$ref` in it.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    // Told by their fields, in the address.
    let by_address = ["booth.v1.WatchRequest", "booth.v1.WatchMetersRequest"];
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        let at = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(at).is_some(), "{reference}");
    }
    for name in document["components"]["schemas"]
        .as_object()
        .unwrap()
        .keys()
    {
        let reference = format!("#/components/schemas/{name}");
        let used = found.contains(reference.as_str());
        assert_ne!(used, by_address.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn comments_roles_and_kinds_of_fields_are_in_it() {
    let document = document();
    let operation = &document["paths"]["/booth.v1.SlotService/TakeSlot"]["post"];
    let text = operation["description"].as_str().unwrap();
    assert!(text.contains("Puts a caller on the slot."), "{text}");
    assert!(text.contains("ROLE_OPERATOR"), "{text}");
    let schemas = &document["components"]["schemas"];
    let take = &schemas["booth.v1.TakeSlotRequest"];
    assert_eq!(take["additionalProperties"], false);
    let fields = &take["properties"];
    assert_eq!(fields["override"]["type"], "boolean");
    assert_eq!(
        fields["expectedRevision"]["type"],
        json!(["string", "integer"])
    );
    assert_eq!(
        fields["transition"]["$ref"],
        "#/components/schemas/booth.v1.Transition"
    );
    let next = fields["next"]["description"].as_str().unwrap();
    assert!(
        next.contains("The first READY caller") && next.contains("not together with `caller`"),
        "{next}"
    );
    let slot = &schemas["booth.v1.Slot"];
    assert!(slot.get("additionalProperties").is_none());
    assert_eq!(
        slot["properties"]["showing"]["$ref"],
        "#/components/schemas/booth.v1.Slot.Showing"
    );
    let showing = schemas["booth.v1.Slot.Showing"]["enum"].as_array().unwrap();
    assert!(showing.contains(&json!("SHOWING_FROZEN")));
    assert_eq!(
        schemas["booth.v1.Tile"]["properties"]["jpeg"]["contentEncoding"],
        "base64"
    );
    assert_eq!(
        schemas["booth.v1.Snapshot"]["properties"]["slots"]["type"],
        "array"
    );
    let parameters = document["paths"]["/booth.v1.WatchService/Watch"]["get"]["parameters"]
        .as_array()
        .unwrap();
    let names: Vec<_> = parameters
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["since", "show", "heartbeatS"]);
}

/// Whether a value is what a schema says: as much of JSON Schema as the document uses.
#[track_caller]
fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let found = document.pointer(&reference[1..]).unwrap();
        return conforms(document, found, value, at);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
        other => panic!("{at}: {other}"),
    };
    let kind = match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) if kinds.contains(&"number") => "number",
        Value::Number(_) => "integer",
        Value::Null => "null",
    };
    assert!(kinds.contains(&kind), "{at}: {value} is not {kinds:?}");
    if let Some(names) = schema["enum"].as_array() {
        assert!(names.contains(value), "{at}: {value}");
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let known = &schema["properties"][name];
                // Details are told in a form of their own.
                if !known.is_null() {
                    conforms(document, known, field, &format!("{at}.{name}"));
                } else {
                    assert!(
                        schema.get("properties").is_none(),
                        "{at}.{name} is not in the schema"
                    );
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                conforms(document, &schema["items"], item, at);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn what_the_server_answers_is_what_it_says() {
    let booth = Booth::start().await;
    booth.worker("1").await;
    booth.caller("c1", "Bravo").await;
    let document = served(&booth).await;
    let (mut good, mut refused) = (0, 0);
    let with_names = json!({ "name": "slots/1" });
    for (path, streams) in rpcs() {
        for body in [json!({}), with_names.clone()] {
            // Deleting what others ask for is not part of it.
            if streams || path.contains("Delete") {
                continue;
            }
            let answer = post(&booth, &path, &body).await;
            let responses = &document["paths"][&path]["post"]["responses"];
            let schema = if answer.status.is_success() {
                good += 1;
                responses["200"]["content"]["application/json"]["schema"].clone()
            } else {
                refused += 1;
                json!({ "$ref": "#/components/schemas/connect.Error" })
            };
            conforms(&document, &schema, &answer.json(), &path);
        }
    }
    assert!(good > 10 && refused > 50, "{good} {refused}");
}
