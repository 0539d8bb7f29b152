//! Tests only: the parts behind the endpoints, made for one test ([`Bed`]), and a request for one of them ([`Ask`]). The
//! endpoint is called as the mux calls it, without its wire and without its check of who may: `Ask` says who calls.
use std::{net::Ipv4Addr, sync::Arc};

use arc_swap::{ArcSwap, ArcSwapOption};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use fts_plugin_api::cot::Cot;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    config::{CotListener, DuplicateUid, Sources, load},
    directory::{Arrival, Client, Directory},
    files::Files,
    http::{
        answer::{Answer, Content, HandlerError},
        auth::{Identity, Role, Scope, Scopes, Via},
        call::{Call, Fields, Part},
        listener::Listener,
        mux::{Mux, MuxSettings},
        native::{Endpoint, Native},
    },
    identity::{Accounts, Certificates},
    net::PeerCert,
    observe::clock,
    route::Router,
    session::Sessions,
    store::{self, backup::Vault, history::History, probe::Probe, setting::Settings},
};

/// A server without listeners.
pub struct Bed {
    pub native: Native,
    pub dir: TempDir,
}

#[allow(clippy::new_without_default)] // Nobody would use it.
impl Bed {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// With other keys: `key=value`, the value in TOML.
    pub fn with(set: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sources = Sources {
            data_dir: Some(dir.path().to_owned()),
            cwd: dir.path().to_owned(),
            set: set.iter().map(ToString::to_string).collect(),
            ..Sources::default()
        };
        let mut config = load(&sources).unwrap().config;
        config.server.node_id = "node1".into();
        let running = Arc::new(ArcSwap::from_pointee(config));
        let router = Arc::new(Router::new(Arc::new(Directory::default()), running.load_full()));
        let db = store::core::temporary().unwrap();
        let (accounts, authority) = (Accounts::new(db.clone(), running.clone()), Arc::new(ArcSwapOption::empty()));
        accounts.open_groups(&router.directory, &running.load_full()).unwrap();
        let certificates =
            Certificates::new(db.clone(), running.clone(), authority.clone(), accounts.audit.clone(), router.clone());
        let history = History::new(db.clone(), running.clone(), router.directory.clone()).unwrap();
        let native = Native {
            certificates,
            sessions: Sessions::new(router.clone()),
            mux: Mux::new(MuxSettings::new(dir.path().to_owned())),
            accounts,
            authority,
            vault: Vault::new(running.clone(), history.clone()),
            history,
            files: Files::open(db.clone(), running.clone()).unwrap(),
            settings: Arc::new(Settings::new(db.clone(), running.clone())),
            probe: Arc::new(Probe::new(db.clone())),
            bound: std::sync::OnceLock::new(),
            running,
            router,
            db,
        };
        Self { native, dir }
    }

    /// Somebody on a CoT stream, identified: user ("" = no certificate), uid, callsign, groups in both directions.
    pub fn join(&self, user: &str, uid: &str, callsign: &str, groups: &[&str]) -> Arc<Client> {
        let directory = &self.native.router.directory;
        let names: Vec<_> = groups.iter().map(ToString::to_string).collect();
        let listener: CotListener = self.native.config().listeners.cot_tls.clone();
        let cert = PeerCert { common_name: user.to_owned(), serial_hex: "01".into(), sha256: format!("sha-of-{user}") };
        let client = directory.join(
            Arrival {
                listener: Arc::new(listener),
                peer: (Ipv4Addr::LOCALHOST, 40_000).into(),
                cert: (!user.is_empty()).then_some(cert),
                tls: true,
                groups: directory.groups.both(&names),
                connected: clock::now_ms(),
            },
            false,
        );
        let sa = format!(
            r#"<event version="2.0" uid="{uid}" type="a-f-G-U-C" how="m-g" time="2025-01-01T00:00:00Z" start="2025-01-01T00:00:00Z" stale="2035-01-01T00:00:00Z"><point lat="1" lon="2" hae="0" ce="1" le="1"/><detail><contact callsign="{callsign}" endpoint="*:-1:stcp"/><__group name="Cyan" role="Team Member"/><takv platform="ATAK-CIV" version="5.3.0.12"/></detail></event>"#
        );
        directory.identify(&client, &Cot::parse(sa.into_bytes()).unwrap(), DuplicateUid::Allow);
        client
    }
}

