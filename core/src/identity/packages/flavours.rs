//! [`Flavour`]: the forms a client package has (identity.md 4.3), and the bytes of each. A truststore holds CA certificates
//! only: one with the key of the server in it, as FreeTAKServer makes, would give that key to every client.
use super::{
    PackageError,
    manifest::{self, Manifest},
    preferences::{self, APP, Entry, STREAMS},
    uid, zip,
};

/// Which client a package is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// A mission package; ATAK.
    Atak,
    /// A package in a package; WinTAK wants it, ATAK takes it.
    Wintak,
    /// Three files and no manifest; iTAK.
    Itak,
    /// As [`Self::Atak`] without a key: the client enrols with a password or token.
    Enroll,
}

/// Folder of the inner package; WinTAK's, constant.
const OUTER: &str = "80b828699e074a239066d454a76284eb";
/// Folder of its files.
const INNER: &str = "5c2bfcae3d98c9f4d262172df99ebac5";
/// Where FreeTAKServer says that WinTAK's files are.
const STORAGE: &str = "/storage/emulated/0/atak/cert";
/// Name of the truststore in every flavour.
pub const TRUSTSTORE: &str = "truststore.p12";

/// Ports clients connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// CoT over TLS, 8089.
    pub stream: u16,
    /// TAK API over TLS, 8443.
    pub https: u16,
    /// TAK API in the clear, 8080.
    pub http: u16,
    /// Enrolment, 8446.
    pub enrollment: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self { stream: 8089, https: 8443, http: 8080, enrollment: 8446 }
    }
}

/// What goes into a package.
#[derive(Clone, Copy)]
pub struct Contents<'a> {
    /// `server.node_id`; a package of the same server, name and flavour replaces the one before.
    pub server_id: &'a str,
    /// `server.name`, shown with the host.
    pub server_name: &'a str,
    /// Name in the certificate; also of the file.
    pub cn: &'a str,
    /// What the client connects to.
    pub host: &'a str,
    /// Where.
    pub ports: Ports,
    /// P12 with CA certificates.
    pub truststore: &'a [u8],
    /// P12 with key and certificate; [`Flavour::Enroll`] never has it.
    pub keystore: &'a [u8],
    /// Of both.
    pub password: &'a str,
}

impl Flavour {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Atak, Self::Wintak, Self::Itak, Self::Enroll];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Atak => "atak",
            Self::Wintak => "wintak",
            Self::Itak => "itak",
            Self::Enroll => "enroll",
        }
    }

    /// By its name; FreeTAKServer's device type `mobile` is [`Self::Atak`].
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "mobile" => Some(Self::Atak),
            _ => Self::ALL.into_iter().find(|f| f.name() == name),
        }
    }

    /// Does it hold a private key?
    pub fn has_key(self) -> bool {
        self != Self::Enroll
    }

    /// The package.
    ///
    /// # Errors
    /// [`PackageError::Zip`].
    pub fn package(self, contents: &Contents<'_>) -> Result<Vec<u8>, PackageError> {
        let Contents { cn, truststore, keystore, .. } = *contents;
        let (own, title) = (format!("{cn}.p12"), format!("{}_{}", contents.server_name, contents.host));
        let id = |part: &str| uid(contents.server_id, cn, part);
        match self {
            Self::Atak | Self::Enroll => {
                let prefs = preferences(self, contents, "cert");
                let mut files = vec![("certs/server.pref".to_owned(), prefs.as_bytes())];
                files.push((format!("certs/{TRUSTSTORE}"), truststore));
                if self.has_key() {
                    files.push((format!("certs/{own}"), keystore));
                }
                listed(Manifest::new(id(self.name()), title, Vec::new()), files)
            }
            Self::Wintak => {
                let prefs = preferences(self, contents, STORAGE);
                let inner = vec![
                    (format!("{INNER}/fts.pref"), prefs.as_bytes()),
                    (format!("{INNER}/{TRUSTSTORE}"), truststore),
                    (format!("{INNER}/{own}"), keystore),
                ];
                let inner = listed(Manifest::new(id("wintak inner"), title.clone(), Vec::new()), inner)?;
                let outer = vec![(format!("{OUTER}/{cn}.zip"), inner.as_slice())];
                listed(Manifest::new(id(self.name()), title, Vec::new()), outer)
            }
            Self::Itak => {
                let prefs = preferences(self, contents, "cert");
                zip::write(&[("config.pref", prefs.as_bytes()), (TRUSTSTORE, truststore), (&own, keystore)])
            }
        }
    }
}

/// The files with a manifest that lists them.
fn listed(mut manifest: Manifest, files: Vec<(String, &[u8])>) -> Result<Vec<u8>, PackageError> {
    manifest.entries = files.iter().map(|(name, _)| name.clone()).collect();
    let text = manifest.text();
    let mut all = vec![(manifest::ENTRY.to_owned(), text.as_bytes())];
    all.extend(files);
    zip::write(&all)
}

/// The preference file; `dir` is where the client looks for the files.
fn preferences(flavour: Flavour, contents: &Contents<'_>, dir: &str) -> String {
    let text = |value: &str| Entry::Text(value.to_owned());
    let Contents { host, ports, password, .. } = *contents;
    let trust = format!("{dir}/{TRUSTSTORE}");
    let own = format!("{dir}/{}.p12", contents.cn);
    let mut streams = vec![
        ("count", Entry::Number(1)),
        ("description0", text(host)),
        ("enabled0", Entry::Flag(true)),
        ("connectString0", text(&format!("{host}:{}:ssl", ports.stream))),
    ];
    if matches!(flavour, Flavour::Atak | Flavour::Enroll) {
        streams.extend([("caLocation0", text(&trust)), ("caPassword0", text(password))]);
    }
    match flavour {
        Flavour::Atak => {
            streams.extend([("certificateLocation0", text(&own)), ("clientPassword0", text(password))]);
        }
        Flavour::Enroll => {
            streams.extend([("enrollForCertificateWithTrust0", Entry::Flag(true)), ("useAuth0", Entry::Flag(true))]);
            streams.push(("cacheCreds0", text("Cache credentials")));
        }
        Flavour::Wintak | Flavour::Itak => {}
    }
    let mut app = vec![("displayServerConnectionWidget", Entry::Flag(true))];
    app.extend([("caLocation", text(&trust)), ("caPassword", text(password))]);
    if flavour.has_key() {
        app.extend([("certificateLocation", text(&own)), ("clientPassword", text(password))]);
    }
    let usual = Ports::default();
    for (key, port, usual) in [
        ("apiSecureServerPort", ports.https, usual.https),
        ("apiUnsecureServerPort", ports.http, usual.http),
        ("apiCertEnrollmentPort", ports.enrollment, usual.enrollment),
    ] {
        // 0 = that listener is off: nothing to tell.
        if port != usual && port != 0 {
            app.push((key, text(&port.to_string())));
        }
    }
    preferences::text(&[(STREAMS, streams), (APP, app)])
}
