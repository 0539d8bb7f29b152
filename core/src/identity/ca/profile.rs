//! What we issue (identity.md 3.2): key usages, extended key usages, names, life of each [`Profile`]. Every certificate
//! begins twelve hours ago, because field devices have wrong clocks; every one carries both key identifiers; serials are
//! 128 random bits.
use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use super::{CertError, name, parse};
use crate::config::Config;

/// Field devices have wrong clocks.
pub const EARLIER: Duration = Duration::minutes(720);
const CA_DAYS: i64 = 3_652;
const INTERMEDIATE_DAYS: i64 = 1_825;
const SERVER_DAYS: i64 = 730;
/// ATAK asks for a certificate with this purpose when its device understands channels (challengePassword).
const CHANNELS: &[u64] = &[1, 2, 840, 113549, 1, 9, 7];

/// What a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A person or device. `channels`: it said its version when it enrolled. `until`: its end, seconds UTC, where that
    /// is earlier than `enrollment.validity`. `uid`: of its device, for the alternative name (`enrollment.uid_in_san`);
    /// "" = none.
    #[allow(missing_docs)]
    Client { cn: String, channels: bool, until: Option<i64>, uid: String },
    /// A server, ours or another; the names go into its alternative names.
    #[allow(missing_docs)]
    Server { cn: String, names: Vec<String> },
    /// A link to another server, which is dialled and dials: as a server's.
    #[allow(missing_docs)]
    Federation { cn: String, names: Vec<String> },
}

impl Profile {
    /// A client that said nothing of itself.
    pub fn client(cn: &str) -> Self {
        Self::Client { cn: cn.to_owned(), channels: false, until: None, uid: String::new() }
    }

    /// As it stands in the table.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Client { .. } => "client",
            Self::Server { .. } => "server",
            Self::Federation { .. } => "federation",
        }
    }

    /// The common name.
    pub fn cn(&self) -> &str {
        match self {
            Self::Client { cn, .. } | Self::Server { cn, .. } | Self::Federation { cn, .. } => cn,
        }
    }

    /// Everything but the key. Not longer than its issuer lives (`ca_ends`, seconds UTC): a chain ends with its first
    /// dead link, and clients that look only at the leaf would not warn.
    pub(super) fn params(&self, config: &Config, ca_ends: i64) -> Result<CertificateParams, CertError> {
        let mut params = CertificateParams::default();
        let now = OffsetDateTime::now_utc();
        params.distinguished_name = name::leaf(self.cn(), config)?;
        params.serial_number = Some(SerialNumber::from_slice(&serial()));
        params.not_before = now - EARLIER;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let ends = match self {
            Self::Client { channels, until, uid, .. } => {
                params.subject_alt_names = device_name(config, uid)?;
                if *channels {
                    params.extended_key_usages.push(ExtendedKeyUsagePurpose::Other(CHANNELS.to_vec()));
                }
                let life = Duration::try_from(config.enrollment.validity).unwrap_or(Duration::days(CA_DAYS));
                let ends = now.checked_add(life).unwrap_or(now + Duration::days(CA_DAYS)).unix_timestamp();
                until.map_or(ends, |until| ends.min(until))
            }
            Self::Server { names, .. } | Self::Federation { names, .. } => {
                params.extended_key_usages.insert(0, ExtendedKeyUsagePurpose::ServerAuth);
                params.subject_alt_names = names.iter().map(|n| alt_name(n)).collect::<Result<_, _>>()?;
                (now + Duration::days(SERVER_DAYS)).unix_timestamp()
            }
        };
        let ends = ends.min(ca_ends);
        if ends <= now.unix_timestamp() {
            return Err(CertError::Refused(
                "the certificate would have ended already (or its CA has; see fts cert ca-rotate)".into(),
            ));
        }
        params.not_after = OffsetDateTime::from_unix_timestamp(ends).unwrap_or(now);
        Ok(params)
    }
}

/// The device's uid as an e-mail name, where that is wanted. Uids are what clients make of them: one that cannot stand
/// there (an IA5String holds ASCII only) is left out, as the certificate is good without it.
fn device_name(config: &Config, uid: &str) -> Result<Vec<SanType>, CertError> {
    let fits = !uid.is_empty() && uid.len() <= 256 && uid.bytes().all(|b| b.is_ascii_graphic());
    if !config.enrollment.uid_in_san || !fits {
        return Ok(Vec::new());
    }
    let wrong = |_| CertError::Making(format!("the device's uid {uid:?} cannot stand in a certificate"));
    Ok(vec![SanType::Rfc822Name(uid.try_into().map_err(wrong)?)])
}

/// A CA; `below` = an intermediate one, that signs leaves only and lives shorter.
pub(super) fn authority(cn: &str, config: &Config, below: bool) -> Result<CertificateParams, CertError> {
    let mut params = CertificateParams::default();
    let now = OffsetDateTime::now_utc();
    params.distinguished_name = name::authority(cn, config)?;
    params.serial_number = Some(SerialNumber::from_slice(&serial()));
    params.not_before = now - EARLIER;
    params.not_after = now + Duration::days(if below { INTERMEDIATE_DAYS } else { CA_DAYS });
    params.use_authority_key_identifier_extension = true;
    params.is_ca = IsCa::Ca(if below { BasicConstraints::Constrained(0) } else { BasicConstraints::Unconstrained });
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// `tls.ca_name`, or `FTS-CA-` and eight random hex digits.
pub(super) fn ca_name(config: &Config) -> String {
    if config.tls.ca_name.is_empty() {
        format!("FTS-CA-{}", parse::hex(&rand::random::<[u8; 4]>()))
    } else {
        config.tls.ca_name.clone()
    }
}

/// 128 random bits, positive, not zero.
pub(super) fn serial() -> [u8; 16] {
    let mut serial: [u8; 16] = rand::random();
    serial[0] = (serial[0] & 0x7F) | 0x40;
    serial
}

fn alt_name(name: &str) -> Result<SanType, CertError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let wrong = |_| CertError::Making(format!("server name {name:?} is neither an address nor a host name"));
    Ok(SanType::DnsName(name.try_into().map_err(wrong)?))
}
