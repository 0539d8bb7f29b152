//! `fts files …`: stored files, with or without a running server. Content is read and written here, by who runs the
//! command: whoever may open the control socket may read the server's files as well.
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Value, json};

use super::{
    Global,
    ask::ask,
    output,
    remote::{encode, show},
};

/// What to do with stored files.
#[derive(Debug, clap::Subcommand)]
pub enum FilesCommand {
    /// Lists stored files
    List {
        /// Part of the name, or a regular expression
        name: Option<String>,
        /// Only with this keyword (data packages: missionpackage)
        #[arg(long)]
        keyword: Option<String>,
        /// Only of this tool (public, private, …)
        #[arg(long)]
        tool: Option<String>,
    },
    /// Shows everything that is known of a file
    Info {
        /// Hash or uid
        file: String,
    },
    /// Stores a file
    Put {
        /// Which
        file: PathBuf,
        /// As a data package: found by phones under "download from server"
        #[arg(long)]
        package: bool,
        /// Its name [default: that of the file]
        #[arg(long, default_value = "")]
        name: String,
        /// A keyword; may be repeated
        #[arg(long = "keyword")]
        keywords: Vec<String>,
        /// A group that sees it; may be repeated [default: __ANON__]
        #[arg(long = "group")]
        groups: Vec<String>,
        /// public or private
        #[arg(long, default_value = "public")]
        tool: String,
    },
    /// Writes the content of a stored file
    Get {
        /// Hash or uid
        file: String,
        /// Where to [default: its name, in this directory]
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Deletes a stored file
    Rm {
        /// Hash or uid
        file: String,
    },
    /// Looks for rows without content and content without rows
    Check {
        /// Reads every byte and compares the hashes
        #[arg(long)]
        read: bool,
    },
    /// Removes what has expired, and content nothing speaks of
    Sweep,
}

pub fn run(global: &Global, command: &FilesCommand) -> ExitCode {
    match command {
        FilesCommand::List { name, keyword, tool } => {
            let asked = [("name", name), ("keyword", keyword), ("tool", tool)];
            let asked: Vec<_> =
                asked.iter().filter_map(|(n, v)| v.as_ref().map(|v| format!("{n}={}", encode(v)))).collect();
            show(global, ask(global, "GET", &format!("/admin/files?{}", asked.join("&")), None), list)
        }
        FilesCommand::Info { file } => show(global, ask(global, "GET", &at(file), None), info),
        FilesCommand::Put { file, package, name, keywords, groups, tool } => {
            let path = match fs::canonicalize(file) {
                Ok(path) => path,
                Err(error) => return failed(file, &error),
            };
            let body = json!({"path": path, "package": package, "name": name, "keywords": keywords, "groups": groups, "tool": tool});
            let answer = ask(global, "POST", "/admin/files", Some(body));
            show(global, answer, |a| format!("stored {} as {}\n", output::text(&a["name"]), output::text(&a["hash"])))
        }
        FilesCommand::Get { file, output } => get(global, file, output.as_deref()),
        FilesCommand::Rm { file } => {
            show(global, ask(global, "DELETE", &at(file), None), |_| format!("deleted {file}\n"))
        }
        FilesCommand::Check { read } => {
            let answer = ask(global, "GET", &format!("/admin/files/check?read={read}"), None);
            let bad = answer.as_ref().is_ok_and(|a| any(&a["missing"]) || any(&a["damaged"]));
            let code = show(global, answer, checked);
            if bad { ExitCode::FAILURE } else { code }
        }
        FilesCommand::Sweep => show(global, ask(global, "POST", "/admin/files/sweep", None), |a| {
            let n = |key: &str| output::text(&a[key]);
            format!(
                "{} expired, {} of them kept by plugins, {} without a row removed\n",
                n("expired"),
                n("kept"),
                n("orphans")
            )
        }),
    }
}

fn at(file: &str) -> String {
    format!("/admin/files/{}", encode(file))
}

fn any(list: &Value) -> bool {
    list.as_array().is_some_and(|l| !l.is_empty())
}

fn failed(path: &Path, error: &std::io::Error) -> ExitCode {
    eprintln!("fts: {}: {error}", path.display());
    ExitCode::FAILURE
}

fn list(answer: &Value) -> String {
    let heading = ["NAME", "SIZE", "TOOL", "BY", "GROUPS", "STORED", "HASH"].map(str::to_owned).to_vec();
    let files = answer["files"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows = files.iter().map(|file| {
        let text = |key: &str| output::text(&file[key]);
        let groups = file["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
        let groups = groups.iter().map(output::text).collect::<Vec<_>>().join(",");
        let size = output::size(file["size"].as_u64().unwrap_or_default());
        vec![text("name"), size, text("tool"), text("submitter"), groups, text("submissionTime"), text("hash")]
    });
    let table = output::table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>());
    let total = output::size(answer["bytes"].as_u64().unwrap_or_default());
    format!("{table}{} files, {total} on disk\n", files.len())
}

fn info(answer: &Value) -> String {
    let mut out = String::new();
    for file in answer["files"].as_array().map(Vec::as_slice).unwrap_or_default() {
        for (key, value) in file.as_object().into_iter().flatten() {
            out += &format!("{key:<15} {}\n", output::text(value));
        }
        out.push('\n');
    }
    let there = if answer["there"] == true { "there" } else { "MISSING: the next upload of the same bytes heals this" };
    format!("{out}{:<15} {there}\n", "content")
}

fn checked(answer: &Value) -> String {
    let mut out = format!("{} files, {} contents\n", output::text(&answer["rows"]), output::text(&answer["contents"]));
    for (key, what) in [
        ("missing", "content is missing or has another length"),
        ("damaged", "content is damaged"),
        ("orphans", "nothing speaks of this content (fts files sweep removes it)"),
    ] {
        for hash in answer[key].as_array().map(Vec::as_slice).unwrap_or_default() {
            out += &format!("{}: {what}\n", output::text(hash));
        }
    }
    out
}

fn get(global: &Global, file: &str, to: Option<&Path>) -> ExitCode {
    let answer = match ask(global, "GET", &at(file), None) {
        Ok(answer) => answer,
        Err(code) => return code,
    };
    let name = output::text(&answer["files"][0]["name"]);
    let to = to.map_or_else(|| PathBuf::from(&name), Path::to_owned);
    let from = PathBuf::from(output::text(&answer["path"]));
    // The name came from a client: nothing of its owner is replaced by it.
    let written = fs::File::open(&from).and_then(|mut from| {
        let mut file = fs::File::options().write(true).create_new(true).open(&to)?;
        std::io::copy(&mut from, &mut file)
    });
    match written {
        Ok(bytes) => show(global, Ok(json!({"file": to, "bytes": bytes})), |_| {
            format!("wrote {} ({})\n", to.display(), output::size(bytes))
        }),
        Err(error) => failed(&to, &error),
    }
}
