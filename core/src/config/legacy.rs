//! FreeTAKServer's command line: `-CoTPort 8087 -AutoStart True …` becomes `--set` overrides (operations.md 4).

/// What FreeTAKServer's arguments mean here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Legacy {
    /// For `--set`.
    pub set: Vec<String>,
    /// For the operator.
    pub notices: Vec<String>,
    /// Our own options between them, as they are.
    pub own: Vec<String>,
}

/// None when the arguments are not of that form: the first, or the first behind `run`, begins with one dash and a
/// capital, or is `-d`.
pub fn legacy_args(args: &[String]) -> Option<Legacy> {
    let args = if args.first().is_some_and(|a| a == "run") { &args[1..] } else { args };
    let first = args.first()?;
    let old = first.strip_prefix('-').is_some_and(|f| f.starts_with(|c: char| c.is_ascii_uppercase())) || first == "-d";
    if !old {
        return None;
    }
    let Legacy { mut set, mut notices, mut own } = Legacy::default();
    let mut args = args.iter();
    while let Some(flag) = args.next() {
        if flag.starts_with("--") {
            own.push(flag.clone());
            own.extend(if flag.contains('=') || flag == "--json" { None } else { args.next().cloned() });
            continue;
        }
        let value = args.next().map_or("", String::as_str);
        match flag.as_str() {
            "-CoTPort" => set.push(format!("listeners.cot_tcp.port={value}")),
            "-CoTIP" => set.push(format!("listeners.cot_tcp.bind=\"{value}\"")),
            "-SSLCoTPort" => set.push(format!("listeners.cot_tls.port={value}")),
            "-SSLCoTIP" => set.push(format!("listeners.cot_tls.bind=\"{value}\"")),
            "-DataPackagePort" => set.push(format!("listeners.marti_http.port={value}")),
            "-DataPackageIP" => set.push(format!("listeners.marti_http.bind=\"{value}\"")),
            "-SSLDataPackagePort" => set.push(format!("listeners.marti_https.port={value}")),
            "-SSLDataPackageIP" => set.push(format!("listeners.marti_https.bind=\"{value}\"")),
            "-RestAPIPort" => set.push(format!("listeners.rest.port={value}")),
            "-RestAPIIP" => set.push(format!("listeners.rest.bind=\"{value}\"")),
            "-AutoStart" => {
                if value == "False" {
                    let off = ["cot_tcp", "cot_tls", "marti_http", "marti_https"];
                    set.extend(off.map(|name| format!("listeners.{name}.enabled=false")));
                }
            }
            "-d" => notices.push("-d: use `fts run` under systemd with config/fts.service".into()),
            "-UI" => notices.push("-UI has no effect: the web UI is a program of its own".into()),
            other => notices.push(format!("{other} is no option of FreeTAKServer")),
        }
    }
    Some(Legacy { set, notices, own })
}
