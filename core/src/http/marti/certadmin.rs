//! The certificate inventory for administrators, in TAK Server's shape (identity.md 8.4). The list is the table's; revoking
//! works as everywhere. "Deleting" forgets what has ended; what is still good is revoked and stays in the list, because a
//! row that is gone revokes nothing.
use axum::http::{HeaderName, HeaderValue, Method};
use fts_plugin_api::cot::format_time;
use serde_json::{Value, json};

use super::{envelope, tls::actor};
use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::Auth,
        call::Call,
        listener::Listeners,
        native::{Book, Endpoint, Native},
    },
    identity::{
        Revoke,
        ca::parse,
        inventory::{Filter, Record, State},
    },
};

/// Its routes.
pub fn routes(book: &mut Book) {
    const JSON: &str = "application/json";
    const ROOT: &str = "/Marti/api/certadmin/cert";
    let lists: [(&'static str, Endpoint, &'static str); 5] = [
        (ROOT, all, "All certificates"),
        ("/Marti/api/certadmin/cert/active", active, "Certificates that are good"),
        ("/Marti/api/certadmin/cert/replaced", replaced, "Good ones a newer one of the same device came after"),
        ("/Marti/api/certadmin/cert/expired", expired, "Certificates that have ended"),
        ("/Marti/api/certadmin/cert/revoked", revoked, "Revoked certificates"),
    ];
    for (path, endpoint, about) in lists {
        let page = book.on(Method::GET, path, Listeners::TAK, Auth::RoleAdmin, endpoint).about(about);
        page.query("username", "string", false).answers(200, JSON);
    }
    book.on(Method::GET, "/Marti/api/certadmin/cert/{hash}", Listeners::TAK, Auth::RoleAdmin, one)
        .about("One certificate, by its SHA-256")
        .answers(200, JSON);
    book.on(Method::DELETE, "/Marti/api/certadmin/cert/{hash}", Listeners::TAK, Auth::RoleAdmin, revoke_one)
        .about("Revokes a certificate, by its SHA-256")
        .answers(200, JSON);
    book.on(Method::GET, "/Marti/api/certadmin/cert/{hash}/download", Listeners::TAK, Auth::RoleAdmin, download)
        .about("The certificate as PEM")
        .answers(200, "application/x-pem-file");
    book.on(Method::DELETE, "/Marti/api/certadmin/cert/revoke/{ids}", Listeners::TAK, Auth::RoleAdmin, revoke_many)
        .about("Revokes certificates, by numbers with commas between")
        .answers(200, JSON)
        .answers(400, JSON);
    book.on(Method::DELETE, "/Marti/api/certadmin/cert/delete/{ids}", Listeners::TAK, Auth::RoleAdmin, delete_many)
        .about("Forgets certificates that have ended, and revokes those that have not")
        .answers(200, JSON)
        .answers(400, JSON);
}

fn item(record: &Record) -> Value {
    let der = parse::certificates(&record.pem).into_iter().next().unwrap_or_default();
    let mut item = json!({
        "id": record.id,
        "creatorDn": record.facts.issuer,
        "subjectDn": record.facts.subject,
        "userDn": record.user,
        "certificate": parse::base64_lines(&der),
        "hash": record.facts.sha256,
        "clientUid": record.client_uid,
        "issuanceDate": format_time(record.issued_at),
        "expirationDate": format_time(record.facts.not_after * 1_000),
        "effectiveDate": format_time(record.facts.not_before * 1_000),
        "token": "",
        "serialNumber": record.facts.serial,
    });
    // Left out, not null, as TAK Server does: node-tak's schema demands a text where it is there.
    if let Some(at) = record.revoked_at {
        item["revocationDate"] = format_time(at).into();
    }
    item
}

fn list(native: &Native, call: &Call, state: State) -> Result<Answer, HandlerError> {
    let user = call.query.get_any_case("username").filter(|u| !u.is_empty()).map(str::to_owned);
    let found = native.certificates.list(&Filter { state, user, ..Filter::default() })?;
    Ok(envelope(native, "TakCert", found.iter().map(item).collect()))
}

fn all(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    list(native, &call, State::Any)
}

fn active(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    list(native, &call, State::Active)
}

fn replaced(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    list(native, &call, State::Replaced)
}

fn expired(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    list(native, &call, State::Expired)
}

fn revoked(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    list(native, &call, State::Revoked)
}

fn hash(call: &Call) -> String {
    call.params.get("hash").unwrap_or_default().to_ascii_lowercase()
}

fn by_hash(native: &Native, call: &Call) -> Result<Record, HandlerError> {
    let filter = Filter { sha256: Some(hash(call)), ..Filter::default() };
    let found = native.certificates.list(&filter)?.into_iter().next().filter(|r| !r.facts.sha256.is_empty());
    found.ok_or_else(|| HandlerError::not_found("no certificate of this hash"))
}

fn one(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    Ok(envelope(native, "TakCert", item(&by_hash(native, &call)?)))
}

fn download(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let record = by_hash(native, &call)?;
    let name = HeaderValue::try_from(format!("attachment; filename={}.pem", record.facts.serial))
        .map_err(|e| HandlerError::internal(e.to_string()))?;
    Ok(Answer::bytes("application/x-pem-file", record.pem).with(HeaderName::from_static("content-disposition"), name))
}

fn revoke_one(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let record = by_hash(native, &call)?;
    if record.revoked_at.is_none() {
        native.certificates.revoke(&Revoke { id: Some(record.id), ..Revoke::default() }, &actor(&call))?;
    }
    one(native, call)
}

fn ids(call: &Call) -> Result<Vec<i64>, HandlerError> {
    let text = call.params.get("ids").unwrap_or_default();
    let ids: Option<Vec<i64>> = text.split(',').map(|id| id.trim().parse().ok()).collect();
    ids.ok_or_else(|| HandlerError::bad_request("numbers of certificates are wanted, with commas between"))
}

fn with_ids(native: &Native, ids: &[i64]) -> Result<Vec<Record>, HandlerError> {
    let mut found = Vec::new();
    for id in ids {
        found.extend(native.certificates.list(&Filter { id: Some(*id), ..Filter::default() })?);
    }
    match found.is_empty() {
        true => Err(HandlerError::not_found("no certificate of these numbers")),
        false => Ok(found),
    }
}

fn revoke_many(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let ids = ids(&call)?;
    with_ids(native, &ids)?;
    native.certificates.revoke_ids(&ids, None, &actor(&call))?;
    Ok(envelope(native, "TakCert", with_ids(native, &ids)?.iter().map(item).collect()))
}

fn delete_many(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let ids = ids(&call)?;
    let found = with_ids(native, &ids)?;
    native.certificates.forget(&ids, &actor(&call))?;
    Ok(envelope(native, "TakCert", found.iter().map(item).collect()))
}
