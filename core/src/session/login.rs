//! Whose connection it is, before it has a seat (RULE-14, identity.md 6.2, 6.3): the certificate's user, or the one an
//! `<auth>` element names, or nobody in particular; and in which groups. Who may not is refused here, and nothing was sent
//! to it then. Databases and passwords are asked on threads that may wait. What must not happen: a password in a log.
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use quick_xml::{Reader, XmlVersion, events::Event};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Sessions;
use crate::{
    config::{Auth, CotListener, ListenerKind},
    directory::{Account, Bits, Client, Groups},
    identity::{
        Accounts,
        accounts::{AuthError, Login},
    },
    net::{PeerCert, ReadHalf, WriteHalf},
    wire::{Cutter, Frame},
};

/// What a connection is let in as.
#[derive(Debug)]
pub(super) struct Entered {
    pub account: Account,
    pub groups: Groups,
    /// What came behind its `<auth>`.
    pub rest: Vec<u8>,
}

/// Why it is not.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("{0}")]
    Account(#[from] AuthError),
    #[error("the first element must be <auth> here")]
    NotAuth,
    #[error("no <auth> within {0:?}")]
    Late(Duration),
    #[error("closed before <auth>: {0}")]
    Closed(io::ErrorKind),
    #[error("an <auth> without user or password, or one that cannot be read")]
    Empty,
}

/// A user and a password; never printed.
pub(super) struct Credentials {
    user: String,
    password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({:?}, ***)", self.user)
    }
}

/// Bytes read at most while `<auth>` is waited for.
const MOST: usize = 8 * 1_024;

impl Credentials {
    /// `<auth><cot username="u" password="p" …/></auth>`; values may hold entities (RULE-15).
    pub fn read(text: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_reader(text);
        loop {
            match reader.read_event().ok()? {
                Event::Empty(e) | Event::Start(e) if e.local_name().as_ref().eq_ignore_ascii_case("cot") => {
                    let value = |name: &str| {
                        let found = e.attributes().flatten().find(|a| a.key.as_ref() == name)?;
                        Some(found.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned())
                    };
                    let (user, password) = (value("username")?, value("password")?);
                    return (!user.is_empty() && !password.is_empty()).then_some(Self { user, password });
                }
                Event::Eof => return None,
                _ => {}
            }
        }
    }
}

/// How long a connection that is not let in may take to hear of it.
const CLOSE: Duration = Duration::from_millis(500);

impl Sessions {
    /// Lets a new connection in, or ends it. None = it is over.
    pub(super) async fn let_in(
        &self,
        from: &mut ReadHalf,
        to: &mut WriteHalf,
        listener: &Arc<CotListener>,
        peer: SocketAddr,
        cert: Option<&PeerCert>,
    ) -> Option<Entered> {
        let entered = tokio::select! {
            biased;
            () = self.stop_reading.cancelled() => None,
            entered = self.enter(from, listener, peer.ip(), cert) => Some(entered),
        };
        match entered {
            Some(Ok(entered)) => return Some(entered),
            Some(Err(error)) => {
                let user = cert.map_or("", |c| c.common_name.as_str());
                tracing::warn!(event = "net.refused", %peer, listener = %listener.name, user, %error, "not let in: {error}");
            }
            None => {}
        }
        let _ = tokio::time::timeout(CLOSE, to.shutdown()).await;
        None
    }

    /// Decides about a new connection. Reads from it only where `<auth>` is demanded.
    async fn enter(
        &self,
        from: &mut ReadHalf,
        listener: &Arc<CotListener>,
        peer: IpAddr,
        cert: Option<&PeerCert>,
    ) -> Result<Entered, Refused> {
        let demanded = match listener.auth {
            Auth::None | Auth::Optional => false,
            Auth::Required => cert.is_none(),
            Auth::Password => true,
        };
        if demanded {
            let wait = self.router.policy().config.stream.limits.auth_wait;
            let read = tokio::time::timeout(wait, first_element(from)).await;
            let (credentials, rest) = read.unwrap_or(Err(Refused::Late(wait)))?;
            let login = self.password(credentials, listener, peer).await?;
            return Ok(self.entered(login, true, listener, rest));
        }
        if let (Some(accounts), Some(cert)) = (self.accounts.get().cloned(), cert.cloned()) {
            let defaults = listener.default_groups.clone();
            let login = blocking(move || accounts.by_certificate(&cert, &defaults)).await?;
            return Ok(self.entered(login, false, listener, Vec::new()));
        }
        if listener.default_groups.is_empty() {
            return Err(AuthError::NoGroups.into());
        }
        let groups = self.router.directory.groups.both(&listener.default_groups);
        let user = cert.map(|c| c.common_name.clone()).unwrap_or_default();
        let account = Account { user, ..Account::default() };
        Ok(Entered { account, groups: allowed(listener, groups), rest: Vec::new() })
    }

