//! Makes an archive. Databases first, then what they name, then everything small beside them; a file that was deleted
//! meanwhile has the databases copied once more, so that rows and files agree.
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use fts_plugin_api::cot::format_time;

use super::{
    BackupError,
    manifest::{self, Manifest, Member},
    snapshot,
};
use crate::{config::Config, observe::clock};

/// What belongs to a server.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Plan {
    pub data_dir: PathBuf,
    /// `fts.db`.
    pub database: PathBuf,
    pub files_dir: PathBuf,
    pub certs_dir: PathBuf,
    pub packages_dir: PathBuf,
    /// The configuration file, where there is one.
    pub config_file: Option<PathBuf>,
    /// Also the stored files.
    pub files: bool,
}

impl Plan {
    /// Everything of this configuration.
    pub fn of(config: &Config, config_file: Option<&Path>) -> Self {
        Self {
            data_dir: config.server.data_dir.clone(),
            database: config.storage.path.clone(),
            files_dir: config.files.dir.clone(),
            certs_dir: config.tls.dir.clone(),
            packages_dir: config.packages.dir.clone(),
            config_file: config_file.map(Path::to_owned),
            files: true,
        }
    }
}

/// Tries until rows and files agree.
const TRIES: u32 = 3;
/// Files that may change while they are read are read at once, up to this; larger ones must hold still.
const AT_ONCE: u64 = 16 << 20;

/// Writes an archive to `out`. Blocks; `out` is not synced.
///
/// # Errors
/// [`BackupError`]; then `out` holds rubbish.
pub fn create(plan: &Plan, out: impl Write) -> Result<Manifest, BackupError> {
    let run = plan.data_dir.join("run");
    fs::create_dir_all(&run).map_err(BackupError::io(&run))?;
    let (copies, schema, missing, hashes) = copies(plan, &run)?;
    let packed = zstd::Encoder::new(out, 3).map_err(BackupError::io(&run))?;
    let mut archive = Archive { tar: tar::Builder::new(packed), members: Vec::new() };
    for (name, path) in &copies.databases {
        archive.file(name, path)?;
    }
    if plan.files {
        for hash in &hashes {
            let path = blob(&plan.files_dir, hash);
            archive.file(&format!("files/{}/{}/{hash}", &hash[..2], &hash[2..4]), &path)?;
        }
    }
    for (name, path) in beside(plan)? {
        archive.file(&name, &path)?;
    }
    let mut manifest = Manifest {
        format: manifest::FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        created: format_time(clock::now_ms()),
        schema,
        files: plan.files,
        missing,
        elsewhere: elsewhere(plan),
        members: std::mem::take(&mut archive.members),
    };
    manifest.members.sort_by(|a, b| a.path.cmp(&b.path));
    let text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    archive.bytes(manifest::NAME, &text, 0o600)?;
    let done = archive.tar.into_inner().and_then(zstd::Encoder::finish).and_then(|mut out| out.flush());
    done.map_err(BackupError::io(Path::new("the archive")))?;
    Ok(manifest)
}

/// Databases copied into a directory that goes with this.
struct Copies {
    _dir: tempfile::TempDir,
    databases: Vec<(String, PathBuf)>,
}

type Copied = (Copies, BTreeMap<String, u32>, Vec<String>, Vec<String>);

fn copies(plan: &Plan, run: &Path) -> Result<Copied, BackupError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let dir = tempfile::Builder::new().prefix("backup-").tempdir_in(run).map_err(BackupError::io(run))?;
        let (mut databases, mut schema) = (Vec::new(), BTreeMap::new());
        for (name, path) in sources(plan)? {
            let to = dir.path().join(format!("{}.db", databases.len()));
            schema.insert(name.clone(), snapshot::copy(&path, &to)?);
            databases.push((name, to));
        }
        let mut hashes = match databases.first() {
            Some((name, path)) if plan.files && name == "fts.db" => snapshot::hashes(path)?,
            _ => Vec::new(),
        };
        let named = |h: &String| h.len() == 64 && h.bytes().all(|b| b.is_ascii_hexdigit());
        hashes.retain(named);
        let missing: Vec<String> = hashes.iter().filter(|h| !blob(&plan.files_dir, h).is_file()).cloned().collect();
        if missing.is_empty() || tries == TRIES {
            let gone: BTreeSet<&String> = missing.iter().collect();
            let there = hashes.iter().filter(|h| !gone.contains(h)).cloned().collect();
            return Ok((Copies { _dir: dir, databases }, schema, missing, there));
        }
    }
}

/// `files/ab/cd/<hash>`.
fn blob(dir: &Path, hash: &str) -> PathBuf {
    dir.join(&hash[..2]).join(&hash[2..4]).join(hash)
}

/// Databases by their path in the archive; the core's first.
fn sources(plan: &Plan) -> Result<Vec<(String, PathBuf)>, BackupError> {
    let mut all = Vec::new();
    if plan.database.is_file() {
        all.push(("fts.db".to_owned(), plan.database.clone()));
    }
    let plugins = plan.data_dir.join("plugin-data");
    for name in names(&plugins)? {
        let path = plugins.join(&name).join("data.db");
        if path.is_file() {
            all.push((format!("plugin-data/{name}/data.db"), path));
        }
    }
    Ok(all)
}