/// One request.
pub struct Ask(Call);

impl Ask {
    /// By an anonymous caller in `__ANON__` on 8080; `target` is path and query.
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let groups = vec!["__ANON__".to_owned()];
        Self(Call {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            pattern: path.into(),
            path: path.to_owned(),
            params: Fields::default(),
            query: Fields::of_query(query),
            headers: HeaderMap::new(),
            peer: Some((Ipv4Addr::LOCALHOST, 50_000).into()),
            local: Some((Ipv4Addr::LOCALHOST, 8_080).into()),
            listener: Listener::MartiHttp,
            scheme: "http",
            host: Some("tak.example.org:8080".into()),
            identity: Identity {
                anonymous: true,
                user: Some("anonymous".into()),
                groups_in: groups.clone(),
                groups_out: groups,
                ..Identity::default()
            },
            part: None,
            body: bytes::Bytes::new().into(),
        })
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A parameter of the path.
    pub fn param(mut self, name: &str, value: &str) -> Self {
        let all = self.0.params.iter().map(|(n, v)| format!("{n}={}", escaped(v)));
        let all: Vec<_> = all.chain([format!("{name}={}", escaped(value))]).collect();
        self.0.params = Fields::of_query(&all.join("&"));
        self
    }

    /// By a user with a certificate on 8443, in these groups in both directions.
    pub fn user(mut self, name: &str, groups: &[&str]) -> Self {
        let groups: Vec<_> = groups.iter().map(ToString::to_string).collect();
        (self.0.listener, self.0.scheme) = (Listener::MartiHttps, "https");
        self.0.host = Some("tak.example.org:8443".into());
        self.0.identity = Identity {
            via: Via::Certificate,
            user: Some(name.into()),
            cert_cn: Some(name.into()),
            groups_in: groups.clone(),
            groups_out: groups,
            ..Identity::default()
        };
        self
    }

    /// The same user as administrator.
    pub fn admin(mut self) -> Self {
        self.0.identity.role = Role::Admin;
        self.0.identity.scopes = Scopes::of(&[Scope::Admin]);
        self
    }

    /// Anything else about who calls.
    pub fn identity(mut self, change: impl FnOnce(&mut Identity)) -> Self {
        change(&mut self.0.identity);
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.0.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    pub fn body(mut self, body: impl Into<bytes::Bytes>) -> Self {
        self.0.body = body.into().into();
        self
    }

    /// The body was the part of a form.
    pub fn part(mut self, name: &str, file_name: &str, content_type: &str) -> Self {
        self.0.part = Some(Part {
            name: name.into(),
            file_name: Some(file_name.into()),
            content_type: Some(content_type.into()),
        });
        self
    }

    /// Calls the endpoint.
    pub fn of(self, bed: &Bed, endpoint: Endpoint) -> Result<Reply, HandlerError> {
        endpoint(&bed.native, self.0).map(Reply::new)
    }

    /// The status of its answer or refusal.
    pub fn status(self, bed: &Bed, endpoint: Endpoint) -> u16 {
        self.of(bed, endpoint).map_or_else(|error| error.status.as_u16(), |reply| reply.status)
    }

    /// The JSON of its answer.
    pub fn json(self, bed: &Bed, endpoint: Endpoint) -> Value {
        self.of(bed, endpoint).unwrap().json()
    }

    /// The status of its refusal.
    pub fn refused(self, bed: &Bed, endpoint: Endpoint) -> u16 {
        match self.of(bed, endpoint) {
            Err(error) => error.status.as_u16(),
            Ok(reply) => panic!("answered {}: {}", reply.status, reply.text()),
        }
    }
}

fn escaped(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

/// What it answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Reply {
    fn new(answer: Answer) -> Self {
        let bytes = match answer.content {
            Content::Empty => Vec::new(),
            Content::Bytes(bytes) => bytes.to_vec(),
            Content::File(stored) => {
                let mut bytes = vec![0; stored.len as usize];
                std::os::unix::fs::FileExt::read_exact_at(&stored.file, &mut bytes, stored.from).unwrap();
                bytes
            }
            Content::Pull(pull) => pull.flat_map(Result::unwrap).collect(),
        };
        Self { status: answer.status.as_u16(), headers: answer.headers, bytes }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// A header's value, "" = it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}