    /// An `<auth>` that was not demanded: the connection is this user's from now on.
    pub(super) async fn log_in(&self, client: &Arc<Client>, text: &[u8]) -> Result<(), Refused> {
        let credentials = Credentials::read(text).ok_or(Refused::Empty)?;
        let before = self.changes.load(Relaxed);
        let login = self.password(credentials, &client.listener, client.peer.ip()).await?;
        let Entered { account, groups, .. } = self.entered(login, true, &client.listener, Vec::new());
        tracing::info!(event = "client.login", conn = client.conn, user = account.user, "logged in");
        if client.log_in(account) {
            self.password_of_before(before, client);
            self.give_groups(vec![(client.clone(), groups, false)], "");
        }
        Ok(())
    }

    async fn password(
        &self,
        credentials: Credentials,
        listener: &Arc<CotListener>,
        peer: IpAddr,
    ) -> Result<Login, Refused> {
        let accounts = self.accounts.get().cloned().ok_or(AuthError::Wrong)?;
        let defaults = listener.default_groups.clone();
        let login = move || {
            let login = accounts.by_password(&credentials.user, &credentials.password, peer, false)?;
            accounts.on_listener(login, &defaults)
        };
        Ok(blocking(login).await?)
    }

    fn entered(&self, login: Login, by_password: bool, listener: &CotListener, rest: Vec<u8>) -> Entered {
        let groups = bits(&self.router.directory.groups, &login);
        let account = Account { user: login.name.to_string(), by_password, role: login.role };
        Entered { account, groups: allowed(listener, groups), rest }
    }

    /// Who a connection is now, and in which groups: asked again after accounts were changed. Err = it may not stay.
    pub(super) fn standing(&self, accounts: &Accounts, client: &Client) -> Result<(Login, Groups), AuthError> {
        let defaults = &client.listener.default_groups;
        let login = match &client.cert {
            Some(cert) if !client.account().by_password => accounts.by_certificate(cert, defaults)?,
            _ => accounts.by_name(client.user(), defaults)?,
        };
        let groups = allowed(&client.listener, bits(&self.router.directory.groups, &login));
        Ok((login, groups))
    }
}

fn bits(names: &crate::directory::GroupNames, login: &Login) -> Groups {
    let of = |groups: &[String]| Bits::of(groups.iter().map(|g| names.bit(g)));
    Groups { send: of(&login.groups_in), receive: of(&login.groups_out) }
}

/// Nothing is ever sent through a one-way listener.
fn allowed(listener: &CotListener, mut groups: Groups) -> Groups {
    if listener.kind == ListenerKind::CotSubmit {
        groups.receive = Bits::default();
    }
    groups
}

async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, AuthError> + Send + 'static,
) -> Result<T, AuthError> {
    // A thread that died let nobody in.
    tokio::task::spawn_blocking(ask).await.unwrap_or(Err(AuthError::Wrong))
}

/// Reads until the first element is complete; it must be `<auth>`. What came behind it comes back.
async fn first_element(from: &mut ReadHalf) -> Result<(Credentials, Vec<u8>), Refused> {
    let mut cutter = Cutter::new(MOST, false);
    let mut bytes = Vec::new();
    loop {
        let (used, frame) = cutter.next(&bytes);
        match frame {
            Some(Frame::Auth(text)) => {
                let credentials = Credentials::read(text).ok_or(Refused::Empty)?;
                return Ok((credentials, bytes.split_off(used)));
            }
            Some(_) => return Err(Refused::NotAuth),
            None if bytes.len() >= MOST => return Err(Refused::NotAuth),
            None => drop(bytes.drain(..used)),
        }
        match from.read_buf(&mut bytes).await {
            Ok(0) => return Err(Refused::Closed(io::ErrorKind::UnexpectedEof)),
            Ok(_) => {}
            Err(error) => return Err(Refused::Closed(error.kind())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, String)> {
        Credentials::read(text.as_bytes()).map(|c| (c.user, c.password))
    }

    #[test]
    fn credentials_are_read_unescaped_and_never_printed() {
        let found = |u: &str, p: &str| Some((u.to_owned(), p.to_owned()));
        let plain = r#"<auth><cot username="u" password="p" uid="ANDROID-1" callsign="A"/></auth>"#;
        assert_eq!(read(plain), found("u", "p"));
        let odd = "<auth>\n <cot password='a&amp;b&lt;&#x22;' username='x'></cot> </auth>";
        assert_eq!(read(odd), found("x", "a&b<\""));
        for none in [
            "<auth></auth>",
            r#"<auth><cot username="u"/></auth>"#,
            r#"<auth><cot username="" password="p"/></auth>"#,
            r#"<auth><cot username="u" password=""/></auth>"#,
            "<auth><cot",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
        let credentials = Credentials::read(plain.as_bytes()).unwrap();
        assert_eq!(format!("{credentials:?}"), "Credentials(\"u\", ***)");
    }
}
