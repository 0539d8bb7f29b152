use super::super::{Client, MockHost};
use crate::{
    cot::Builder,
    message::{Role, UserInfo},
    sdk::*,
};

struct Asks;

impl Plugin for Asks {
    type Config = NoConfig;
    const CAPABILITIES: &'static [&'static str] = &["certs.issue", "tokens"];

    fn start(_: NoConfig, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
        let bob = host.users().named("bob")?.ok_or_else(|| Error::not_found("bob"))?;
        assert_eq!((bob.role, host.users().all()?.len(), host.users().named("x")?), (Role::User, 2, None));
        assert_eq!(host.users().groups()?, ["__ANON__", "red"]);
        let order = |user: &str| CertOrder { user: user.into(), client_uid: "D".into(), ..CertOrder::default() };
        let made = host.certs().issue(&order("bob"))?;
        assert!(made.key_pem.contains("PRIVATE KEY") && !format!("{made:?}").contains("PRIVATE KEY"));
        assert_eq!(host.certs().issue(&order("gone")).unwrap_err().code(), Code::NotFound, "disabled");
        let tokens = host.tokens();
        assert_ne!(tokens.random(16)?, tokens.random(16)?);
        assert_eq!(tokens.random(4).unwrap_err().code(), Code::Invalid);
        let hash = tokens.hash("word")?;
        assert!(tokens.verify("word", &hash)? && !tokens.verify("Word", &hash)?);
        assert!(tokens.same("abc", "abc") && !tokens.same("abc", "abd") && !tokens.same("abc", "ab"));
        let (one, other) = (host.clients().audience("one")?, host.clients().audience("other")?);
        one.add([Member::uid("A"), Member::uid("B")])?;
        other.add([Member::uid("B"), Member::uid("C")])?;
        reg.observe(Observer::reliable("b-ask"), move |event, route| {
            host.status(Level::Ok, format!("{:?}", route.source.role));
            host.cot().send(&event.to_cot(), Target::audiences(["one", "other"]))
        });
        Ok(Asks)
    }
}

fn start() -> MockHost {
    let user = |name: &str, role, disabled| UserInfo {
        name: name.into(),
        role,
        disabled,
        groups_in: vec!["red".into()],
        ..UserInfo::default()
    };
    let host = MockHost::builder().user(user("gone", Role::Admin, true)).user(user("bob", Role::User, false));
    host.start::<Asks>().unwrap()
}

#[test]
fn accounts_certificates_and_secrets_are_there_and_need_their_capabilities() {
    let host = start();
    assert_eq!(host.issued()[0].user, "bob");
    let refused = MockHost::builder().grant(["tokens"]).start::<Asks>();
    assert!(refused.is_err());
}

#[test]
fn several_targets_are_one_each_receiver_gets_it_once_and_the_source_says_its_role() {
    let host = start();
    let [a, b, c, d] = ["A", "B", "C", "D"].map(|uid| host.connect(Client::new(uid, uid)));
    let boss = host.connect(Client::new("E", "E").user("alice").role(Role::Admin));
    let ask = Builder::new("b-ask", host.now()).uid("q").detail_xml("<marti><dest uid=\"nobody\"/></marti>").to_text();
    for (from, role) in [(d, "Anonymous"), (boss, "Admin")] {
        host.forget();
        host.deliver(&ask, from);
        assert_eq!(host.status().text, role);
        assert_eq!([a, b, c, d].map(|conn| host.received(conn).len()), [1, 1, 1, 0]);
    }
}
