use super::*;

fn sources(toml: &str, set: &[&str], env: &[(&str, &str)]) -> (tempfile::TempDir, Sources) {
    let dir = tempfile::tempdir().unwrap();
    if !toml.is_empty() {
        std::fs::write(dir.path().join("fts.toml"), toml).unwrap();
    }
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

/// What follows from the kind of a listener, and the pair of files that are two keys.
fn unwritten(leaf: &str) -> bool {
    let plain = ["cot_tcp", "marti_http", "rest"].iter().any(|l| leaf == format!("listeners.{l}.client_cert"));
    let fixed = ["marti_http", "marti_https", "enrollment"].iter().any(|l| leaf == format!("listeners.{l}.tls"));
    plain || fixed || leaf == "tls.web"
}

#[test]
fn the_documented_file_holds_every_key_with_its_default_and_loads() {
    let plain = loaded("", &[], &[]);
    let documented = loaded(DEFAULT, &[], &[]);
    let same = |c: &Config| Config {
        server: Server { data_dir: "".into(), ..c.server.clone() },
        tls: plain.config.tls.clone(),
        // Absolute ones are in the directory of each.
        packages: Packages { dir: "".into(), ..c.packages.clone() },
        files: FileKeys { dir: "".into(), ..c.files.clone() },
        storage: Storage { path: "".into(), ..c.storage.clone() },
        backup: Backup { dir: "".into(), ..c.backup.clone() },
        plugins: Plugins { dirs: Vec::new(), ..c.plugins.clone() },
        ..c.clone()
    };
    assert_eq!(same(&plain.config), same(&documented.config));
    // Every value of the typed configuration comes from a key of the file: one that was forgotten would be empty.
    assert_eq!(plain.config.stream.limits.queue_soft_bytes, 262_144);
    assert_eq!(plain.config.shutdown.deadline.as_secs(), 20);
    let json = serde_json::to_value(&plain.config).unwrap();
    let mut leaves = Vec::new();
    walk(&json, String::new(), &mut leaves);
    for leaf in leaves.iter().filter(|l| !matches!(l.as_str(), "listeners.extra") && !l.starts_with("tls.subject")) {
        let own = ["name", "kind", "group", "output"]
            .iter()
            .any(|k| leaf.starts_with("listeners.") && leaf.ends_with(&format!(".{k}")));
        assert!(own || unwritten(leaf) || defaults().contains_key(leaf), "{leaf} is not in config/fts.toml");
    }
}

fn walk(value: &serde_json::Value, path: String, leaves: &mut Vec<String>) {
    match value {
        // Durations are {secs, nanos}.
        serde_json::Value::Object(map) if !map.contains_key("secs") => {
            map.iter()
                .for_each(|(k, v)| walk(v, if path.is_empty() { k.clone() } else { format!("{path}.{k}") }, leaves));
        }
        _ => leaves.push(path),
    }
}

#[test]
fn op13_02_precedence_and_origins() {
    let file = "[listeners.cot_tcp]\nport = 9000\n";
    let port = |l: &Loaded| (l.config.listeners.cot_tcp.port, l.values["listeners.cot_tcp.port"].1.to_string());
    assert_eq!(port(&loaded("", &[], &[])), (8087, "default".into()));
    let from_file = port(&loaded(file, &[], &[]));
    assert!(from_file.0 == 9000 && from_file.1.ends_with("fts.toml:2"), "{from_file:?}");
    assert_eq!(port(&loaded(file, &[], &[("FTS_COT_PORT", "9087")])), (9087, "env:FTS_COT_PORT".into()));
    let both = [("FTS_COT_PORT", "9087"), ("FTS_LISTENERS__COT_TCP__PORT", "9187")];
    assert_eq!(port(&loaded(file, &[], &both)), (9187, "env:FTS_LISTENERS__COT_TCP__PORT".into()));
    assert_eq!(port(&loaded(file, &["listeners.cot_tcp.port=9287"], &both)), (9287, "command line".into()));
}

#[test]
fn conf_d_overrides_the_file_in_order() {
    let (dir, sources) = sources("[server]\nname = \"a\"\n", &[], &[]);
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    for (name, value) in [("20.toml", "c"), ("10.toml", "b"), ("30.txt", "d")] {
        std::fs::write(dir.path().join("conf.d").join(name), format!("[server]\nname = \"{value}\"\n")).unwrap();
    }
    assert_eq!(load(&sources).unwrap().config.server.name, "c");
}

#[test]
fn op13_04_errors_name_place_and_remedy() {
    assert_eq!(refused("typo_key = 1\n"), "D/fts.toml:1: unknown key typo_key");
    assert_eq!(refused("\n[server]\nnam = \"x\"\n"), "D/fts.toml:3: unknown key server.nam, did you mean server.name?");
    assert_eq!(
        refused("[rest]\nldap = 1\n"),
        "D/fts.toml:2: rest.ldap belongs to a part that this version of fts does not have yet"
    );
    assert_eq!(
        refused("[stream.limits]\nwrite_stall = \"soon\"\nqueue_soft_items = -1\n"),
        "D/fts.toml:3: stream.limits.queue_soft_items: expected a whole number, not negative, found -1\nD/fts.toml:2: stream.limits.write_stall: expected a duration like \"20s\" or \"30d\", found \"soon\""
    );
    assert_eq!(
        refused("[listeners.cot_tls]\nclient_cert = \"maybe\"\n"),
        "D/fts.toml:2: listeners.cot_tls.client_cert: expected one of none | optional | required, found \"maybe\""
    );
    assert!(refused("[server\n").starts_with("D/fts.toml:1: not TOML"));
    assert_eq!(
        refused("[stream.limits]\nidle_timeout = \"10s\"\n"),
        "D/fts.toml:2: stream.limits.idle_timeout: 0 or at least 200s: a quiet client may be silent for 180 s"
    );
    assert!(refused("[listeners.marti_http]\nport = 8087\n").contains("port 8087 is used by listener"));
    assert!(refused("[listeners.rest]\npublic_url = \"tak\"\n").contains("must begin with http"));
    assert!(refused("[listeners.cot_tls]\nport = 8087\n").contains("port 8087 is used by listener cot_tcp, too"));
    assert!(refused("[cot]\nflow_tag_prefix = \"1 \"\n").contains("name of an XML attribute"));
}

#[test]
fn extra_listeners_take_the_standing_defaults() {
    let toml = "[[listeners.extra]]\nname = \"mesh\"\nkind = \"cot_multicast\"\nport = 6969\ngroup = \"239.2.3.1\"\n\n[[listeners.extra]]\nname = \"red\"\nkind = \"cot_tcp\"\nport = 0\nclient_cert = \"none\"\ndefault_groups = [\"red\"]\n";
    let toml = toml.replace("group = \"239.2.3.1\"\n", "group = \"239.2.3.1\"\nclient_cert = \"none\"\n");
    let extra = loaded(&toml, &[], &[]).config.listeners.extra;
    assert_eq!(
        (extra[0].kind, extra[0].port, extra[0].default_groups.as_slice()),
        (ListenerKind::CotMulticast, 6969, &["__ANON__".to_owned()][..])
    );
    assert_eq!((extra[1].name.as_str(), extra[1].enabled, extra[1].default_groups[0].as_str()), ("red", true, "red"));
    assert!(
        refused("[[listeners.extra]]\nname = \"cot_tcp\"\nkind = \"cot_udp\"\nport = 1\n")
            .contains("is taken, reserved or empty")
    );
    assert!(
        refused("[[listeners.extra]]\nname = \"x\"\nkind = \"cot_udp\"\nport = 1\nprot = 1\n")
            .contains("unknown key listeners.extra.prot")
    );
    assert!(refused("[[listeners.extra]]\nname = \"x\"\nkind = \"cot_udp\"\n").contains("needs a port"));
}

#[test]
fn the_secure_profile_leaves_no_unencrypted_port() {
    let secure = loaded("[server]\nprofile = \"secure\"\n", &[], &[]);
    assert!(!secure.config.listeners.cot_tcp.enabled && secure.config.listeners.cot_tls.enabled);
    assert_eq!(secure.values["listeners.cot_tcp.enabled"].1, Origin::Profile);
    assert!(
        loaded("[server]\nprofile = \"secure\"\n[listeners.cot_tcp]\nenabled = true\n", &[], &[])
            .config
            .listeners
            .cot_tcp
            .enabled
    );
}

#[test]
fn op13_05_every_fts_variable_is_accepted() {
    for (name, _) in env::LEGACY {
        let value = match () {
            () if name.ends_with("_PORT") || name.ends_with("_RADIUS") => "9999",
            () if name.ends_with("_TO_DB") => "true",
            () => "info",
        };
        let loaded = loaded("", &[], &[(name, value)]);
        assert!(loaded.notes.is_empty(), "{name}: {:?}", loaded.notes);
        assert!(loaded.values.values().any(|(_, o)| *o == Origin::Env((*name).to_owned())), "{name}");
    }
    for name in env::IGNORED {
        let loaded = loaded("", &[], &[(name, "1")]);
        assert_eq!(loaded.notes, [format!("{name} is accepted and has no effect in this version")]);
    }
    let typo = loaded("", &[], &[("FTS_LISTENERS__COT_TCP__PROT", "1")]);
    assert_eq!(
        typo.notes,
        ["FTS_LISTENERS__COT_TCP__PROT is no setting of fts, did you mean FTS_LISTENERS__COT_TCP__PORT?"]
    );
}

#[test]
fn environment_values_are_literals_words_or_lists() {
    let env = [
        ("FTS_COT__REPLAY_PRESENCE", "no"),
        ("FTS_SERVER__PUBLIC_NAMES", "a.example,b.example"),
        ("FTS_SERVER__NAME", "1"),
        ("FTS_CONNECTION_MESSAGE", ""),
    ];
    let config = loaded("", &[], &env).config;
    assert!(!config.cot.replay_presence && config.server.name == "1" && config.cot.welcome_message.is_empty());
    assert_eq!(config.server.public_names, ["a.example", "b.example"]);
}

#[test]
fn a_secret_can_come_from_a_file_and_is_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p");
    std::fs::write(&file, "hush\n").unwrap();
    let loaded = loaded("", &[], &[("FTS_PACKAGES__PASSWORD_FILE", file.to_str().unwrap())]);
    assert_eq!(loaded.config.packages.password, "hush");
    assert!(!serde_json::to_string(&loaded.config).unwrap().contains("hush"));
}

