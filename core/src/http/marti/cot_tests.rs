//! cot.md 12.4 without the wire: forms, windows, boxes, who sees what.
use super::*;
use crate::{
    http::marti::bed::{Ask, Bed, Reply},
    store::history::tests::{FOR_EVER, NOW, event},
};

fn bed() -> Bed {
    let bed = Bed::with(&FOR_EVER);
    bed.native.history.begin(None).unwrap();
    bed
}

fn put(bed: &Bed, text: &str, received: i64, group: &str) {
    let history = crate::store::history::tests::Bed(bed.native.history.clone());
    history.put(text, received, &[group], None);
    history.settled();
    std::mem::forget(history);
}

fn ask(bed: &Bed, path: &str) -> Reply {
    let (endpoint, ask): (crate::http::native::Endpoint, Ask) = match path.strip_prefix("xml/") {
        Some(rest) => {
            let (uid, query) = rest.split_once('?').unwrap_or((rest, ""));
            (by_uid, Ask::get(&format!("/x?{query}")).param("uid", uid))
        }
        None if path.starts_with("sa") => (in_window, Ask::get(path)),
        None => (matching, Ask::get(path)),
    };
    match ask.of(bed, endpoint) {
        Ok(reply) => reply,
        Err(error) => panic!("{path}: {error}"),
    }
}

#[test]
fn by_uid_the_newest_without_marti_and_all_of_them() {
    let bed = bed();
    let text = |n: i64| event("u.1:x/y", "b-m-p-s-m", NOW + n, r#"<marti><dest group="__ANON__"/></marti>"#);
    (0..3).for_each(|n| put(&bed, &text(n), NOW + n, "__ANON__"));
    let reply = ask(&bed, "xml/u.1:x/y");
    let bare = text(2).replace(r#"<marti><dest group="__ANON__"/></marti>"#, "");
    assert_eq!((reply.status, reply.text()), (200, format!("{DECLARATION}{bare}")));
    assert_eq!(reply.headers["content-type"], "application/xml");
    let all = ask(&bed, "xml/u.1:x/y/all").text();
    let events: String = (0..3)
        .rev()
        .map(|n| format!("{}\n", text(n).replace(r#"<marti><dest group="__ANON__"/></marti>"#, "")))
        .collect();
    assert_eq!(all, format!("{DECLARATION}<events>{events}</events>"));
    for missing in ["xml/none", "xml/none/all", "xml/u.1:x/y/all?secago=1"] {
        let reply = ask(&bed, missing);
        assert!(reply.status == 404 && reply.bytes.is_empty(), "{missing}");
    }
    let between = "xml/u.1:x/y/all?start=2023-11-14T22:13:20.001Z&end=2023-11-14T22:13:20.002Z";
    assert_eq!(ask(&bed, between).text().matches("<event ").count(), 2);
    for wrong in ["start=yesterday", "secago=x", "start=2024-01-01T00:00:00Z&end=2023-01-01T00:00:00Z"] {
        assert_eq!(Ask::get(&format!("/x?{wrong}")).param("uid", "u.1:x/y/all").refused(&bed, by_uid), 400, "{wrong}");
    }
    bed.native.history.stop();
}

#[test]
fn several_uids_and_what_is_no_list_of_them() {
    let bed = bed();
    put(&bed, &event("A", "b-m-p-s-m", NOW, ""), NOW, "__ANON__");
    put(&bed, &event("B", "b-m-p-s-m", NOW, ""), NOW, "red");
    let of = |body: &str| Ask::new("POST", "/x").body(body.to_owned()).of(&bed, several);
    let found = of(r#"["A", "B", "C"]"#).unwrap();
    assert_eq!((found.status, found.text().matches("<event ").count()), (200, 1), "B is another group's");
    assert!(of(r#"["C"]"#).unwrap().text().ends_with("<events></events>"));
    for wrong in ["[]", r#"["A", ""]"#, r#"[1]"#, "{}", ""] {
        assert_eq!(of(wrong).unwrap_err().status, 400, "{wrong}");
    }
    bed.native.history.stop();
}

#[test]
fn a_window_a_box_and_the_types_that_are_shown() {
    let bed = bed();
    for (n, (uid, kind)) in
        [("P", "a-f-G-U-C"), ("M", "b-m-p-s-m"), ("R", "b-m-r"), ("C", "b-t-f"), ("H", "a-h-G")].iter().enumerate()
    {
        put(&bed, &event(uid, kind, NOW, ""), NOW + n as i64, "__ANON__");
    }
    let day = "start=2023-11-14T00:00:00Z&end=2023-11-15T00:00:00Z";
    let uids = |query: &str| {
        let text = ask(&bed, &format!("sa?{day}{query}")).text();
        text.split("uid=\"").skip(1).map(|t| t.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(uids(""), ["H", "C", "R", "P"], "newest first, markers left out");
    assert_eq!(uids("&isFiltered=false"), ["H", "C", "R", "M", "P"]);
    assert_eq!(uids("&left=-76&bottom=45&right=-75&top=46").len(), 4);
    assert_eq!(ask(&bed, &format!("sa?{day}&left=0&bottom=45&right=1&top=46")).status, 404);
    assert_eq!(ask(&bed, "sa?start=2020-01-01T00:00:00Z&end=2020-01-01T01:00:00Z").status, 404);
    for wrong in [
        "end=2023-11-15T00:00:00Z",
        "start=2023-11-15T00:00:00Z&end=2023-11-14T00:00:00Z",
        "start=2023-11-14T00:00:00Z&end=2023-11-15T00:00:01Z",
        &format!("{day}&left=1"),
        &format!("{day}&left=-76&bottom=46&right=-75&top=45"),
    ] {
        assert_eq!(Ask::get(&format!("/x?{wrong}")).refused(&bed, in_window), 400, "{wrong}");
    }
    bed.native.history.stop();
}

#[test]
fn uids_by_a_part_at_most_five() {
    let bed = bed();
    (0..7).for_each(|n| put(&bed, &event(&format!("ANDROID-{n}"), "b-m-p-s-m", NOW, ""), NOW, "__ANON__"));
    assert_eq!(ask(&bed, "m?search=roid-3").text(), r#"["ANDROID-3"]"#);
    assert_eq!(serde_json::from_str::<Vec<String>>(&ask(&bed, "m?search=").text()).unwrap().len(), 5);
    assert_eq!(ask(&bed, "m?search=nothing").status, 404);
    assert_eq!(ask(&bed, "m?search=%25").status, 404, "no pattern");
    let stranger = Ask::get("/m").user("bob", &["red"]).of(&bed, matching).unwrap();
    assert_eq!(stranger.status, 404, "another group");
    bed.native.history.stop();
}
