//! The words some keys take. Each is written in one place; the first is what a broken configuration falls back to while
//! its errors are collected.
use std::str::FromStr;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $first:ident $first_word:literal $(, $variant:ident $word:literal)* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        #[allow(missing_docs)]
        pub enum $name {
            #[default]
            #[serde(rename = $first_word)]
            $first,
            $(#[serde(rename = $word)] $variant),*
        }

        impl FromStr for $name {
            type Err = &'static str;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $first_word => Ok(Self::$first),
                    $($word => Ok(Self::$variant),)*
                    _ => Err(concat!("one of ", $first_word $(, " | ", $word)*)),
                }
            }
        }
    )*};
}

words! {
    /// A word of the configuration.
    Profile { Compatible "compatible", Secure "secure" }
    /// A word of the configuration.
    ListenerKind { CotTcp "cot_tcp", CotTls "cot_tls", CotUdp "cot_udp", CotMulticast "cot_multicast", CotSubmit "cot_submit" }
    /// A word of the configuration.
    ClientCert { None "none", Optional "optional", Required "required" }
    /// What a listener does with passwords and tokens (operations.md 3.2).
    Auth { None "none", Optional "optional", Required "required", Password "password" }
    /// A word of the configuration.
    Protobuf { Auto "auto", Off "off", Only "only" }
    /// A word of the configuration.
    KeyType { Rsa2048 "rsa2048", Rsa3072 "rsa3072", Rsa4096 "rsa4096", P256 "p256" }
    /// A word of the configuration.
    MinVersion { V12 "1.2", V13 "1.3" }
    /// A word of the configuration.
    P12Encryption { TripleDes "3des", Aes256 "aes256" }
    /// A word of the configuration.
    ReplayAt { Connect "connect", Identify "identify" }
    /// A word of the configuration.
    DuplicateUid { Auto "auto", Replace "replace", Allow "allow", Reject "reject" }
    /// A word of the configuration.
    Oversize { Auto "auto", Filetransfer "filetransfer", Send "send", Drop "drop" }
    /// A word of the configuration.
    Channels { Auto "auto", On "true", Off "false" }
    /// A word of the configuration.
    Archive { All "all", Latest "latest", Off "off" }
    /// A word of the configuration.
    Synchronous { Full "full", Normal "normal" }
    /// A word of the configuration.
    LogFormat { Auto "auto", Text "text", Json "json", Fts "fts" }
}