/// Everything else, by its path in the archive.
fn beside(plan: &Plan) -> Result<Vec<(String, PathBuf)>, BackupError> {
    let mut all = Vec::new();
    for (name, dir) in [
        ("certs", plan.certs_dir.clone()),
        ("packages", plan.packages_dir.clone()),
        ("federation-ca", plan.data_dir.join("federation-ca")),
        ("conf.d", plan.data_dir.join("conf.d")),
    ] {
        walk(&dir, name, &mut all)?;
    }
    let plugins = plan.data_dir.join("plugin-data");
    for plugin in names(&plugins)? {
        let mut own = Vec::new();
        walk(&plugins.join(&plugin), &format!("plugin-data/{plugin}"), &mut own)?;
        // The database was copied; what SQLite keeps beside it and copies before migrations are nothing to restore.
        own.retain(|(name, _)| {
            let file = name.rsplit('/').next().unwrap_or_default();
            !(file.starts_with("data.db") || file.starts_with("pre-") && file.ends_with(".db"))
        });
        all.extend(own);
    }
    let id = plan.data_dir.join("node_id");
    if id.is_file() {
        all.push(("node_id".to_owned(), id));
    }
    if let Some(file) = plan.config_file.as_ref().filter(|f| f.is_file()) {
        all.push(("fts.toml".to_owned(), file.clone()));
    }
    Ok(all)
}

/// Where parts stand that are not in the data directory.
fn elsewhere(plan: &Plan) -> BTreeMap<String, String> {
    let parts = [
        ("fts.db", Some(&plan.database)),
        ("files", Some(&plan.files_dir)),
        ("certs", Some(&plan.certs_dir)),
        ("packages", Some(&plan.packages_dir)),
        ("fts.toml", plan.config_file.as_ref()),
    ];
    let other = parts.into_iter().filter_map(|(name, path)| {
        let path = path.filter(|p| **p != plan.data_dir.join(name))?;
        Some((name.to_owned(), path.display().to_string()))
    });
    other.collect()
}

fn names(dir: &Path) -> Result<Vec<String>, BackupError> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(BackupError::io(dir))?,
    };
    // A name that is no text cannot be one of ours.
    let mut all: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    all.sort();
    Ok(all)
}

/// Regular files below a directory; links are not followed.
fn walk(dir: &Path, name: &str, all: &mut Vec<(String, PathBuf)>) -> Result<(), BackupError> {
    for entry in names(dir)? {
        let (path, inside) = (dir.join(&entry), format!("{name}/{entry}"));
        let kind = fs::symlink_metadata(&path).map_err(BackupError::io(&path))?.file_type();
        if kind.is_dir() {
            walk(&path, &inside, all)?;
        } else if kind.is_file() {
            all.push((inside, path));
        }
    }
    Ok(())
}

struct Archive<W: Write> {
    tar: tar::Builder<W>,
    members: Vec<Member>,
}

impl<W: Write> Archive<W> {
    fn bytes(&mut self, name: &str, bytes: &[u8], mode: u32) -> Result<(), BackupError> {
        self.add(name, bytes.len() as u64, mode, bytes).map_err(BackupError::io(Path::new(name)))
    }

    fn file(&mut self, name: &str, path: &Path) -> Result<(), BackupError> {
        let io = |e: io::Error| BackupError::Io { path: path.to_owned(), source: e };
        let mut file = match fs::File::open(path) {
            // Gone since it was listed: certificates and packages are replaced by their owners at any time.
            Err(e) if e.kind() == io::ErrorKind::NotFound && !name.starts_with("files/") => return Ok(()),
            other => other.map_err(io)?,
        };
        let about = file.metadata().map_err(io)?;
        let mode = about.permissions().mode() & 0o777;
        if about.len() <= AT_ONCE {
            let mut whole = Vec::with_capacity(about.len() as usize);
            file.read_to_end(&mut whole).map_err(io)?;
            return self.bytes(name, &whole, mode);
        }
        self.add(name, about.len(), mode, Exactly { file, left: about.len() }).map_err(io)
    }

    fn add(&mut self, name: &str, size: u64, mode: u32, from: impl Read) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(mode);
        header.set_mtime((clock::now_ms() / 1_000) as u64);
        let mut hashed = Hashing { from, hash: digest::Context::new(&digest::SHA256) };
        self.tar.append_data(&mut header, name, &mut hashed)?;
        let sha256 = hashed.hash.finish().as_ref().iter().map(|b| format!("{b:02x}")).collect();
        self.members.push(Member { path: name.to_owned(), size, sha256 });
        Ok(())
    }
}

/// As many bytes as were announced, or an error: less would shift everything behind it.
struct Exactly {
    file: fs::File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = buf.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let n = self.file.read(&mut buf[..most])?;
        if n == 0 && self.left > 0 && most > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was read"));
        }
        self.left -= n as u64;
        Ok(n)
    }
}

pub(super) struct Hashing<R> {
    pub from: R,
    pub hash: digest::Context,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buf)?;
        self.hash.update(&buf[..n]);
        Ok(n)
    }
}
