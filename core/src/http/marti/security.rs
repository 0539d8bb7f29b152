//! How the server is secured, as TAK's administration pages and node-tak ask for it (marti-http.md 12). Reading only:
//! listeners, keys and groups are configured in `fts.toml`. Administrators only. Passwords are always "" here, files have
//! their name without a directory: nothing in these answers helps whoever reads over a shoulder.
use std::path::Path;

use axum::http::Method;
use serde_json::json;

use super::envelope;
use crate::{
    config::{ClientCert, Config, MinVersion},
    directory::ANON,
    http::{
        answer::{Answer, HandlerError},
        auth::Auth,
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
};

/// Its routes.
pub fn routes(book: &mut Book) {
    let all: [(&str, crate::http::native::Endpoint, &str); 4] = [
        ("/Marti/api/security/config", config, "Keys, certificates and enrolment of the server"),
        ("/Marti/api/security/verifyConfig", verify, "Whether the certificates in use are good"),
        ("/Marti/api/security/isSecure", is_secure, "Whether no listener is open to callers without a certificate"),
        ("/Marti/api/authentication/config", authentication, "The directory service users come from"),
    ];
    for (path, endpoint, about) in all {
        let page = book.on(Method::GET, path, Listeners::TAK, Auth::RoleAdmin, endpoint);
        page.about(about).answers(200, "application/json");
    }
}

fn config(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let config = native.config();
    let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let (tls, seconds) = (&config.tls, config.enrollment.validity.as_secs());
    let anonymous = config.listeners.cot_tls.default_groups.iter().any(|g| g == ANON);
    let data = json!({
        "keystoreFile": name(&tls.server_key), "truststoreFile": name(&tls.ca_cert),
        "keystorePass": "", "truststorePass": "",
        "tlsVersion": match tls.min_version { MinVersion::V12 => "TLSv1.2", MinVersion::V13 => "TLSv1.3" },
        "x509Groups": config.listeners.cot_tls.client_cert != ClientCert::None, "x509addAnon": anonymous,
        "enableEnrollment": config.listeners.enrollment.enabled, "caType": "TAKServer",
        "signingKeystoreFile": name(&tls.ca_key), "signingKeystorePass": "",
        "validityDays": seconds.div_ceil(86_400),
        "mscaUserName": null, "mscaPassword": null, "mscaTruststore": null, "mscaTruststorePass": null,
        "mscaTemplateName": null,
    });
    Ok(envelope(native, "SecurityConfigInfo", data))
}

/// The certificates in force have not ended.
fn verify(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let authority = native.authority.load();
    let good = authority.as_ref().is_some_and(|a| {
        let (ca, server) = a.seconds_left();
        ca > 0 && server > 0
    });
    Ok(envelope(native, "String", json!(good.to_string())))
}

fn is_secure(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    Ok(envelope(native, "String", json!(secure(&native.config()).to_string())))
}

/// Every listener for CoT and the TAK API that is on wants a certificate.
fn secure(config: &Config) -> bool {
    let all = &config.listeners;
    let cot = [&all.cot_tcp, &all.cot_tls].into_iter().chain(&all.extra);
    let wants = |c: ClientCert| c == ClientCert::Required;
    cot.filter(|l| l.enabled).all(|l| l.kind == crate::config::ListenerKind::CotTls && wants(l.client_cert))
        && !all.marti_http.enabled
        && (!all.marti_https.enabled || (all.marti_https.tls && wants(all.marti_https.client_cert)))
}

/// No directory service: users are in the server's own database. The members are there because clients expect them.
fn authentication(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let data = json!({
        "url": "", "userString": "", "updateInterval": 0, "groupPrefix": "", "serviceAccountDN": "",
        "serviceAccountCredential": "", "groupBaseRDN": "",
    });
    Ok(envelope(native, "AuthenticationConfigInfo", data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::marti::bed::{Ask, Bed};

    #[test]
    fn the_answer_follows_the_configuration_and_has_no_secret() {
        let bed = Bed::with(&["tls.min_version=\"1.3\"", "packages.password=\"very-secret\""]);
        let reply = Ask::get("/").user("root", &[]).admin().of(&bed, config).unwrap();
        let data = &reply.json()["data"];
        assert_eq!((&data["tlsVersion"], &data["keystorePass"]), (&json!("TLSv1.3"), &json!("")));
        assert_eq!(data["x509Groups"], json!(true));
        assert_eq!(data["validityDays"], json!(bed.native.config().enrollment.validity.as_secs() / 86_400));
        assert!(!reply.text().contains("very-secret") && !reply.text().contains('/'), "{}", reply.text());
    }

    #[test]
    fn secure_means_that_nobody_comes_in_without_a_certificate() {
        let said = |set: &[&str]| Ask::get("/").of(&Bed::with(set), is_secure).unwrap().json()["data"].clone();
        let shut = ["listeners.cot_tcp.enabled=false", "listeners.marti_http.enabled=false"];
        assert_eq!(said(&[]), "false");
        assert_eq!(said(&shut[..1]), "false");
        assert_eq!(said(&shut), "true");
        assert_eq!(said(&[shut[0], shut[1], "listeners.cot_tls.client_cert=\"optional\""]), "false");
    }

    #[test]
    fn without_certificates_nothing_is_verified() {
        assert_eq!(Ask::get("/").of(&Bed::new(), verify).unwrap().json()["data"], "false");
    }
}
