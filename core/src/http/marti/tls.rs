//! Enrolment over HTTP (identity.md 5.2, 5.3, 5.5) and the CRL (3.5). What clients send and must get back is here; the rules
//! of a request are `identity/csr` and `identity/enroll`.
//!
//! Texts are exact where a client compares them: the prefix `ns2` and two `nameEntry` for CloudTAK, the aliases
//! `signedCert` and `ca0` for ATAK, base64 without PEM lines for everybody.
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value};

use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::{Auth, Role},
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    identity::{
        CertError,
        audit::Actor,
        ca::{name, parse},
        checked,
        enroll::{Asker, Device, Enrolled},
    },
};

/// Longest request for a certificate.
const REQUEST: u64 = 64 << 10;
/// Password of the enrolment reply: ATAK's built-in one (identity.md 3.3).
const PASSWORD: &str = "atakatak";

/// Its routes.
pub fn routes(book: &mut Book) {
    const JSON: &str = "application/json";
    let (get, post) = (Method::GET, Method::POST);
    let here = || Listeners::ENROLLMENT;
    book.on(get.clone(), "/Marti/api/tls/config", here(), Auth::Login, config)
        .enrolls()
        .about("The rest of the name a certificate request must have")
        .answers(200, "application/xml; charset=utf-8");
    book.on(post.clone(), "/Marti/api/tls/signClient", here(), Auth::Login, sign_p12)
        .enrolls()
        .about("Signs a certificate request; the answer is a P12 without a key")
        .query("clientUid", "string", false)
        .query("version", "string", false)
        .takes("text/plain", REQUEST)
        .answers(200, "application/octet-stream")
        .answers(400, JSON)
        .answers(429, JSON);
    book.on(post, "/Marti/api/tls/signClient/v2", here(), Auth::Login, sign_v2)
        .enrolls()
        .about("Signs a certificate request; the answer is JSON or XML")
        .query("clientUid", "string", false)
        .query("version", "string", false)
        .takes("text/plain", REQUEST)
        .answers(200, JSON)
        .answers(200, "text/plain")
        .answers(200, "application/xml")
        .answers(400, JSON)
        .answers(429, JSON);
    book.on(get.clone(), "/Marti/api/tls/makeClientKeyStore", here(), Auth::Login, key_store)
        .enrolls()
        .about("Makes key and certificate on the server, where that is allowed")
        .query("cn", "string", false)
        .query("clientUid", "string", false)
        .query("password", "string", false)
        .answers(200, "application/octet-stream")
        .answers(400, JSON)
        .answers(429, JSON);
    book.on(get, "/Marti/api/tls/crl", Listeners::TAK, Auth::Open, crl)
        .about("Revoked certificates")
        .answers(200, "application/pkix-crl");
}

impl From<CertError> for HandlerError {
    fn from(error: CertError) -> Self {
        let said = error.to_string();
        match error {
            CertError::Refused(_) => Self::bad_request(said),
            CertError::Unknown(_) => Self::not_found(said),
            CertError::TooMany(_) => Self::new(StatusCode::TOO_MANY_REQUESTS, said),
            CertError::TokenSpent => Self::new(StatusCode::UNAUTHORIZED, said),
            CertError::Store(error) => error.into(),
            // These name files.
            CertError::Io { .. } | CertError::Bad { .. } | CertError::Making(_) => {
                tracing::error!(event = "cert.failed", error = said, "a certificate could not be made");
                Self::internal("the server could not make the certificate; its log says why")
            }
        }
    }
}

fn config(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let entries = name::entries(&native.config())?;
    let one = |(kind, value): &name::Entry| {
        format!(r#"<nameEntry name="{kind}" value="{}"/>"#, fts_plugin_api::cot::escape_attr(value))
    };
    let entries: String = entries.iter().map(one).collect();
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<ns2:certificateConfig xmlns=\"http://bbn.com/marti/xml/config\" \
         xmlns:ns2=\"com.bbn.marti.config\"><nameEntries>{entries}</nameEntries></ns2:certificateConfig>"
    );
    Ok(Answer::bytes("application/xml; charset=utf-8", text))
}

/// The caller as the one who asks for a certificate.
fn asker<'a>(call: &'a Call, by: &'a Actor) -> Asker<'a> {
    let identity = &call.identity;
    Asker {
        name: identity.user.as_deref().unwrap_or_default(),
        user_id: identity.user_id,
        admin: identity.role == Role::Admin,
        token: identity.enrollment_token,
        device: Device {
            uid: call.query.get_any_case("clientUid").unwrap_or_default(),
            version: call.query.get_any_case("version").filter(|v| !v.is_empty()),
        },
        by,
    }
}

