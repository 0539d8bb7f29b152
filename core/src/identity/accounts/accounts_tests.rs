use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use super::*;
use crate::{
    config::{Sources, load},
    identity::{
        Role, Scopes,
        audit::{Actor, Wanted},
    },
    net::PeerCert,
    observe::clock,
    store::core,
};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(super) struct Bed {
    pub accounts: Arc<Accounts>,
    pub directory: Arc<Directory>,
    pub running: Arc<ArcSwap<Config>>,
    _dir: tempfile::TempDir,
}

fn config(dir: &std::path::Path, set: &[&str]) -> Config {
    let set = set.iter().map(ToString::to_string).collect();
    load(&Sources { data_dir: Some(dir.to_owned()), set, cwd: dir.to_owned(), ..Sources::default() }).unwrap().config
}

pub(super) fn bed(set: &[&str]) -> Bed {
    let dir = tempfile::tempdir().unwrap();
    let running = Arc::new(ArcSwap::from_pointee(config(dir.path(), set)));
    let accounts = Accounts::new(core::temporary().unwrap(), running.clone());
    let directory = Arc::new(Directory::default());
    accounts.open_groups(&directory, &running.load()).unwrap();
    Bed { accounts, directory, running, _dir: dir }
}

fn new(name: &str, password: Option<&str>, role: Role) -> NewUser {
    NewUser { name: name.into(), password: password.map(Secret::new), role, ..NewUser::default() }
}

pub(super) fn cert(cn: &str) -> PeerCert {
    PeerCert { common_name: cn.into(), serial_hex: format!("{cn:0>8}"), sha256: format!("{:0>64}", "ab") }
}

impl Bed {
    pub fn add(&self, name: &str, password: Option<&str>, role: Role) -> User {
        self.accounts.add_user(new(name, password, role), &Actor::local()).unwrap()
    }

