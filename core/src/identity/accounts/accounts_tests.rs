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

struct Bed {
    accounts: Arc<Accounts>,
    directory: Arc<Directory>,
    running: Arc<ArcSwap<Config>>,
    _dir: tempfile::TempDir,
}

fn config(dir: &std::path::Path, set: &[&str]) -> Config {
    let set = set.iter().map(ToString::to_string).collect();
    load(&Sources { data_dir: Some(dir.to_owned()), set, cwd: dir.to_owned(), ..Sources::default() }).unwrap().config
}

fn bed(set: &[&str]) -> Bed {
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

fn cert(cn: &str) -> PeerCert {
    PeerCert { common_name: cn.into(), serial_hex: format!("{cn:0>8}"), sha256: format!("{:0>64}", "ab") }
}

impl Bed {
    fn add(&self, name: &str, password: Option<&str>, role: Role) -> User {
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
fn membership_comes_from_the_user_the_role_and_the_listener() {
    let bed = bed(&["listeners.cot_tls.default_groups=[\"__ANON__\", \"Guests\"]"]);
    let accounts = &bed.accounts;
    let local = Actor::local();
    let (plain, admin) = (bed.add("alice", None, Role::User), bed.add("root", None, Role::Admin));
    let reader = bed.add("eye", None, Role::ReadOnly);
    assert_eq!(accounts.group("Guests").unwrap().bit, 3, "named in the configuration");
    accounts.add_group("Blue", "the blue ones", &local).unwrap();
    accounts.add_group("Red", "", &local).unwrap();
    let defaults = ["Guests".to_owned()];
    let of = |name: &str, id: Option<i64>, role, defaults: &[String]| {
        let found = accounts.membership(name, id, role, defaults).unwrap();
        found.map(|m| (m.names(Direction::In).join(" "), m.names(Direction::Out).join(" ")))
    };
    let both = |names: &str| Some((names.to_owned(), names.to_owned()));
    assert_eq!(of("alice", Some(plain.id), Role::User, &defaults), both("Guests"));
    assert_eq!(of("alice", Some(plain.id), Role::User, &[]), None, "refused");
    assert_eq!(of("stranger", None, Role::User, &defaults), both("Guests"));
    assert_eq!(of("root", Some(admin.id), Role::Admin, &[]), both("__ANON__ Guests Blue Red"));
    assert_eq!(of("eye", Some(reader.id), Role::ReadOnly, &defaults), Some((String::new(), "Guests".into())));
    accounts.grant("alice", "Blue", &Direction::BOTH, &local).unwrap();
    assert!(accounts.grant("alice", "Red", &[Direction::Out], &local).unwrap());
    assert!(!accounts.grant("alice", "Red", &[Direction::Out], &local).unwrap(), "it was there");
    assert_eq!(of("alice", Some(plain.id), Role::User, &defaults), Some(("Blue".into(), "Blue Red".into())));
    assert!(accounts.revoke("alice", "Blue", &[Direction::In], &local).unwrap());
    assert_eq!(of("alice", Some(plain.id), Role::User, &defaults), Some((String::new(), "Blue Red".into())));
    assert_eq!(accounts.grant("alice", "Green", &[Direction::In], &local), Err(AccountError::NoGroup("Green".into())));
    assert_eq!(accounts.grant("nobody", "Red", &[Direction::In], &local), Err(AccountError::NoUser("nobody".into())));
    let login = accounts.by_certificate(&cert("alice"), &defaults).unwrap();
    assert!(login.grouped && login.groups_in.is_empty() && login.groups_out == ["Blue", "Red"]);
}

#[test]
fn channels_somebody_switched_off_stay_off_and_never_fall_back() {
    let bed = bed(&[]);
    let accounts = &bed.accounts;
    let local = Actor::local();
    let id = Some(bed.add("alice", None, Role::User).id);
    assert!(!accounts.channels_on(), "only __ANON__: as FreeTAKServer");
    accounts.add_group("Blue", "", &local).unwrap();
    assert!(accounts.channels_on());
    let anon = ["__ANON__".to_owned()];
    let now = || accounts.membership("ALICE", id, Role::User, &anon).unwrap().unwrap();
    let of = |m: &Membership| (m.names(Direction::In).join(" "), m.names(Direction::Out).join(" "));
    accounts.grant("alice", "Blue", &Direction::BOTH, &local).unwrap();
    accounts.choose_channels("alice", &now(), &[("Blue".into(), Direction::Out, false)], &local).unwrap();
    assert_eq!(of(&now()), ("Blue".into(), String::new()));
    accounts
        .choose_channels(
            "alice",
            &now(),
            &[("Blue".into(), Direction::In, false), ("Red".into(), Direction::In, true)],
            &local,
        )
        .unwrap();
    assert_eq!((of(&now()), now().0.len()), ((String::new(), String::new()), 2), "in the group, and everything off");
    let mut strict = (**bed.running.load()).clone();
    strict.groups.require_active = true;
    bed.running.store(Arc::new(strict.clone()));
    assert_eq!(accounts.choose_channels("alice", &now(), &[], &local), Err(AccountError::NothingActive));
    strict.groups.channels = crate::config::Channels::Off;
    bed.running.store(Arc::new(strict));
    assert_eq!(of(&now()), ("Blue".into(), "Blue".into()), "without channels nothing is off");
}

#[test]
fn positions_are_kept_never_given_twice_and_told_to_the_directory() {
    let bed = bed(&[]);
    let accounts = &bed.accounts;
    let local = Actor::local();
    let names = &bed.directory.groups;
    assert_eq!((accounts.group("__ANON__").unwrap().bit, names.find("__ANON__")), (2, Some(2)));
    let blue = accounts.add_group("Blue", "", &local).unwrap();
    assert_eq!((blue.bit, names.find("Blue")), (3, Some(3)));
    assert_eq!(names.bit("seen by a plugin"), 4);
    assert_eq!(accounts.group("seen by a plugin").unwrap().bit, 4, "it has a row");
    accounts.remove_group("Blue", &local).unwrap();
    assert!(accounts.group("Blue").is_none());
    assert_eq!(accounts.add_group("Green", "", &local).unwrap().bit, 5);
    assert_eq!(accounts.add_group("Blue", "", &local).unwrap().bit, 3, "its own again");
    for (name, error) in [
        ("Blue", AccountError::GroupExists("Blue".into())),
        ("__CANARY__", AccountError::Reserved("__CANARY__".into())),
        ("a/b", AccountError::GroupName("a/b".into())),
        (" a", AccountError::GroupName(" a".into())),
        ("", AccountError::GroupName(String::new())),
    ] {
        assert_eq!(accounts.add_group(name, "", &local).unwrap_err(), error);
    }
    assert_eq!(accounts.remove_group("__ANON__", &local), Err(AccountError::Reserved("__ANON__".into())));
    // Another process on the same database has the same positions.
    let directory = Arc::new(Directory::default());
    let again = Accounts::new(accounts.db.clone(), bed.running.clone());
    again.open_groups(&directory, &bed.running.load()).unwrap();
    assert_eq!(
        ["__ANON__", "Blue", "seen by a plugin", "Green"].map(|n| directory.groups.find(n)),
        [Some(2), Some(3), Some(4), Some(5)]
    );
    accounts.db.close().unwrap();
    assert!(names.bit("cannot be stored") >= 4_096, "a position nobody else is ever given");
}

#[test]
fn members_go_with_their_group_and_their_user() {
    let bed = bed(&[]);
    let accounts = &bed.accounts;
    let local = Actor::local();
    for name in ["alice", "bob"] {
        bed.add(name, None, Role::User);
    }
    accounts.add_group("Blue", "", &local).unwrap();
    accounts.add_group("Red", "", &local).unwrap();
    accounts.set_groups("alice", &[("Blue".into(), Direction::In), ("Red".into(), Direction::Out)], &local).unwrap();
    accounts.grant("bob", "Blue", &Direction::BOTH, &local).unwrap();
    let members = |group| {
        accounts.members(group).unwrap().into_iter().map(|(n, d)| format!("{n} {}", d.name())).collect::<Vec<_>>()
    };
    assert_eq!(members("Blue"), ["alice IN", "bob IN", "bob OUT"]);
    assert_eq!(
        accounts.set_groups("alice", &[("Green".into(), Direction::In)], &local),
        Err(AccountError::NoGroup("Green".into()))
    );
    assert_eq!(members("Red"), ["alice OUT"], "nothing was changed");
    accounts.delete_user("ALICE", &local).unwrap();
    assert_eq!((members("Blue").len(), members("Red").len()), (2, 0));
    accounts.remove_group("Blue", &local).unwrap();
    let bob = accounts.user("bob").unwrap().unwrap();
    assert_eq!(accounts.own_groups(bob.id).unwrap(), []);
    assert_eq!(accounts.delete_user("alice", &local), Err(AccountError::NoUser("alice".into())));
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
