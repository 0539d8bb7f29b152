//! [`Package`]: a client package as a phone unpacks it, with libraries and tools that have nothing to do with the server:
//! the zip crate, quick-xml and the `openssl` command.
use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Read, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use tempfile::TempDir;

use crate::{Element, Pki, parse};

/// Runs openssl, which must be there; its output.
pub fn openssl(args: &[&str]) -> Result<String, String> {
    let out = Command::new("openssl").args(args).output().expect("the tests of packages need the openssl command");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    if out.status.success() { Ok(text) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
}

/// See the file's head.
#[derive(Clone, Debug)]
pub struct Package {
    /// Name and content of each entry; of a package in a package those of the inner one.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Names of the outer one.
    pub outer: Vec<String>,
    dir: Arc<TempDir>,
}

fn unzip(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut files = BTreeMap::new();
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.insert(name, content);
    }
    files
}

impl Package {
    /// Unpacks it. Everything its manifests list must be there.
    pub fn open(path: &Path) -> Self {
        Self::of(&fs::read(path).unwrap())
    }

    /// The same with its bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut files = unzip(bytes);
        let outer = files.keys().cloned().collect();
        complete(&files);
        if let Some((_, inner)) = files.iter().find(|(name, _)| name.ends_with(".zip")) {
            files = unzip(inner);
            complete(&files);
        }
        Self { files, outer, dir: Arc::new(TempDir::new().unwrap()) }
    }

    /// Packs it again, flat or not as it is.
    pub fn write(&self, path: &Path) {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in &self.files {
            writer.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        fs::write(path, writer.finish().unwrap().into_inner()).unwrap();
    }

    /// Replaces text in the preferences.
    #[must_use]
    pub fn with(mut self, from: &str, to: &str) -> Self {
        let prefs = self.files.iter_mut().find(|(name, _)| name.ends_with(".pref")).unwrap().1;
        let text = String::from_utf8(prefs.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        *prefs = text.replace(from, to).into_bytes();
        self
    }

    /// A value of the preferences.
    pub fn pref(&self, key: &str) -> Option<String> {
        let prefs = self.files.iter().find(|(name, _)| name.ends_with(".pref")).unwrap().1;
        let root = parse(std::str::from_utf8(prefs).unwrap()).unwrap();
        let entries = root.children().flat_map(Element::children).cloned().collect::<Vec<_>>();
        entries.iter().find(|e| e.attrs.get("key").is_some_and(|k| k == key)).map(Element::text)
    }

    /// The file whose name ends so, on the disk.
    pub fn file(&self, end: &str) -> PathBuf {
        let (name, bytes) = self.files.iter().find(|(name, _)| name.ends_with(end)).unwrap();
        let path = self.dir.path().join(name.rsplit('/').next().unwrap());
        fs::write(&path, bytes).unwrap();
        path
    }

    /// All P12 files in it, on the disk.
    pub fn stores(&self) -> Vec<PathBuf> {
        let names = self.files.keys().filter(|name| name.ends_with(".p12"));
        names.map(|name| self.file(name.rsplit('/').next().unwrap())).collect()
    }

    /// The truststore's certificates, PEM, as openssl reads them without `-legacy`.
    pub fn ca(&self) -> PathBuf {
        let (store, pem) = (self.file("truststore.p12"), self.dir.path().join("ca.pem"));
        pkcs12(&store, &["-nokeys", "-out", pem.to_str().unwrap()]).unwrap();
        pem
    }

    /// Key and certificate, PEM, as openssl reads them without `-legacy`.
    pub fn pki(&self, name: &str) -> Pki {
        let store = self.file(&format!("{name}.p12"));
        let at = |end: &str| self.dir.path().join(format!("{name}.{end}")).to_str().unwrap().to_owned();
        pkcs12(&store, &["-nodes", "-nocerts", "-out", &at("key")]).unwrap();
        pkcs12(&store, &["-nokeys", "-clcerts", "-out", &at("pem")]).unwrap();
        Pki { name: name.to_owned(), dir: self.dir.path().to_owned() }
    }
}

/// `openssl pkcs12` with the usual password.
pub fn pkcs12(store: &Path, more: &[&str]) -> Result<String, String> {
    let mut args = vec!["pkcs12", "-in", store.to_str().unwrap(), "-passin", "pass:atakatak"];
    args.extend(more);
    openssl(&args)
}

/// Every entry a manifest lists is in the zip.
fn complete(files: &BTreeMap<String, Vec<u8>>) {
    let Some(manifest) = files.get("MANIFEST/manifest.xml") else { return };
    let root = parse(std::str::from_utf8(manifest).unwrap()).unwrap();
    assert_eq!((root.name.as_str(), root.attrs["version"].as_str()), ("MissionPackageManifest", "2"));
    let contents = root.children().find(|e| e.name == "Contents").unwrap();
    let listed: Vec<_> = contents.children().map(|e| e.attrs["zipEntry"].clone()).collect();
    assert!(!listed.is_empty());
    for entry in listed {
        assert!(files.contains_key(&entry), "{entry} is listed and not there");
    }
}
