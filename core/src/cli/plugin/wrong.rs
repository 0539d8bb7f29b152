//! Tables a plugin must refuse, made from its defaults: a key nobody knows in every table of them, and for every key a
//! value of a type it cannot have.
use serde_json::{Map, Value, json};

type Table = Map<String, Value>;

/// A key nobody has.
const NOBODYS: &str = "fts-plugin-test";

/// What is wrong with it, and the table.
pub fn tables(defaults: &Table) -> Vec<(String, Table)> {
    let mut all = Vec::new();
    below(defaults, "", &|table| table, &mut all);
    all
}

/// `wrap` puts a table of this depth into those around it.
fn below(table: &Table, path: &str, wrap: &dyn Fn(Table) -> Table, all: &mut Vec<(String, Table)>) {
    let one = |key: &str, value: Value| wrap(Map::from_iter([(key.to_owned(), value)]));
    let name = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    all.push((format!("the unknown key {}", name(NOBODYS)), one(NOBODYS, json!(1))));
    for (key, value) in table {
        match value {
            // Nothing is known of what it may be.
            Value::Null => {}
            Value::Object(inner) => {
                all.push((format!("a text for the table {}", name(key)), one(key, json!(NOBODYS))));
                if !inner.is_empty() {
                    below(inner, &name(key), &|table| one(key, Value::Object(table)), all);
                }
            }
            _ => all.push((format!("a table for {}", name(key)), one(key, json!({NOBODYS: 1})))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_wrong_once() {
        let defaults = json!({"a": 1, "none": null, "list": [], "map": {}, "v1": {"port": 2}});
        let made = tables(defaults.as_object().unwrap());
        let all: Vec<_> = made.iter().map(|(what, table)| (what.as_str(), json!(table))).collect();
        let nobody = json!({NOBODYS: 1});
        assert_eq!(
            all,
            [
                ("the unknown key fts-plugin-test", nobody.clone()),
                ("a table for a", json!({"a": nobody})),
                ("a table for list", json!({"list": nobody})),
                ("a text for the table map", json!({"map": "fts-plugin-test"})),
                ("a text for the table v1", json!({"v1": "fts-plugin-test"})),
                ("the unknown key v1.fts-plugin-test", json!({"v1": nobody})),
                ("a table for v1.port", json!({"v1": {"port": nobody}})),
            ]
        );
    }
}
