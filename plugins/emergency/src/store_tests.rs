//! Conditions and forms; the statements run in `tests/acceptance.rs` and in the tests with a host.
use super::*;
use crate::samples::alert_a;

#[test]
fn a_query_names_its_conditions() {
    let (all, values) = condition(&Query::default());
    assert_eq!((all.as_str(), values.len()), ("", 0));
    let query = Query {
        uid: Some("u".into()),
        active: Some(true),
        since: Some(1),
        until: Some(2),
        groups: Some(vec!["red".into(), "blue".into()]),
        ..Query::default()
    };
    let (some, values) = condition(&query);
    assert_eq!(
        some,
        " WHERE uid = ? AND cancelled_ms = 0 AND first_ms >= ? AND first_ms <= ? \
         AND (instr(groups, ?) > 0 OR instr(groups, ?) > 0)"
    );
    assert_eq!(values.last(), Some(&Value::from("\nblue\n")));
    let (none, _) = condition(&Query { groups: Some(Vec::new()), ..Query::default() });
    assert_eq!(none, " WHERE (0)", "no groups: nothing");
}

#[test]
fn every_column_has_its_value() {
    let names = PUT.split(['(', ')']).nth(1).unwrap().split(',').count();
    assert_eq!(values(&alert_a(&["red"], 1)).len(), names);
    assert_eq!(lines(&["red".to_owned(), "blue".to_owned()]), "\nred\nblue\n");
}
