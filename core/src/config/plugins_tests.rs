use serde_json::json;

use super::{
    super::{Sources, changes, load},
    *,
};

fn sources(toml: &str, set: &[&str], env: &[(&str, &str)]) -> (tempfile::TempDir, Sources) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("fts.toml"), toml).unwrap();
    let sources = Sources {
        config: None,
        data_dir: Some(dir.path().to_owned()),
        set: set.iter().map(ToString::to_string).collect(),
        env: env.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        cwd: dir.path().to_owned(),
    };
    (dir, sources)
}

fn loaded(toml: &str, set: &[&str], env: &[(&str, &str)]) -> Loaded {
    load(&sources(toml, set, env).1).unwrap()
}

fn refused(toml: &str) -> String {
    let (dir, sources) = sources(toml, &[], &[]);
    load(&sources).unwrap_err().to_string().replace(&dir.path().display().to_string(), "D")
}

fn own(loaded: &Loaded, name: &str) -> serde_json::Value {
    serde_json::Value::Object(loaded.config.plugins.tables[name].own.clone())
}

#[test]
fn nothing_written_means_every_shipped_plugin_with_standard_keys() {
    let (dir, sources) = sources("", &[], &[]);
    let plugins = load(&sources).unwrap().config.plugins;
    assert_eq!(plugins.dirs, [PathBuf::from("/usr/lib/fts/plugins"), dir.path().join("plugins")]);
    assert_eq!((&plugins.enabled, plugins.quarantine, plugins.tables.len()), (&Enabled::Auto, true, 0));
    assert_eq!(plugins.table("kml").host, HostKeys::default());
}

#[test]
fn host_keys_are_typed_and_the_rest_is_the_plugins() {
    let toml = r#"
[plugins]
enabled = ["emergency", "demo"]
dirs = ["mine"]
[plugins.emergency]
required = true
sha256 = "AB34567890123456789012345678901234567890123456789012345678901234"
queue_bytes = "1MiB"
http_waiting = 0
capabilities = ["kick", "certs.issue"]
repeat = "5s"
radius_km = 1.5
[plugins.emergency.deep]
"a.b" = [1, {x = true}]
when = 2026-01-31
[[plugins.demo.rooms]]
name = "a"
[[plugins.demo.rooms]]
name = "b"
ports = {tls = 1}
[plugins.empty]
"#;
    let loaded = loaded(toml, &[], &[]);
    let plugins = &loaded.config.plugins;
    let host = &plugins.tables["emergency"].host;
    assert!(host.required && host.sha256.as_ref().unwrap().starts_with("ab345"));
    assert_eq!((host.queue_items, host.queue_bytes, host.http_waiting), (4096, 1 << 20, 0));
    assert_eq!(host.capabilities, ["kick", "certs.issue"]);
    assert_eq!(
        own(&loaded, "emergency"),
        json!({"repeat": "5s", "radius_km": 1.5, "deep": {"a.b": [1, {"x": true}], "when": "2026-01-31"}})
    );
    assert_eq!(own(&loaded, "demo"), json!({"rooms": [{"name": "a"}, {"name": "b", "ports": {"tls": 1}}]}));
    assert_eq!(own(&loaded, "empty"), json!({}));
    assert_eq!(plugins.enabled, Enabled::Only(vec!["emergency".into(), "demo".into()]));
    let shown = serde_json::to_value(plugins).unwrap();
    assert_eq!(shown["enabled"], json!(["emergency", "demo"]));
    assert!(shown["tables"]["emergency"].get("own").is_none(), "secrets of a plugin are not printed");
}

