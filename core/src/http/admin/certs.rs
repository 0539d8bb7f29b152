//! Certificates for the `fts` command and administrators: the inventory, issuing, revoking, renewing, another CA. Answers of
//! `POST /admin/certs` hold a private key, which is kept nowhere; they are not cached and not logged. Texts of errors name
//! files here: whoever reads them runs the server.
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use base64::{Engine, prelude::BASE64_STANDARD};
use fts_plugin_api::cot::format_time;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::Auth,
        call::Call,
        listener::Listeners,
        marti::tls::actor,
        native::{Book, Native},
    },
    identity::{
        Authority, CertError, Order, Profile, Revoke,
        adopt::Adoption,
        ca::parse,
        checked,
        inventory::{Filter, Record, State},
    },
    observe::clock,
};

/// A folder of certificates fits into it.
const ADOPTION: u64 = 64 << 20;
const SMALL: u64 = 64 << 10;

/// Its routes.
pub fn routes(book: &mut Book) {
    const JSON: &str = "application/json";
    let (get, post) = (Method::GET, Method::POST);
    let here = || (Listeners::ADMIN, Auth::RoleAdmin);
    let (at, who) = here();
    book.on(get.clone(), "/admin/certs", at, who, list)
        .about("Certificates, oldest first")
        .query("state", "string", false)
        .query("user", "string", false)
        .query("cn", "string", false)
        .query("serial", "string", false)
        .answers(200, JSON)
        .answers(400, JSON);
    let (at, who) = here();
    book.on(get.clone(), "/admin/certs/ca", at, who, authorities)
        .about("The certificate authority, and those before it that are still trusted")
        .answers(200, JSON);
    let (at, who) = here();
    book.on(get.clone(), "/admin/certs/crl", at, who, crl).about("The CRL, PEM").answers(200, JSON);
    let (at, who) = here();
    book.on(get, "/admin/certs/{serial}", at, who, one)
        .about("One certificate with its PEM")
        .answers(200, JSON)
        .answers(400, JSON);
    let mut change = |path, endpoint, about, bytes| {
        let (at, who) = here();
        book.on(post.clone(), path, at, who, endpoint)
            .about(about)
            .takes(JSON, bytes)
            .answers(200, JSON)
            .answers(400, JSON);
    };
    change("/admin/certs", issue, "Makes a key and a certificate", SMALL);
    change("/admin/certs/revoke", revoke, "Revokes certificates; their connections end", SMALL);
    change("/admin/certs/renew", renew, "Makes the server's own certificate anew", SMALL);
    change("/admin/certs/rotate", rotate, "Makes a new CA, or ends the trust in those before", SMALL);
    change("/admin/certs/intermediate", intermediate, "Makes an intermediate CA, which signs from now on", SMALL);
    change("/admin/certs/adopt", adopt, "Takes a CA over", ADOPTION);
}

/// With what it really was, for who runs the server.
fn told(error: CertError) -> HandlerError {
    match error {
        CertError::Io { .. } | CertError::Bad { .. } | CertError::Making(_) => {
            HandlerError::internal(error.to_string())
        }
        other => other.into(),
    }
}

/// None at all is an empty object.
fn read<T: serde::de::DeserializeOwned>(call: &Call, limit: u64) -> Result<T, HandlerError> {
    let body = call.body.bytes(limit).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    let text = if body.is_empty() { &b"{}"[..] } else { &body };
    serde_json::from_slice(text).map_err(|e| HandlerError::bad_request(format!("the body must be JSON: {e}")))
}

fn state_of(record: &Record, now: i64) -> &'static str {
    match record {
        Record { revoked_at: Some(_), .. } => "revoked",
        r if r.facts.not_after * 1_000 <= now => "expired",
        Record { replaced_at: Some(_), .. } => "replaced",
        _ => "active",
    }
}

fn item(record: &Record) -> Value {
    json!({
        "id": record.id, "serial": record.facts.serial, "cn": record.facts.common_name, "user": record.user,
        "kind": record.kind, "state": state_of(record, clock::now_ms()), "client_uid": record.client_uid,
        "client_version": record.client_version, "subject": record.facts.subject, "issuer": record.facts.issuer,
        "sha256": record.facts.sha256, "via": record.via, "issued_at": format_time(record.issued_at),
        "not_before": format_time(record.facts.not_before * 1_000), "not_after": format_time(record.facts.not_after * 1_000),
        "revoked_at": record.revoked_at.map(format_time), "reason": record.revoke_reason,
    })
}

fn list(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let text = |name: &str| call.query.get_any_case(name).filter(|v| !v.is_empty()).map(str::to_owned);
    let state = match text("state").as_deref() {
        None | Some("any") => State::Any,
        Some("active") => State::Active,
        Some("replaced") => State::Replaced,
        Some("expired") => State::Expired,
        Some("revoked") => State::Revoked,
        Some(other) => {
            return Err(HandlerError::bad_request(format!(
                "state {other:?}: any, active, replaced, expired or revoked"
            )));
        }
    };
    let serial = text("serial").map(|s| serial(&s)).transpose()?;
    let filter = Filter { state, user: text("user"), cn: text("cn"), serial, ..Filter::default() };
    let found = native.certificates.list(&filter).map_err(told)?;
    Ok(Answer::json(&found.iter().map(item).collect()))
}