    fn actions(&self) -> Vec<String> {
        let rows = self.accounts.audit.rows(&Wanted { limit: 100, ..Wanted::default() }).unwrap();
        rows.iter().rev().map(|r| r["action"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_user_logs_in_by_name_in_any_case_and_leaves_no_secret() {
    let bed = bed(&[]);
    bed.add("Alice", Some("correct horse"), Role::User);
    let login = bed.accounts.by_password("ALICE", "correct horse", HERE, false).unwrap();
    assert_eq!((&*login.name, login.role, login.scopes.text().as_str()), ("Alice", Role::User, "read write"));
    assert_eq!(bed.accounts.by_password("alice", "wrong horse!", HERE, false), Err(AuthError::Wrong));
    assert_eq!(bed.accounts.by_password("nobody", "correct horse", HERE, false), Err(AuthError::Wrong));
    assert_eq!(bed.accounts.by_password("alice", "", HERE, false), Err(AuthError::Wrong));
    let user = bed.accounts.user("alice").unwrap().unwrap();
    assert!(user.last_login_at.is_some() && user.last_ip.as_deref() == Some("127.0.0.1"));
    let rows = format!("{:?}", bed.accounts.audit.rows(&Wanted { limit: 100, ..Wanted::default() }).unwrap());
    assert!(rows.contains("auth.failed") && !rows.contains("horse") && !rows.contains("argon2"), "{rows}");
    assert!(!format!("{:?}", new("a", Some("correct horse"), Role::User)).contains("horse"));
}

#[test]
fn names_and_passwords_that_are_none_are_refused() {
    let bed = bed(&[]);
    bed.add("alice", None, Role::User);
    let add =
        |name: &str, password: &str| bed.accounts.add_user(new(name, Some(password), Role::User), &Actor::local());
    assert_eq!(add("ALICE", "long enough pw").unwrap_err(), AccountError::UserExists("ALICE".into()));
    for name in ["", "a b", "-a", "../x", "a\u{e4}", "a/b", &"x".repeat(65)] {
        assert_eq!(add(name, "long enough pw").unwrap_err(), AccountError::UserName(name.into()));
    }
    assert_eq!(add("bob", "elevenchars").unwrap_err(), AccountError::Password(12));
    assert_eq!(add("bob", &"x".repeat(1_025)).unwrap_err(), AccountError::Password(12));
    assert!(bed.accounts.user("bob").unwrap().is_none(), "nothing was made");
    assert_eq!(
        bed.accounts.by_password("alice", "", HERE, false),
        Err(AuthError::Wrong),
        "no password is not an empty one"
    );
}

#[test]
fn id12_04_six_wrong_passwords_are_too_many_and_others_are_not_disturbed() {
    let bed = bed(&[]);
    bed.add("alice", Some("correct horse"), Role::User);
    bed.add("bob", Some("battery staple"), Role::User);
    for _ in 0..5 {
        assert_eq!(bed.accounts.by_password("alice", "wrong", HERE, false), Err(AuthError::Wrong));
    }
    assert!(matches!(bed.accounts.by_password("alice", "wrong", HERE, false), Err(AuthError::Throttled(1..=61))));
    assert!(matches!(bed.accounts.by_password("alice", "correct horse", HERE, false), Err(AuthError::Throttled(_))));
    bed.accounts.by_password("bob", "battery staple", HERE, false).unwrap();
    bed.accounts.by_password("alice", "correct horse", [10, 0, 0, 1].into(), false).unwrap();
    assert_eq!(
        bed.actions()[2..],
        ["auth.failed", "auth.failed", "auth.failed", "auth.failed", "auth.failed", "auth.throttled"]
    );
}

#[test]
fn an_imported_hash_is_made_anew_at_the_first_login() {
    let bed = bed(&[]);
    bed.add("alice", None, Role::User);
    let stored = || {
        let rows = bed.accounts.db.query("SELECT password_hash FROM user", &[]).unwrap();
        rows.first().unwrap().text("password_hash").to_owned()
    };
    let old = bcrypt::hash("imported", 4).unwrap();
    bed.accounts.db.exec("UPDATE user SET password_hash = ?", &[old.clone().into()]).unwrap();
    assert_eq!(bed.accounts.by_password("alice", "another", HERE, false), Err(AuthError::Wrong));
    assert_eq!(stored(), old);
    bed.accounts.by_password("alice", "imported", HERE, false).unwrap();
    assert!(stored().starts_with("$argon2id$"), "{}", stored());
    bed.accounts.by_password("alice", "imported", HERE, false).unwrap();
}

#[test]
fn tokens_say_what_they_may_and_end() {
    let bed = bed(&[]);
    bed.add("root", None, Role::Admin);
    bed.add("eye", None, Role::ReadOnly);
    let accounts = &bed.accounts;
    let token = |user: &str, scopes: &str, ttl| {
        let (about, secret) =
            accounts.add_token(user, Scopes::named(scopes).unwrap(), "t", ttl, &Actor::local()).unwrap();
        assert!(secret.reveal().starts_with("fts_") && secret.reveal().len() == 47 && format!("{secret:?}") == "***");
        (about.id, secret.reveal().to_owned())
    };
    let (id, admin) = token("root", "admin", None);
    let login = accounts.by_token(&admin, HERE).unwrap();
    assert_eq!((&*login.name, login.role, login.scopes.text().as_str()), ("root", Role::Admin, "admin"));
    let login = accounts.by_token(&token("root", "read write", None).1, HERE).unwrap();
    assert_eq!((login.role, login.scopes.text().as_str()), (Role::User, "read write"));
    let login = accounts.by_token(&token("eye", "admin", None).1, HERE).unwrap();
    assert_eq!((login.role, login.scopes.text().as_str(), login.groups_in.len()), (Role::ReadOnly, "read", 0));
    assert_eq!(accounts.by_token(&token("root", "admin", Some(-1)).1, HERE), Err(AuthError::Wrong));
    for wrong in ["", "fts_", "x\" OR \"1\"=\"1", "fts_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(accounts.by_token(wrong, HERE), Err(AuthError::Wrong));
    }
    let listed = accounts.tokens(Some("root")).unwrap();
    assert!(listed.len() == 3 && listed[0].last_used_at.is_some() && listed[1].scopes.text() == "read write");
    let kept = format!("{:?}", accounts.db.query("SELECT * FROM api_token", &[]).unwrap());
    assert!(!kept.contains(&admin) && !kept.contains("fts_"), "only the hash is kept");
    accounts.remove_token(id, &Actor::local()).unwrap();
    assert_eq!(accounts.by_token(&admin, HERE), Err(AuthError::Wrong));
    assert_eq!(accounts.remove_token(id, &Actor::local()), Err(AccountError::NoToken(id)));
    accounts.set_disabled("root", true, &Actor::local()).unwrap();
    let (_, off) = accounts.add_token("root", Scopes::named("read").unwrap(), "", None, &Actor::local()).unwrap();
    assert_eq!(accounts.by_token(off.reveal(), HERE), Err(AuthError::Disabled));
}

#[test]
fn id12_08_an_enrollment_token_is_a_password_for_one_certificate() {
    let bed = bed(&[]);
    let accounts = &bed.accounts;
    bed.add("alice", None, Role::User);
    bed.add("bob", None, Role::User);
    let new = |max_uses| NewEnrollmentToken { user: "alice".into(), not_before: None, expires_at: None, max_uses };
    let (about, secret) = accounts.add_enrollment_token(&new(1), &Actor::local()).unwrap();
    let token = secret.reveal();
    assert!(token.starts_with("et_") && token.len() == 35, "24 bytes in base64url");
    let day = about.expires_at.unwrap() - clock::now_ms();
    assert!((86_390_000..=86_400_000).contains(&day), "{day}");
    assert_eq!(accounts.by_password("alice", token, HERE, false), Err(AuthError::Wrong), "only where tokens count");
    assert_eq!(accounts.by_password("bob", token, HERE, true), Err(AuthError::Wrong), "only for its user");
    let login = accounts.by_password("alice", token, HERE, true).unwrap();
    assert_eq!(login.enrollment_token, Some((about.id, about.expires_at)));
    assert_eq!(
        accounts.by_password("alice", token, HERE, true).unwrap(),
        login,
        "asking for the configuration uses nothing up"
    );
    let used: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| accounts.use_enrollment_token(about.id).unwrap())).collect();
        all.into_iter().map(|t| t.join().unwrap()).filter(|used| *used).collect()
    });
    assert_eq!(used, [true], "one certificate, however many ask at once");
    assert!(accounts.by_password("alice", token, HERE, true).is_ok(), "the profile is asked for with it, too");
    assert!(!accounts.use_enrollment_token(about.id).unwrap());
    accounts.db.exec("UPDATE enrollment_token SET used_at = used_at - 300001", &[]).unwrap();
    assert_eq!(accounts.by_password("alice", token, HERE, true), Err(AuthError::Wrong));
    accounts.unuse_enrollment_token(about.id).unwrap();
    assert!(accounts.use_enrollment_token(about.id).unwrap(), "no certificate was made: the use came back");
}

