//! Where a plugin's library is: the directories of `plugins.dirs` in order, then the directory of the program. In each,
//! `libfts_plugin_<name>.so` (`-` as `_`) before `<name>.so`; the first file there is wins, and nothing of it is read here.
//!
//! With `enabled = "auto"` every shipped plugin that is found is taken and one that is not is no matter; a name somebody
//! wrote must be found.
use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::config::{Enabled, Plugins};

/// The plugins that come with the server, and have their capabilities without being granted them.
pub const SHIPPED: &[&str] = &["mission", "excheck", "federation", "emergency", "xmpp-chat", "kml", "reports"];

/// A library, by the name it goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Name of the plugin.
    pub name: String,
    /// Its file, as it was found.
    pub path: PathBuf,
}

/// A plugin that was wanted and is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: no {} in {} — install it there or take it out of plugins.enabled", names(name).join(" or "), places.join(", "))]
pub struct NotFound {
    /// Name of the plugin.
    pub name: String,
    /// Directories looked at, with what was wrong with those that could not be read.
    pub places: Vec<String>,
    /// Something was wrong with one of them: it may be there.
    pub unsure: bool,
}

/// All that are wanted. `linked` are part of the program: no file is looked for, a list of names may name them.
pub fn search(plugins: &Plugins, linked: &[&str]) -> (Vec<Found>, Vec<NotFound>) {
    let dirs = places(plugins);
    let names: Vec<&str> = match &plugins.enabled {
        Enabled::Auto => SHIPPED.to_vec(),
        Enabled::Only(names) => names.iter().map(String::as_str).collect(),
    };
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in names.into_iter().filter(|n| !linked.contains(n)) {
        match find(name, &dirs) {
            Ok(one) => found.push(one),
            // Not installed. A directory that cannot be read is another matter: something may be in it.
            Err(none) if plugins.enabled == Enabled::Auto && !none.unsure => {}
            Err(none) => missing.push(none),
        }
    }
    (found, missing)
}

/// The directories, in order.
pub fn places(plugins: &Plugins) -> Vec<PathBuf> {
    let program = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    let mut dirs: Vec<PathBuf> = Vec::new();
    for dir in plugins.dirs.iter().cloned().chain(program) {
        if !dirs.contains(&dir) {
            dirs.push(dir);
        }
    }
    dirs
}

/// One plugin's library.
///
/// # Errors
/// [`NotFound`].
pub fn find(name: &str, dirs: &[PathBuf]) -> Result<Found, NotFound> {
    let (mut places, mut unsure) = (Vec::new(), false);
    for dir in dirs {
        let mut place = dir.display().to_string();
        for file in names(name) {
            let path = dir.join(file);
            match fs::metadata(&path) {
                Ok(file) if file.is_file() => return Ok(Found { name: name.to_owned(), path }),
                Ok(_) => (place, unsure) = (format!("{} (no file)", path.display()), true),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => (place, unsure) = (format!("{} ({error})", dir.display()), true),
            }
        }
        places.push(place);
    }
    Err(NotFound { name: name.to_owned(), places, unsure })
}

fn names(name: &str) -> [String; 2] {
    [format!("libfts_plugin_{}.so", name.replace('-', "_")), format!("{name}.so")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugins(dirs: &[&Path], enabled: Enabled) -> Plugins {
        Plugins { dirs: dirs.iter().map(|d| d.to_path_buf()).collect(), enabled, ..Plugins::default() }
    }

    #[test]
    fn the_first_directory_wins_and_the_long_name_before_the_short_one() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let dirs = [a.path().to_owned(), b.path().to_owned()];
        let put = |dir: &Path, file: &str| fs::write(dir.join(file), "").unwrap();
        put(b.path(), "libfts_plugin_xmpp_chat.so");
        assert_eq!(find("xmpp-chat", &dirs).unwrap().path, b.path().join("libfts_plugin_xmpp_chat.so"));
        put(a.path(), "xmpp-chat.so");
        assert_eq!(find("xmpp-chat", &dirs).unwrap().path, a.path().join("xmpp-chat.so"));
        put(a.path(), "libfts_plugin_xmpp_chat.so");
        assert_eq!(find("xmpp-chat", &dirs).unwrap().path, a.path().join("libfts_plugin_xmpp_chat.so"));
    }

    #[test]
    fn auto_takes_what_is_there_and_a_list_must_be_there() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("kml.so"), "").unwrap();
        fs::write(dir.path().join("demo.so"), "").unwrap();
        let (found, missing) = search(&plugins(&[dir.path()], Enabled::Auto), &[]);
        // Others may lie beside the program.
        assert!(found.contains(&Found { name: "kml".into(), path: dir.path().join("kml.so") }), "{found:?}");
        assert!(found.iter().all(|f| SHIPPED.contains(&f.name.as_str())));
        assert_eq!(missing, []);
        let list = Enabled::Only(vec!["demo".into(), "lost-one".into(), "mission".into()]);
        let (found, missing) = search(&plugins(&[dir.path(), Path::new("/nowhere/at/all")], list), &["mission"]);
        assert_eq!(found.len(), 1);
        let program = std::env::current_exe().unwrap();
        assert_eq!(
            missing[0].to_string(),
            format!(
                "lost-one: no libfts_plugin_lost_one.so or lost-one.so in {}, /nowhere/at/all, {} — install it there or take it out of plugins.enabled",
                dir.path().display(),
                program.parent().unwrap().display()
            )
        );
    }

    #[test]
    fn what_is_no_file_is_said_even_when_nobody_asked_for_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("kml.so")).unwrap();
        let (found, missing) = search(&plugins(&[dir.path()], Enabled::Auto), &[]);
        assert!(found.iter().all(|f| f.name != "kml") && missing.len() == 1, "{missing:?}");
        assert!(missing[0].to_string().contains("kml.so (no file)"));
    }
}
