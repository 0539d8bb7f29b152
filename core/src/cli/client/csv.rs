//! Many clients from a CSV file: a heading names the columns (`name`, `groups`, `client`, `host`), every line is one client.
//! The whole file is read and checked before anything is made; what is wrong is told with its line.
use std::{collections::HashSet, path::Path};

use super::{AddArgs, Wanted};
use crate::identity::packages::{check_host, check_name};

const COLUMNS: [&str; 4] = ["name", "groups", "client", "host"];
const CLIENTS: [&str; 5] = ["atak", "wintak", "itak", "enroll", "all"];

/// All clients of a file; what a line leaves empty is what the flags say.
///
/// # Errors
/// What is wrong, and in which line.
pub(super) fn read(path: &Path, args: &AddArgs) -> Result<Vec<Wanted>, String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| format!("{name}: {e}"))?;
    parse(&text, args).map_err(|why| format!("{name}: {why}"))
}

fn parse(text: &str, args: &AddArgs) -> Result<Vec<Wanted>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let heading: Vec<String> =
        reader.headers().map_err(|e| e.to_string())?.iter().map(str::to_ascii_lowercase).collect();
    if let Some(unknown) = heading.iter().find(|column| !COLUMNS.contains(&column.as_str())) {
        return Err(format!("column {unknown:?}: the columns are name, groups, client and host"));
    }
    let at = |column: &str| heading.iter().position(|c| c == column);
    let first = at("name").ok_or("the first line must name the columns, and one of them is name")?;
    let (mut all, mut names) = (Vec::new(), HashSet::new());
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |column: &str| at(column).and_then(|n| record.get(n)).filter(|f| !f.is_empty());
        let bad = |why: String| format!("line {line}: {why}");
        let name = record.get(first).unwrap_or_default().to_owned();
        check_name(&name).map_err(|e| bad(e.to_string()))?;
        if !names.insert(name.to_ascii_lowercase()) {
            return Err(bad(format!("{name} stands in the file twice")));
        }
        let client = field("client").map_or_else(|| args.client.clone(), str::to_ascii_lowercase);
        if !CLIENTS.contains(&client.as_str()) {
            return Err(bad(format!("client {client:?}: {}", CLIENTS.join(", "))));
        }
        let host = field("host").map(str::to_owned).or_else(|| args.host.clone());
        host.as_deref().map_or(Ok(()), check_host).map_err(|e| bad(e.to_string()))?;
        let own =
            field("groups").map(|g| g.split(';').map(|g| g.trim().to_owned()).filter(|g| !g.is_empty()).collect());
        all.push(Wanted { name, client, host, groups: own.unwrap_or_else(|| args.group.clone()) });
    }
    if all.is_empty() { Err("no client in it".into()) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> AddArgs {
        AddArgs {
            name: None,
            client: "atak".into(),
            host: None,
            group: vec!["all".into()],
            out: ".".into(),
            csv: None,
            qr: false,
            offline: false,
        }
    }

    #[test]
    fn lines_are_clients_and_what_is_left_out_is_what_the_flags_say() {
        let text = "\u{feff}Name,groups,Client,host\nalice, red ; blue:out ,itak,10.0.0.1\nbob\n\"carol\",,,\n";
        let all = parse(text, &args()).unwrap();
        let alice = Wanted {
            name: "alice".into(),
            client: "itak".into(),
            host: Some("10.0.0.1".into()),
            groups: vec!["red".into(), "blue:out".into()],
        };
        let bob = Wanted { name: "bob".into(), client: "atak".into(), host: None, groups: vec!["all".into()] };
        assert_eq!(all, [alice, bob.clone(), Wanted { name: "carol".into(), ..bob }]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, why) in [
            ("", "name the columns"),
            ("alice\nbob\n", "column \"alice\""),
            ("groups\nred\n", "one of them is name"),
            ("name\n", "no client"),
            ("name\nalice\na/b\n", "line 3"),
            ("name\nalice\nALICE\n", "line 3: ALICE stands in the file twice"),
            ("name,client\nalice,tak\n", "line 2: client \"tak\""),
            ("name,host\nalice,::1\n", "line 2: host"),
        ] {
            let error = parse(text, &args()).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