#[test]
fn errors_name_key_and_line() {
    assert_eq!(
        refused("[plugins]\nquarantin = true\n"),
        "D/fts.toml:2: unknown key plugins.quarantin, did you mean plugins.quarantine?"
    );
    assert_eq!(
        refused("[plugins.kml]\nrequired = \"often\"\n"),
        "D/fts.toml:2: plugins.kml.required: expected true or false, found \"often\""
    );
    assert_eq!(
        refused("[plugins]\nenabled = \"atuo\"\n"),
        "D/fts.toml:2: plugins.enabled: expected \"auto\" or a list like [\"mission\", \"kml\"], found \"atuo\""
    );
    assert!(
        refused("[plugins]\nenabled = [\"Kml\"]\n").starts_with("D/fts.toml:2: plugins.enabled: \"Kml\": a plugin is")
    );
    assert!(refused("[plugins]\nenabled = [\"kml\", \"kml\"]\n").ends_with("\"kml\" stands there twice"));
    assert!(refused("[plugins.Kml]\n").starts_with("D/fts.toml:1: plugins.Kml: a plugin is called by"));
    assert!(refused("[plugins.xmpp_chat]\nx = 1\n").starts_with("D/fts.toml:2: plugins.xmpp_chat.x: a plugin"));
    assert!(
        refused("[plugins.kml]\nsha256 = \"12\"\n").starts_with("D/fts.toml:2: plugins.kml.sha256: must be 64 hex")
    );
    assert!(refused("[plugins.kml]\nqueue_items = 0\n").ends_with("plugins.kml.queue_items: must be at least 1"));
    assert!(
        refused("[plugins.kml]\ncapabilities = [\"fly\"]\n").contains("\"fly\" is none; there are intercept bind-dest")
    );
    assert!(refused("[plugins.kml.required]\nx = 1\n").contains("required is a key of the server, not a table"));
    assert!(refused("[plugins.kml]\nx = nan\n").ends_with("plugins.kml.x: a number without a value (inf, nan)"));
}

#[test]
fn names_are_small_letters_digits_and_dashes() {
    for name in ["a", "xmpp-chat", "m2", "abcdefghijklmnopqrstuvwxyz-12345"] {
        assert!(is_plugin_name(name), "{name}");
    }
    for name in ["", "2m", "-a", "A", "a_b", "ä", "a b", "a/b", "dirs", "enabled", "abcdefghijklmnopqrstuvwxyz-123456"]
    {
        assert!(!is_plugin_name(name), "{name}");
    }
}

#[test]
fn environment_and_command_line_reach_into_tables() {
    let file = "[plugins.xmpp-chat]\nhost = \"a\"\nname = \"n\"\nteam-colour = \"red\"\ntls = {port = 1}\n";
    let env = [
        ("FTS_PLUGINS__XMPP_CHAT__TLS__PORT", "5223"),
        ("FTS_PLUGINS__XMPP_CHAT__NAME", "77"),
        ("FTS_PLUGINS__XMPP_CHAT__TEAM_COLOUR", "blue"),
        ("FTS_PLUGINS__XMPP_CHAT__QUEUE_ITEMS", "9"),
        ("FTS_PLUGINS__ENABLED", "xmpp-chat, kml"),
        ("FTS_EMERGENCY_RADIUS", "2.5"),
        ("FTS_PLUGINS__KML", "1"),
        ("FTS_PLUGINS__1__X", "1"),
    ];
    let loaded = loaded(file, &["plugins.kml={title=\"t\", deep={n=1}}", "plugins.kml.deep.m=2"], &env);
    let plugins = &loaded.config.plugins;
    assert_eq!(
        own(&loaded, "xmpp-chat"),
        json!({"host": "a", "name": "77", "team-colour": "blue", "tls": {"port": 5223}})
    );
    assert_eq!(own(&loaded, "kml"), json!({"title": "t", "deep": {"n": 1, "m": 2}}));
    assert_eq!(own(&loaded, "emergency"), json!({"radius_km": 2.5}));
    assert_eq!(plugins.tables["xmpp-chat"].host.queue_items, 9);
    assert_eq!(plugins.enabled, Enabled::Only(vec!["xmpp-chat".into(), "kml".into()]));
    assert_eq!(loaded.place_of("plugins.emergency.radius_km").unwrap(), "env:FTS_EMERGENCY_RADIUS");
    assert_eq!(loaded.notes.len(), 2, "{:?}", loaded.notes);
    assert!(loaded.notes.iter().all(|n| n.contains("is no setting of fts")), "{:?}", loaded.notes);
    let listed = self::loaded("", &[], &[("FTS_PLUGINS__ENABLED", "[\"kml\"]")]).config.plugins.enabled;
    assert_eq!(listed, Enabled::Only(vec!["kml".into()]));
}

