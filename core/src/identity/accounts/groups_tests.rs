use super::{
    tests::{bed, cert},
    *,
};
use crate::identity::{Role, audit::Actor};

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