#[test]
fn id12_08_an_enrollment_token_has_its_time() {
    let bed = bed(&["enrollment.token_ttl=\"1h\""]);
    let accounts = &bed.accounts;
    bed.add("alice", None, Role::User);
    let now = clock::now_ms();
    let make = |not_before, expires_at, max_uses| {
        let new = NewEnrollmentToken { user: "alice".into(), not_before, expires_at, max_uses };
        accounts.add_enrollment_token(&new, &Actor::local())
    };
    let (later, secret) = make(Some(now + 60_000), None, 2).unwrap();
    assert_eq!(later.expires_at, Some(now + 3_660_000));
    assert_eq!(accounts.by_password("alice", secret.reveal(), HERE, true), Err(AuthError::Wrong));
    assert!(!accounts.use_enrollment_token(later.id).unwrap());
    let (short, secret) = make(None, Some(now + 60_000), 2).unwrap();
    accounts.by_password("alice", secret.reveal(), HERE, true).unwrap();
    accounts.db.exec("UPDATE enrollment_token SET expires_at = 1 WHERE id = ?", &[short.id.into()]).unwrap();
    assert_eq!(accounts.by_password("alice", secret.reveal(), HERE, true), Err(AuthError::Wrong));
    assert!(!accounts.use_enrollment_token(short.id).unwrap());
    assert_eq!(make(None, Some(now - 1), 1).unwrap_err(), AccountError::TokenTimes);
    assert_eq!(make(None, None, 0).unwrap_err(), AccountError::TokenTimes);
    assert_eq!(accounts.enrollment_tokens(Some("ALICE")).unwrap().len(), 2);
    accounts.remove_enrollment_token(later.id, &Actor::local()).unwrap();
    assert_eq!(accounts.enrollment_tokens(None).unwrap().len(), 1);
}