#[test]
fn a_secret_of_a_plugin_comes_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("s");
    std::fs::write(&secret, "42\n").unwrap();
    let secret = secret.to_str().unwrap();
    let env = [("FTS_PLUGINS__XMPP_CHAT__PASSWORD_FILE", secret), ("FTS_PLUGINS__KML__LOGO_FILE", "/x.png")];
    let loaded = loaded("[plugins.kml]\nlogo_file = \"y.png\"\n", &[], &env);
    assert_eq!(own(&loaded, "xmpp-chat"), json!({"password": "42"}));
    assert_eq!(own(&loaded, "kml"), json!({"logo_file": "/x.png"}), "a key of that name is no file to read");
}

#[test]
fn later_files_replace_what_stands_in_their_way_and_nothing_else() {
    let (dir, sources) = sources("[plugins.kml]\na = {x = 1, y = 1}\nb = 1\nc = {z = 1}\n", &[], &[]);
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    std::fs::write(dir.path().join("conf.d/1.toml"), "[plugins.kml]\na = {x = 2}\nb = {q = 2}\nc = 2\n").unwrap();
    std::fs::write(dir.path().join("conf.d/2.toml"), "[plugins.kml]\n[plugins.kml.a]\n").unwrap();
    assert_eq!(own(&load(&sources).unwrap(), "kml"), json!({"a": {"x": 2, "y": 1}, "b": {"q": 2}, "c": 2}));
}

#[test]
fn a_place_is_found_for_keys_their_parents_and_tables_of_lists() {
    let toml = "[plugins.kml]\ntitle = \"t\"\n\n[plugins.kml.deep]\n\nn = 1\n\n[[plugins.kml.room]]\nx = 1\n\n[[plugins.kml.room]]\nx = 2\n[plugins.empty]\n";
    let (dir, sources) = sources(toml, &[], &[]);
    let loaded = load(&sources).unwrap();
    let place = |key: &str| {
        loaded.place_of(key).map(|p| p.strip_prefix(&format!("{}/", dir.path().display())).unwrap_or(&p).to_owned())
    };
    assert_eq!(place("plugins.kml.title").as_deref(), Some("fts.toml:2"));
    assert_eq!(place("plugins.kml.deep.n").as_deref(), Some("fts.toml:6"));
    assert_eq!(place("plugins.kml.deep.lost").as_deref(), Some("fts.toml:6"));
    assert_eq!(place("plugins.kml.lost").as_deref(), Some("fts.toml:2"));
    assert_eq!(place("plugins.kml.room[1].x").as_deref(), Some("fts.toml:11"));
    assert_eq!(place("plugins.kml.room.0").as_deref(), Some("fts.toml:8"));
    assert_eq!(place("plugins.empty.x").as_deref(), Some("fts.toml:13"));
    assert_eq!((place("plugins.absent.x"), place("plugins.dirs")), (None, None));
}

#[test]
fn a_reload_names_the_plugins_that_get_a_new_table() {
    let old = loaded("[plugins.kml]\ntitle = \"a\"\n[plugins.emergency]\nstale = \"1s\"\n", &[], &[]).values;
    let new = loaded(
        "[plugins]\nenabled = []\n[plugins.kml]\ntitle = \"b\"\n[plugins.emergency]\nstale = \"1s\"\n",
        &[],
        &[],
    );
    let changes = changes(&old, &new.values);
    assert_eq!(changes.plugins.into_iter().collect::<Vec<_>>(), ["kml"]);
    assert_eq!(changes.live, ["plugins.kml.title"]);
    assert!(changes.restart_required.contains(&"plugins.enabled".to_owned()));
}

#[test]
fn freetakservers_yaml_names_the_emergency_radius() {
    let dir = tempfile::tempdir().unwrap();
    let yaml = dir.path().join("FTSConfig.yaml");
    std::fs::write(&yaml, "System:\n  FTS_EMERGENCY_RADIUS: 3\n").unwrap();
    let loaded = load(&Sources { config: Some(yaml), cwd: dir.path().to_owned(), ..Sources::default() }).unwrap();
    assert_eq!(own(&loaded, "emergency"), json!({"radius_km": 3}));
}
