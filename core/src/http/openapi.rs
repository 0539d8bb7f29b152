//! `GET /openapi.json`: the routes of the listener it is asked on, as an OpenAPI 3.1 document, made of what each route
//! says about itself ([`Doc`](super::route::Doc)) and what the mux adds to every one: who is let in, how it refuses. Routes
//! of plugins are in it while they are registered. It is open: it says nothing that trying would not.
use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    admin,
    answer::{Answer, HandlerError},
    auth::Auth,
    call::Call,
    listener::{Listener, Listeners},
    native::{Book, Native},
    refusal::Style,
    route::Route,
    url::base_url,
};

/// Its route.
pub fn routes(book: &mut Book) {
    let everywhere = Listeners::TAK | Listeners::REST | Listeners::ADMIN;
    book.on(Method::GET, "/openapi.json", everywhere, Auth::Open, document)
        .about("This document")
        .answers(200, "application/json");
}

fn document(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let mut paths = BTreeMap::<String, Map<String, Value>>::new();
    let mut put = |method: &str, path: String, operation: Value| {
        paths.entry(path).or_default().insert(method.to_ascii_lowercase(), operation);
    };
    for (owner, route) in native.mux.described(&call.listener) {
        put(route.method.as_str(), plain(&route.text), operation(&call.listener, &owner, &route));
    }
    if call.listener == Listener::Admin {
        for (method, path, about, kind) in admin::DESCRIBED {
            put(method, (*path).to_owned(), administration(method, path, about, kind));
        }
    }
    let config = native.config();
    let schemes = json!({
        "certificate": {"type": "mutualTLS", "description": "a client certificate of this server"},
        "password": {"type": "http", "scheme": "basic"},
        "token": {"type": "http", "scheme": "bearer"},
    });
    Ok(Answer::json(&json!({
        "openapi": "3.1.0",
        "info": {"title": config.server.name, "version": env!("CARGO_PKG_VERSION")},
        "servers": [{"url": base_url(native, &call)}],
        "paths": paths,
        "components": {"securitySchemes": schemes},
    })))
}

/// `{name*}` is a parameter like others there.
fn plain(pattern: &str) -> String {
    pattern.replace("*}", "}")
}

fn operation(listener: &Listener, owner: &str, route: &Route) -> Value {
    let doc = &route.doc;
    let summary = match doc.summary {
        "" => format!("A route of {owner}"),
        said => said.to_owned(),
    };
    let names = route.text.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'));
    let in_path = names.map(|n| {
        json!({"name": n.trim_end_matches('*'), "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}})
    });
    let in_query = doc.query.iter().map(
        |(name, kind, required)| json!({"name": name, "in": "query", "required": required, "schema": {"type": kind}}),
    );
    let parameters: Vec<_> = in_path.chain(in_query).collect();
    let mut operation = json!({
        "operationId": id(&route.method, &route.text),
        "summary": summary,
        "tags": [owner],
        "parameters": parameters,
        "responses": responses(listener, route),
        "security": security(listener, route),
        "x-auth": route.auth.to_string(),
        "x-enrolls": route.enrolls,
    });
    if !doc.takes.is_empty() {
        operation["requestBody"] = body(route);
    }
    operation
}

fn body(route: &Route) -> Value {
    let mut content = Map::new();
    if route.upload.is_empty() {
        let schema = if route.doc.takes.starts_with("text/") { json!({"type": "string"}) } else { json!({}) };
        content.insert(route.doc.takes.to_owned(), json!({"schema": schema}));
    } else {
        let file = json!({"type": "string", "contentMediaType": "application/octet-stream"});
        let parts: Map<_, _> = route.upload.iter().map(|name| ((*name).to_owned(), file.clone())).collect();
        content.insert("multipart/form-data".into(), json!({"schema": {"type": "object", "properties": parts}}));
        content.insert("application/octet-stream".into(), json!({"schema": {}}));
    }
    json!({"content": content})
}

/// What a route names, and what the mux may answer instead.
fn responses(listener: &Listener, route: &Route) -> Value {
    let mut all = BTreeMap::<String, Map<String, Value>>::new();
    for (status, kind) in &route.doc.answers {
        let content = all.entry(status.to_string()).or_default();
        if !kind.is_empty() {
            content.insert((*kind).to_owned(), json!({}));
        }
    }
    let takes = !route.doc.takes.is_empty();
    let style = Style::of(listener, &route.text);
    let refuses = [
        (400, takes),
        (401, route.auth != Auth::Open),
        (403, route.auth != Auth::Open),
        (404, route.text.contains('{')),
        (408, takes),
        (413, takes),
        (415, true),
        (429, route.auth != Auth::Open),
        (503, true),
        (504, true),
    ];
    for (status, _) in refuses.iter().filter(|(_, may)| *may) {
        let status = StatusCode::from_u16(*status).unwrap_or_default();
        let kind = style.body(status, "").0;
        let kind = kind.to_str().unwrap_or_default().to_owned();
        all.entry(status.as_str().to_owned()).or_insert_with(|| [(kind, json!({}))].into_iter().collect());
    }
    let described = |(status, content): (String, Map<String, Value>)| {
        let reason = status.parse().ok().and_then(|s| StatusCode::from_u16(s).ok());
        let reason = reason.and_then(|s| s.canonical_reason()).unwrap_or("answer");
        let mut response = json!({"description": reason});
        if !content.is_empty() {
            response["content"] = Value::Object(content);
        }
        (status, response)
    };
    let mut all: Map<String, Value> = all.into_iter().map(described).collect();
    if route.doc.answers.is_empty() {
        all.insert("default".into(), json!({"description": "whatever the plugin answers"}));
    }
    Value::Object(all)
}

fn security(listener: &Listener, route: &Route) -> Value {
    if route.auth == Auth::Open {
        return json!([]);
    }
    match listener {
        Listener::MartiHttp => json!([{}, {"password": []}]),
        Listener::MartiHttps => json!([{"certificate": []}, {"token": []}]),
        Listener::Enrollment if route.enrolls => json!([{"password": []}, {"token": []}]),
        Listener::Enrollment | Listener::Rest | Listener::Admin | Listener::Own(_) => json!([{"token": []}]),
    }
}

fn administration(method: &str, path: &str, about: &str, kind: &str) -> Value {
    let open = !path.starts_with("/admin/");
    let message = json!({"description": "refused", "content": {"application/json": {}}});
    let mut responses = Map::new();
    let content = if kind.is_empty() { json!({}) } else { json!({kind: {}}) };
    responses.insert("200".into(), json!({"description": "OK", "content": content}));
    for status in ["400", "401", "403", "404", "503"] {
        responses.insert(status.into(), message.clone());
    }
    let names = path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<_> =
        names.map(|n| json!({"name": n, "in": "path", "required": true, "schema": {"type": "string"}})).collect();
    json!({
        "operationId": id(&method.parse().unwrap_or_default(), path),
        "summary": about,
        "tags": ["core"],
        "parameters": parameters,
        "responses": responses,
        "security": if open { json!([]) } else { json!([{"token": []}]) },
        "x-auth": if open { Auth::Open } else { Auth::RoleAdmin }.to_string(),
        "x-enrolls": false,
    })
}

/// `get_Marti_api_x_id`.
fn id(method: &Method, pattern: &str) -> String {
    let words = pattern.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    std::iter::once(method.as_str().to_ascii_lowercase()).chain(words.map(str::to_owned)).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
#[path = "openapi_tests.rs"]
mod tests;
