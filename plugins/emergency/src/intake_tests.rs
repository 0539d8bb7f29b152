//! What events do to the table; the handlers themselves are tried in `tests/acceptance.rs`.
use super::*;
use crate::{
    config::CancelPolicy,
    samples::{CANCEL_A, START_A, client, look},
};

struct Bed {
    table: Table,
    config: Config,
}

impl Bed {
    fn new(cancel_policy: CancelPolicy) -> Self {
        Self { table: Table::new(9, Vec::new(), 0), config: Config { cancel_policy, ..Config::default() } }
    }

    fn hear(&self, text: &str, source: &SourceInfo, now: i64) -> Heard {
        look(text, |event| hear(&self.table, &self.config, event, None, source, now, true))
    }
}

fn a() -> SourceInfo {
    client(1, "ANDROID-11aa", &["red"])
}

fn b() -> SourceInfo {
    client(2, "B", &["red"])
}

#[test]
fn a_start_takes_what_it_does_not_say_from_its_source() {
    let bed = Bed::new(CancelPolicy::Any);
    let source = SourceInfo { callsign: "LIMA1".into(), ..a() };
    let bare = r#"<event uid="u" type="b-a-o-pan"><point lat="1" lon="2"/><detail><emergency/></detail></event>"#;
    let Heard::Start(Started::New(alert)) = bed.hear(bare, &source, 7) else { panic!() };
    assert_eq!(
        (alert.callsign.as_str(), alert.name.as_str(), alert.origin.as_str()),
        ("LIMA1", "LIMA1", "ANDROID-11aa")
    );
    assert_eq!((alert.first, alert.last, alert.groups.as_slice()), (7, 7, &["red".to_owned()][..]));
}

#[test]
fn the_text_that_is_kept_is_the_one_that_was_relayed() {
    let bed = Bed::new(CancelPolicy::Any);
    let heard = look(START_A, |event| {
        let remarked = alert::with_remark(event);
        hear(&bed.table, &bed.config, event, remarked.as_deref(), &a(), 1, true)
    });
    let Heard::Start(Started::New(alert)) = heard else { panic!() };
    assert!(alert.text.contains("<remarks>CALL 911 NOW</remarks>"));
}

#[test]
fn what_is_too_long_is_not_kept() {
    let bed = Bed::new(CancelPolicy::Any);
    let long = START_A.replace("</detail>", &format!("<x>{}</x></detail>", "y".repeat(LONGEST)));
    assert_eq!(bed.hear(&long, &a(), 1), Heard::TooLong);
    assert_eq!(bed.table.len(), 0);
}

#[test]
fn the_policy_decides_who_cancels() {
    let bed = Bed::new(CancelPolicy::Originator);
    bed.hear(START_A, &a(), 1);
    assert!(matches!(bed.hear(CANCEL_A, &b(), 2), Heard::Cancel(Cancelled::Refused(..), None)));
    assert_eq!(bed.table.len(), 1);
    let Heard::Cancel(Cancelled::Done(alert), None) = bed.hear(CANCEL_A, &a(), 3) else { panic!() };
    assert_eq!(alert.cancelled_by, "ANDROID-11aa");
    assert_eq!(bed.hear(CANCEL_A, &b(), 4), Heard::Cancel(Cancelled::Unknown, None), "over is unknown, and relayed");
}

#[test]
fn a_cancel_with_another_uid_ends_the_senders_only_alert() {
    let bed = Bed::new(CancelPolicy::Any);
    bed.hear(START_A, &a(), 1);
    let other = CANCEL_A.replace("ANDROID-11aa-9-1-1", "358401234567-9-1-1");
    assert_eq!(bed.hear(&other, &b(), 2), Heard::Cancel(Cancelled::Unknown, None));
    let without = look(&other, |event| hear(&bed.table, &bed.config, event, None, &a(), 3, false));
    assert_eq!(without, Heard::Cancel(Cancelled::Unknown, None), "no guess when it is not its time");
    let Heard::Cancel(Cancelled::Unknown, Some(alert)) = bed.hear(&other, &a(), 3) else { panic!() };
    assert_eq!(alert.uid, "ANDROID-11aa-9-1-1");
    assert_eq!(bed.table.len(), 0);
}

#[test]
fn a_cancel_goes_to_all_who_got_the_alert() {
    let bed = Bed::new(CancelPolicy::Any);
    bed.hear(START_A, &client(1, "ANDROID-11aa", &["red", "blue"]), 1);
    let alert = bed.table.get("ANDROID-11aa-9-1-1").unwrap();
    let verdict = |text: &str, groups: &[&str]| {
        let passes = |event: &Event<'_>| matches!(widen(&alert, event, &client(2, "B", groups)), Verdict::Pass);
        look(text, passes)
    };
    assert!(verdict(CANCEL_A, &["blue", "red", "green"]), "nothing to add");
    assert!(!verdict(CANCEL_A, &["red"]));
    let named = CANCEL_A.replace("</detail>", r#"<marti><dest uid="X"/></marti></detail>"#);
    assert!(!verdict(&named, &["blue", "red"]));
}