#[test]
fn a_certificate_is_its_user_in_the_order_of_the_specification() {
    let bed = bed(&[]);
    let accounts = &bed.accounts;
    let anon = ["__ANON__".to_owned()];
    let who = |cert: &PeerCert| accounts.by_certificate(cert, &anon).map(|l| (l.name.to_string(), l.user_id.is_some()));
    bed.add("alice", None, Role::User);
    assert_eq!(who(&cert("ALICE")), Ok(("alice".into(), true)));
    assert_eq!(who(&cert("stranger")), Ok(("stranger".into(), false)), "a user of its own");
    assert_eq!(who(&cert("alice,x")), Ok(("alice,x".into(), false)), "a comma ends no name");
    assert!(who(&cert("")).unwrap().0.starts_with("certificate-"), "never the anonymous one");
    // FreeTAKServer's <Name><uuid>.
    let uid = uuid::Uuid::new_v4().to_string();
    accounts.add_user(NewUser { uid: Some(uid.clone()), ..new("viper", None, Role::User) }, &Actor::local()).unwrap();
    assert_eq!(who(&cert(&format!("Viper{uid}"))), Ok(("viper".into(), true)));
    let other = uuid::Uuid::new_v4();
    assert_eq!(who(&cert(&format!("Viper{other}"))), Ok((format!("Viper{other}"), false)));
    // A pin decides, whatever the name; and another certificate with the user's name is not the user.
    let mut pinned = cert("somebody");
    pinned.sha256 = "0F".repeat(32).to_lowercase();
    accounts.set_fingerprint("viper", Some(&"0F:".repeat(32)), &Actor::local()).unwrap();
    assert_eq!(who(&pinned), Ok(("viper".into(), true)));
    assert_eq!(who(&cert("viper")), Err(AuthError::Unknown));
    assert_eq!(
        accounts.set_fingerprint("viper", Some("xyz"), &Actor::local()),
        Err(AccountError::Fingerprint("xyz".into()))
    );
    accounts.set_disabled("alice", true, &Actor::local()).unwrap();
    assert_eq!(who(&cert("alice")), Err(AuthError::Disabled));
    accounts.set_disabled("alice", false, &Actor::local()).unwrap();
    let sql = "INSERT INTO certificate (serial, sha256, subject, common_name, issuer, kind, pem, issued_at, not_before, not_after, revoked_at, via)
         VALUES (?, '', '', '', '', 'client', '', 0, 0, 0, ?, 'cli')";
    accounts.db.exec(sql, &[cert("alice").serial_hex.into(), 5.into()]).unwrap();
    assert_eq!(who(&cert("alice")), Err(AuthError::Revoked));
    let mut strict = (**bed.running.load()).clone();
    (strict.auth.allow_unknown_cn, strict.auth.username_regex) = (false, "CN=u-([a-z]+)".into());
    bed.running.store(Arc::new(strict));
    assert_eq!(who(&cert("stranger")), Err(AuthError::Unknown));
    assert_eq!(who(&cert("u-alice")), Ok(("alice".into(), true)), "the pattern of the configuration, live");
}

#[test]
fn the_first_administrator_is_made_once() {
    let bed = bed(&[]);
    let password = bed.accounts.first_start(None).unwrap().unwrap();
    let login = bed.accounts.by_password("admin", password.reveal(), HERE, false).unwrap();
    assert_eq!((login.role, password.reveal().len()), (Role::Admin, 20));
    assert_eq!(bed.accounts.first_start(None).unwrap(), None);
    bed.accounts.delete_user("admin", &Actor::local()).unwrap();
    assert_eq!(bed.accounts.first_start(None).unwrap(), None, "who deleted it wanted that");
}

#[test]
fn the_first_administrator_takes_the_given_password_or_is_there_already() {
    let given = bed(&["auth.password_min=30"]);
    assert_eq!(given.accounts.first_start(Some(Secret::new("too short"))), Err(AccountError::Password(30)));
    assert_eq!(given.accounts.first_start(Some(Secret::new("thirty characters are long enough"))).unwrap(), None);
    given.accounts.by_password("admin", "thirty characters are long enough", HERE, false).unwrap();
    assert!(given.accounts.new_password().reveal().len() >= 30);
    let there = bed(&[]);
    there.add("boss", None, Role::Admin);
    assert_eq!(there.accounts.first_start(None).unwrap(), None);
    assert!(there.accounts.user("admin").unwrap().is_none());
}