fn serial(text: &str) -> Result<String, HandlerError> {
    parse::serial_of_text(text)
        .ok_or_else(|| HandlerError::bad_request(format!("serial {text:?}: hex digits are wanted")))
}

fn one(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted = serial(call.params.get("serial").unwrap_or_default())?;
    let found = native.certificates.list(&Filter { serial: Some(wanted), ..Filter::default() }).map_err(told)?;
    let record = found.first().ok_or_else(|| HandlerError::not_found("no certificate of this serial"))?;
    let mut item = item(record);
    item["pem"] = record.pem.as_str().into();
    Ok(Answer::json(&item))
}

fn about(authority: &Authority) -> Value {
    let one = |f: &parse::Facts| json!({"cn": f.common_name, "serial": f.serial, "sha256": f.sha256, "not_after": format_time(f.not_after * 1_000)});
    let (ca_days, server_days) = authority.days_left();
    json!({
        "authorities": authority.authorities().map(one).collect::<Vec<_>>(), "fingerprint": authority.fingerprint(),
        "ca_days": ca_days, "server_days": server_days, "pem": authority.anchors_pem(),
    })
}

fn authorities(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let authority = native.certificates.authority().map_err(told)?;
    let mut about = about(&authority);
    let trust = authority.truststore(&native.config().packages.password).map_err(told)?;
    about["truststore"] = BASE64_STANDARD.encode(trust).into();
    Ok(Answer::json(&about))
}

fn crl(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    native.certificates.authority().map_err(told)?;
    let text = std::fs::read_to_string(&native.config().tls.crl).map_err(|e| HandlerError::internal(e.to_string()))?;
    Ok(Answer::json(&json!({"pem": text})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    /// `client`, `server` or `federation`.
    #[serde(default)]
    kind: Option<String>,
    /// None = the name, of clients.
    user: Option<String>,
    #[serde(default)]
    client_uid: String,
    /// None = `packages.password`.
    password: Option<String>,
}

fn issue(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted: Wanted = read(&call, SMALL)?;
    let name = wanted.name;
    checked(&name)?;
    let profile = match wanted.kind.as_deref() {
        None | Some("client") => {
            Profile::Client { cn: name.clone(), channels: false, until: None, uid: wanted.client_uid.clone() }
        }
        Some("server") => Profile::Server { cn: name.clone(), names: vec![name.clone()] },
        Some("federation") => Profile::Federation { cn: name.clone(), names: vec![name.clone()] },
        Some(other) => return Err(HandlerError::bad_request(format!("kind {other:?}: client, server or federation"))),
    };
    let nobody = if profile.kind() == "client" { name.clone() } else { String::new() };
    let user = wanted.user.unwrap_or(nobody);
    let password = wanted.password.unwrap_or_else(|| native.config().packages.password.clone());
    let order =
        Order { profile: &profile, user: &user, client_uid: &wanted.client_uid, client_version: "", via: "cli" };
    let issued = native.certificates.issue(&order, &password, &actor(&call)).map_err(told)?;
    let trust = native.certificates.authority().map_err(told)?.truststore(&password).map_err(told)?;
    let answer = json!({
        "name": name, "serial": issued.serial_hex, "not_after": format_time(issued.not_after_ms),
        "cert_pem": issued.cert_pem, "chain_pem": issued.chain_pem, "key_pem": issued.key_pem,
        "p12": BASE64_STANDARD.encode(issued.p12), "truststore": BASE64_STANDARD.encode(trust),
    });
    let no_store = (HeaderName::from_static("cache-control"), HeaderValue::from_static("no-store"));
    Ok(Answer::json(&answer).with(no_store.0, no_store.1))
}

fn revoke(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted: Revoke = read(&call, SMALL)?;
    let revoked = native.certificates.revoke(&wanted, &actor(&call)).map_err(told)?;
    Ok(Answer::json(&json!({"revoked": revoked.iter().map(item).collect::<Vec<_>>()})))
}

fn renew(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let authority = native.certificates.renew(&actor(&call)).map_err(told)?;
    Ok(Answer::json(&about(&authority)))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// Ends one instead of beginning one.
    #[serde(default)]
    finish: bool,
}

fn rotate(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let by = actor(&call);
    if read::<Rotation>(&call, SMALL)?.finish {
        let gone = native.certificates.finish_rotation(&by).map_err(told)?;
        return match gone {
            0 => Err(HandlerError::new(StatusCode::CONFLICT, "there is no earlier CA whose trust could be ended")),
            gone => Ok(Answer::json(&json!({"retired": gone}))),
        };
    }
    let authority = native.certificates.rotate(&by).map_err(told)?;
    Ok(Answer::json(&about(&authority)))
}

fn intermediate(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let (authority, key) = native.certificates.intermediate(&actor(&call)).map_err(told)?;
    let mut about = about(&authority);
    about["root_key"] = json!(key);
    Ok(Answer::json(&about))
}

fn adopt(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let given: Adoption = read(&call, ADOPTION)?;
    let adopted = native.certificates.adopt(&given, &actor(&call)).map_err(told)?;
    Ok(Answer::json(&json!(adopted)))
}
