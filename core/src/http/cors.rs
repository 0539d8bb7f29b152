//! Pages of other origins (rest-api.md 2.3): whether a listener lets them read its answers (`cors_origins`), and the
//! answer to the question a browser asks first. That one is 200 and empty whoever asks, because browsers send it without
//! credentials; a listener that lets nobody in answers it without a word about origins.
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header},
};

/// What a page may send.
const METHODS: HeaderValue = HeaderValue::from_static("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");

/// What one request is told about origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cors {
    /// Nothing: no page is let in, or not this one.
    Silent {
        /// Another page would have been told something else.
        varies: bool,
    },
    /// This origin may read.
    Origin(HeaderValue),
    /// Whoever asks may.
    Anybody,
}

impl Cors {
    /// Of a listener's `cors_origins` and a request.
    pub fn of(origins: &[String], asked: &HeaderMap) -> Self {
        let any = origins.iter().any(|o| o == "*");
        match asked.get(header::ORIGIN) {
            _ if origins.is_empty() => Self::Silent { varies: false },
            None if any => Self::Anybody,
            Some(origin) if any || origins.iter().any(|o| o.as_bytes() == origin.as_bytes()) => {
                Self::Origin(origin.clone())
            }
            _ => Self::Silent { varies: true },
        }
    }

    /// The answer to a browser that asks before it sends, if this is one.
    pub fn preflight(&self, method: &Method, asked: &HeaderMap) -> Option<Response<Body>> {
        let asks = method == Method::OPTIONS
            && asked.contains_key(header::ORIGIN)
            && asked.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !asks {
            return None;
        }
        let mut answer = Response::new(Body::empty());
        if let Self::Origin(_) | Self::Anybody = self {
            let headers = answer.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            if let Some(wanted) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).and_then(listed) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
            }
        }
        self.tell(answer.headers_mut());
        Some(answer)
    }

    /// Adds what any answer says.
    pub fn tell(&self, headers: &mut HeaderMap) {
        const ALLOW: HeaderName = header::ACCESS_CONTROL_ALLOW_ORIGIN;
        match self {
            Self::Silent { varies: false } => {}
            Self::Silent { varies: true } => {
                headers.append(header::VARY, HeaderValue::from_static("Origin"));
            }
            Self::Anybody => {
                headers.insert(ALLOW, HeaderValue::from_static("*"));
            }
            Self::Origin(origin) => {
                headers.insert(ALLOW, origin.clone());
                headers.append(header::VARY, HeaderValue::from_static("Origin"));
            }
        }
    }
}

/// The list of header names that was asked for, in its usual form.
fn listed(wanted: &HeaderValue) -> Option<HeaderValue> {
    let names: Vec<_> = wanted.to_str().ok()?.split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
    HeaderValue::try_from(names.join(", ")).ok().filter(|v| !v.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    fn told(origins: &[&str], method: Method, headers: &[(&'static str, &'static str)]) -> (bool, String) {
        let origins: Vec<_> = origins.iter().map(ToString::to_string).collect();
        let headers = asked(headers);
        let cors = Cors::of(&origins, &headers);
        let (preflight, mut answer) = match cors.preflight(&method, &headers) {
            Some(answer) => (true, answer.headers().clone()),
            None => (false, HeaderMap::new()),
        };
        if !preflight {
            cors.tell(&mut answer);
        }
        let short = |n: &HeaderName| n.as_str().replace("access-control-allow-", "");
        let mut lines: Vec<_> = answer.iter().map(|(n, v)| format!("{}={}", short(n), v.to_str().unwrap())).collect();
        lines.sort();
        (preflight, lines.join("; "))
    }

    #[test]
    fn m15_37_what_pages_are_told() {
        let ui = ("origin", "http://ui.example");
        let first = [
            ui,
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type"),
        ];
        let whole = "headers=authorization, content-type; methods=DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT; origin=http://ui.example; vary=Origin";
        assert_eq!(told(&["*"], Method::OPTIONS, &first), (true, whole.into()));
        assert_eq!(told(&["http://ui.example"], Method::OPTIONS, &first), (true, whole.into()));
        assert_eq!(told(&["http://other.example"], Method::OPTIONS, &first), (true, "vary=Origin".into()));
        assert_eq!(told(&[], Method::OPTIONS, &first), (true, String::new()));
        assert_eq!(told(&["*"], Method::OPTIONS, &[ui]), (false, "origin=http://ui.example; vary=Origin".into()));
        assert_eq!(told(&["*"], Method::GET, &[ui]), (false, "origin=http://ui.example; vary=Origin".into()));
        assert_eq!(told(&["*"], Method::GET, &[]), (false, "origin=*".into()));
        assert_eq!(told(&["http://ui.example"], Method::GET, &[]), (false, "vary=Origin".into()));
        assert_eq!(told(&[], Method::GET, &[ui]), (false, String::new()));
    }
}