#[test]
fn a_freetakserver_directory_is_not_written_into() {
    let (dir, sources) = sources("", &[], &[]);
    std::fs::write(dir.path().join("FTSDataBase.db"), "").unwrap();
    assert!(load(&sources).unwrap_err().to_string().contains("FreeTAKServer installation"));
}

#[test]
fn reload_tells_live_from_restart() {
    let old = loaded("", &[], &[]).values;
    let new = loaded("[cot]\nflow_tags = false\n[listeners.cot_tcp]\nport = 1\n", &[], &[]).values;
    let changes = changes(&old, &new);
    assert_eq!(changes.live, ["cot.flow_tags"]);
    assert!(changes.restart_required.contains(&"listeners.cot_tcp.port".to_owned()));
}

#[test]
fn freetakserver_command_lines_are_understood() {
    let args = |text: &str| legacy_args(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
    let Legacy { set, notices, own } =
        args("run -CoTPort 8187 --data-dir d -AutoStart False -RestAPIIP 0.0.0.0").unwrap();
    assert_eq!(args("-CoTPort 8187").unwrap().set, set[..1]);
    assert_eq!(own, ["--data-dir", "d"]);
    assert_eq!(
        set,
        [
            "listeners.cot_tcp.port=8187",
            "listeners.cot_tcp.enabled=false",
            "listeners.cot_tls.enabled=false",
            "listeners.marti_http.enabled=false",
            "listeners.marti_https.enabled=false",
            "listeners.rest.bind=\"0.0.0.0\""
        ]
    );
    assert_eq!(notices, Vec::<String>::new());
    assert_eq!(args("-UI x").unwrap().notices.len(), 1);
    assert!(args("run --json").is_none() && args("-v").is_none());
}

#[test]
fn op13_04_a_freetakserver_yaml_is_read_through_its_names() {
    let dir = tempfile::tempdir().unwrap();
    let yaml = dir.path().join("FTSConfig.yaml");
    let text = "System:\n  FTS_CONNECTION_MESSAGE: Hello\n  FTS_MAINLOOP_DELAY: 100\nAddresses:\n  FTS_COT_PORT: 9087\n  FTS_DP_ADDRESS: 192.0.2.5\nFilesystem:\n  FTS_PERSISTENCE_PATH: /tmp/nowhere\n";
    std::fs::write(&yaml, text).unwrap();
    let read = |env: &[(&str, &str)]| {
        let mut env: std::collections::BTreeMap<_, _> =
            env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        env.insert("FTS_CONFIG_PATH".into(), yaml.display().to_string());
        load(&Sources { env, cwd: dir.path().to_owned(), ..Sources::default() })
    };
    let loaded = read(&[]).unwrap();
    let config = &loaded.config;
    assert_eq!((config.server.public_host.as_str(), config.listeners.cot_tcp.port), ("192.0.2.5", 9087));
    assert_eq!(
        (config.cot.welcome_message.as_str(), config.server.data_dir.as_path()),
        ("Hello", "/tmp/nowhere".as_ref())
    );
    assert_eq!(loaded.values["listeners.cot_tcp.port"].1, Origin::File(yaml.display().to_string(), 5));
    assert!(loaded.notes.iter().any(|n| n.contains(":3: FTS_MAINLOOP_DELAY has no effect")), "{:?}", loaded.notes);
    assert_eq!(read(&[("FTS_COT_PORT", "1")]).unwrap().config.listeners.cot_tcp.port, 1, "environment wins");
    std::fs::write(&yaml, "System:\n  - [\n").unwrap();
    assert!(read(&[]).unwrap_err().to_string().contains("FTSConfig.yaml:"));
}

#[test]
fn errors_in_extra_listeners_name_their_own_line_and_key() {
    let first = "[[listeners.extra]]\nname = \"a\"\nkind = \"cot_udp\"\nport = 1\n\n";
    let second = |more: &str| format!("{first}[[listeners.extra]]\nname = \"b\"\nkind = \"cot_udp\"\n{more}");
    assert_eq!(
        refused(&second("port = 2\noutput = true\n")),
        "D/fts.toml:6: listeners.extra.output: listener b: only multicast listeners send"
    );
    assert_eq!(refused(&second("port = 1\n")), "D/fts.toml:6: listeners.extra.port: port 1 is used by listener a, too");
    assert!(refused(&second("port = \"x\"\n")).starts_with("D/fts.toml:6: listeners.extra.port: expected"));
    assert!(refused(&second("port = 2\nprot = 1\n")).starts_with("D/fts.toml:6: unknown key listeners.extra.prot"));
}
