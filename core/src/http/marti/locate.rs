//! `/locate/api`: a marker made of a link somebody got by message, "here I am" (marti-http.md 10). Off unless
//! `marti.locate` is on. The caller says who it is, on the enrollment listener with its password; the marker goes into
//! `marti.locate_group`, or without one into the groups the caller may send into, and is like any marker of a client:
//! nobody outside of these groups sees it.
use axum::http::{Method, StatusCode};
use fts_plugin_api::cot::{Builder, escape_text};

use crate::{
    directory::Bits,
    http::{
        answer::{Answer, HandlerError},
        auth::{Auth, Role},
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    observe::clock,
};

/// A year, ms.
const STALE: i64 = 365 * 86_400_000;
/// Longest name and remarks, in characters.
const NAME: usize = 128;
const REMARKS: usize = 2_000;

/// Its routes.
pub fn routes(book: &mut Book) {
    if !book.config().marti.locate {
        return;
    }
    book.on(Method::POST, "/locate/api", Listeners::MARTI_HTTPS | Listeners::ENROLLMENT, Auth::Login, locate)
        .about("A marker at this place, for everybody the caller may send to")
        .query("latitude", "number", true)
        .query("longitude", "number", true)
        .query("name", "string", true)
        .query("remarks", "string", false)
        .enrolls()
        .answers(200, "")
        .answers(400, "application/json");
}

fn locate(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let config = native.config();
    let degrees = |name: &str, most: f64| {
        let text = call.query.get_any_case(name).unwrap_or_default();
        let number = text.trim().parse::<f64>().ok().filter(|n| n.is_finite() && n.abs() <= most);
        number.ok_or_else(|| HandlerError::bad_request(format!("{name} {text:?}: degrees from -{most} to {most}")))
    };
    let (lat, lon) = (degrees("latitude", 90.0)?, degrees("longitude", 180.0)?);
    let words = |name: &str, most: usize| {
        let text: String = call.query.get_any_case(name).unwrap_or_default().trim().chars().take(most).collect();
        text.replace(|c: char| c.is_control() && c != '\n', " ")
    };
    let (name, remarks) = (words("name", NAME), words("remarks", REMARKS));
    if name.is_empty() {
        return Err(HandlerError::bad_request("name: what the marker is called"));
    }
    let who = &call.identity;
    let groups = match config.marti.locate_group.as_str() {
        _ if who.role == Role::ReadOnly => Vec::new(),
        "" => who.groups_in.clone(),
        group => vec![group.to_owned()],
    };
    if groups.is_empty() {
        return Err(HandlerError::forbidden("you may not send into any group"));
    }
    let callsign = match who.user.as_deref() {
        Some(user) if !who.anonymous => format!("{name} ({user})"),
        _ => name,
    };
    let names = &native.router.directory.groups;
    let send = Bits::of(groups.iter().map(|g| names.bit(g)));
    let marker = Builder::new(&config.marti.locate_type, clock::now_ms())
        .how("h-g-i-g-o")
        .point(lat, lon, 9_999_999.0, 9_999_999.0, 9_999_999.0)
        .stale_after(STALE)
        .child("contact", &[("callsign", &callsign)], "")
        .child("remarks", &[], &escape_text(&remarks))
        .child("archive", &[], "")
        .build()
        .map_err(|e| HandlerError::bad_request(format!("no marker can be made of this: {e}")))?;
    native.router.broadcast(marker.text(), &send, 0);
    Ok(Answer::empty(StatusCode::OK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::marti::bed::{Ask, Bed};

    /// What a client got, as text.
    fn got(client: &crate::directory::Client) -> Vec<String> {
        let mut items = Vec::new();
        client.out.take(&mut items, 10, 1 << 20);
        items.iter().map(|i| String::from_utf8_lossy(i.event.xml()).into_owned()).collect()
    }

    #[test]
    fn m10_a_marker_reaches_the_groups_of_its_maker_only() {
        let bed = Bed::with(&["marti.locate=true", "marti.locate_type=\"a-f-G-U\""]);
        let (blue, red) = (bed.join("b", "UB", "B", &["Blue"]), bed.join("r", "UR", "R", &["Red"]));
        let ask =
            Ask::new("POST", "/locate/api?latitude=45.5&longitude=-75.25&name=A%26B&remarks=by%20the%20%3Criver%3E");
        assert_eq!(ask.user("alpha", &["Blue"]).of(&bed, locate).unwrap().status, 200);
        let events = got(&blue);
        assert_eq!(events.len(), 1);
        for part in [
            "type=\"a-f-G-U\"",
            "how=\"h-g-i-g-o\"",
            "callsign=\"A&amp;B (alpha)\"",
            "by the &lt;river",
            "lat=\"45.5\"",
            "lon=\"-75.25\"",
        ] {
            assert!(events[0].contains(part), "{part}: {}", events[0]);
        }
        assert!(got(&red).is_empty());
    }

    #[test]
    fn m10_a_marker_goes_into_the_configured_group() {
        let bed = Bed::with(&["marti.locate=true", "marti.locate_group=\"Red\""]);
        let (blue, red) = (bed.join("b", "UB", "B", &["Blue"]), bed.join("r", "UR", "R", &["Red"]));
        Ask::new("POST", "/?latitude=1&longitude=2&name=x").user("alpha", &["Blue"]).of(&bed, locate).unwrap();
        assert_eq!((got(&blue).len(), got(&red).len()), (0, 1));
    }

    #[test]
    fn m10_what_is_no_place_is_refused() {
        let bed = Bed::with(&["marti.locate=true"]);
        for query in [
            "",
            "latitude=91&longitude=0&name=x",
            "latitude=0&longitude=181&name=x",
            "latitude=NaN&longitude=0&name=x",
            "latitude=0&longitude=0",
        ] {
            assert_eq!(
                Ask::new("POST", &format!("/?{query}")).user("a", &["Blue"]).refused(&bed, locate),
                400,
                "{query}"
            );
        }
        let reader = Ask::new("POST", "/?latitude=0&longitude=0&name=x").user("a", &["Blue"]);
        assert_eq!(reader.identity(|i| i.role = Role::ReadOnly).refused(&bed, locate), 403);
    }
}