/// Who a change is written down for.
pub(crate) fn actor(call: &Call) -> Actor {
    match &call.identity.user {
        Some(name) => Actor::user(name, call.peer.map(|p| p.ip())),
        None => Actor::local(),
    }
}

fn enroll(native: &Native, call: &Call) -> Result<Enrolled, HandlerError> {
    let body = call.body.bytes(REQUEST).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    let device = call.query.get_any_case("clientUid").unwrap_or_default();
    let version = call.query.get_any_case("version").unwrap_or_default();
    if device.len() > 256 || version.len() > 256 || device.chars().chain(version.chars()).any(char::is_control) {
        return Err(HandlerError::bad_request("clientUid and version have at most 256 characters, none of control"));
    }
    Ok(native.certificates.enroll(&body, &asker(call, &actor(call)))?)
}

fn sign_p12(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let enrolled = enroll(native, &call)?;
    Ok(Answer::bytes("application/octet-stream", enrolled.p12(PASSWORD)?))
}

/// How an answer of version 2 looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json(&'static str),
    Xml,
}

/// By what the client accepts; iTAK asks for text and wants JSON. None = nothing we have.
fn form(headers: &HeaderMap) -> Option<Form> {
    let values: Vec<_> = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    let accept = values.join(",").to_ascii_lowercase();
    let has = |kind: &str| accept.contains(kind);
    if accept.trim().is_empty() || has("*/*") || has("application/json") {
        Some(Form::Json("application/json"))
    } else if has("text/plain") {
        Some(Form::Json("text/plain"))
    } else if has("application/xml") || has("text/xml") {
        Some(Form::Xml)
    } else {
        None
    }
}

fn sign_v2(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let form = form(&call.headers)
        .ok_or_else(|| HandlerError::bad_request("Accept: application/json, text/plain or application/xml"))?;
    let enrolled = enroll(native, &call)?;
    let signed = parse::base64_lines(&enrolled.signed);
    let chain: Vec<_> = enrolled.chain().map(parse::base64_lines).collect();
    match form {
        Form::Json(kind) => {
            let mut fields = Map::new();
            fields.insert("signedCert".into(), signed.into());
            // iTAK wants a second one.
            let again = chain.first().filter(|_| chain.len() == 1);
            for (n, ca) in chain.iter().chain(again).enumerate() {
                fields.insert(format!("ca{n}"), ca.as_str().into());
            }
            Ok(Answer::bytes(kind, Value::Object(fields).to_string()))
        }
        Form::Xml => {
            let chain: String = chain.iter().map(|ca| format!("<ca>{ca}</ca>")).collect();
            let text = format!(
                r#"<?xml version="1.0" encoding="UTF-8"?><enrollment><signedCert>{signed}</signedCert>{chain}</enrollment>"#
            );
            Ok(Answer::bytes("application/xml", text))
        }
    }
}

fn key_store(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    if !native.config().enrollment.server_side_keys {
        return Err(HandlerError::forbidden("keys are not made on this server (enrollment.server_side_keys)"));
    }
    let by = actor(&call);
    let asker = asker(&call, &by);
    let cn = call.query.get_any_case("cn").filter(|cn| !cn.is_empty()).unwrap_or(asker.name);
    if !cn.eq_ignore_ascii_case(asker.name) {
        return Err(HandlerError::forbidden("the name must be your own"));
    }
    checked(cn)?;
    let password = call.query.get_any_case("password").filter(|p| !p.is_empty()).unwrap_or(PASSWORD);
    let issued = native.certificates.enroll_with_key(cn, password, &asker)?;
    let no_store = (HeaderName::from_static("cache-control"), HeaderValue::from_static("no-store"));
    Ok(Answer::bytes("application/octet-stream", issued.p12).with(no_store.0, no_store.1))
}

fn crl(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    // Nobody's question makes a CA.
    if native.authority.load().is_none() && !native.config().tls.ca_cert.exists() {
        return Err(HandlerError::not_found("this server has no certificate authority"));
    }
    let authority = native.certificates.authority()?;
    Ok(Answer::bytes("application/pkix-crl", authority.crl(&native.config().tls)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id12_03_what_is_accepted_decides_the_form() {
        let of = |accept: &str| {
            let mut headers = HeaderMap::new();
            if !accept.is_empty() {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            form(&headers)
        };
        let (json, text) = (Some(Form::Json("application/json")), Some(Form::Json("text/plain")));
        for (accept, is) in [
            ("", json),
            ("*/*", json),
            ("text/html, image/gif, */*; q=.2", json),
            ("application/json", json),
            ("text/plain", text),
            ("text/plain; charset=utf-8", text),
            ("application/xml", Some(Form::Xml)),
            ("Text/XML", Some(Form::Xml)),
            ("image/png", None),
        ] {
            assert_eq!(of(accept), is, "{accept}");
        }
    }
}
