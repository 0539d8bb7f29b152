use super::{
    super::elf::tests::{about, library},
    *,
};

struct Bed {
    dir: tempfile::TempDir,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Bed {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bytes = library("kml", &[], &about("fts-plugin-kml"));
        let path = dir.path().join("kml.so");
        fs::write(&path, &bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        Self { dir, path, bytes }
    }

    fn run(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    fn take(&self, pin: Option<&str>, secure: bool) -> Result<Taken, String> {
        take(&self.path, "kml", &Terms { run: &self.run(), generation: 7, pin, secure })
            .map_err(|e| e.to_string().replace(&self.dir.path().display().to_string(), "D"))
    }
}

#[test]
fn what_is_loaded_is_a_private_copy_of_what_was_checked() {
    let bed = Bed::new();
    let taken = bed.take(None, false).unwrap();
    assert_eq!(taken.path, bed.run().join("plugins/kml.7.so"));
    assert_eq!(fs::read(&taken.path).unwrap(), bed.bytes);
    assert_eq!(fs::metadata(&taken.path).unwrap().mode() & 0o7777, 0o500);
    assert_eq!(fs::metadata(bed.run().join("plugins")).unwrap().mode() & 0o7777, 0o700);
    assert_eq!(taken.found.sha256, hash(&bed.bytes));
    assert_eq!(Info::text(&taken.found.info.name), "kml");
    // The original may go away or change; the same generation may be tried again.
    fs::write(&bed.path, b"something else").unwrap();
    assert_eq!(fs::read(&taken.path).unwrap(), bed.bytes);
    fs::write(&bed.path, &bed.bytes).unwrap();
    bed.take(None, false).unwrap().discard();
    assert!(!taken.path.exists());
}

#[test]
fn a_pin_is_compared_and_the_error_says_both() {
    let bed = Bed::new();
    let right = hash(&bed.bytes);
    bed.take(Some(&right), false).unwrap();
    let wrong = "0".repeat(64);
    assert_eq!(
        bed.take(Some(&wrong), false).unwrap_err(),
        format!(
            "kml: D/kml.so has the SHA-256 {right}, [plugins.kml] sha256 wants {wrong} — install the file that is meant, or write the new one"
        )
    );
}

#[test]
fn the_secure_profile_wants_a_pin_where_the_server_can_write() {
    let bed = Bed::new();
    let right = hash(&bed.bytes);
    assert!(bed.take(None, true).unwrap_err().contains(&format!("only with sha256 = \"{right}\" in [plugins.kml]")));
    assert!(!bed.run().join("plugins").exists(), "nothing is copied before it is allowed");
    bed.take(Some(&right), true).unwrap();
    assert!(is_in_reach(&bed.path));
}

#[test]
fn a_file_that_others_can_exchange_is_not_taken() {
    let bed = Bed::new();
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(&bed.path, 0o646);
    assert_eq!(bed.take(None, false).unwrap_err(), "kml: anybody can write D/kml.so — chmod o-w D/kml.so");
    mode(&bed.path, 0o644);
    mode(bed.dir.path(), 0o1777);
    assert_eq!(bed.take(None, false).unwrap_err(), "kml: anybody can write D — chmod o-w D");
    mode(bed.dir.path(), 0o755);
    // Through a link, both places count.
    let other = tempfile::tempdir().unwrap();
    let link = other.path().join("kml.so");
    std::os::unix::fs::symlink(&bed.path, &link).unwrap();
    mode(other.path(), 0o777);
    let terms = Terms { run: &bed.run(), generation: 1, pin: None, secure: false };
    assert!(matches!(take(&link, "kml", &terms), Err(FileError { why: Refused::Writable(_), .. })));
    mode(other.path(), 0o755);
    take(&link, "kml", &terms).unwrap();
    if geteuid().is_root() {
        std::os::unix::fs::chown(&bed.path, Some(54_321), None).unwrap();
        assert!(bed.take(None, false).unwrap_err().starts_with("kml: D/kml.so belongs to uid 54321, who could"));
    }
}

#[test]
fn what_is_no_plugin_leaves_no_copy() {
    let bed = Bed::new();
    fs::write(&bed.path, &bed.bytes[..300]).unwrap();
    assert!(bed.take(None, false).unwrap_err().starts_with("kml: is cut short: it should go on to byte "));
    fs::write(&bed.path, b"text").unwrap();
    assert_eq!(bed.take(None, false).unwrap_err(), "kml: is no library (no ELF file)");
    fs::remove_file(&bed.path).unwrap();
    assert_eq!(bed.take(None, false).unwrap_err(), "kml: D/kml.so: No such file or directory (os error 2)");
    fs::create_dir(&bed.path).unwrap();
    assert_eq!(bed.take(None, false).unwrap_err(), "kml: D/kml.so is no file");
    assert!(!bed.run().join("plugins").exists());
}

#[test]
fn without_execution_on_the_disk_the_copy_is_in_memory_and_stays() {
    let bed = Bed::new();
    let (path, memfd) = place(bed.dir.path(), "kml", 7, &bed.bytes, true).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bed.bytes);
    assert!(fs::write(&path, b"x").is_err(), "sealed");
    let taken =
        Taken { path: path.clone(), found: inspect(&bed.bytes, "kml").unwrap(), memfd: ManuallyDrop::new(memfd) };
    drop(taken);
    assert_eq!(fs::read(&path).unwrap(), bed.bytes, "its number is not used again");
}

#[test]
fn copies_of_an_earlier_process_go() {
    let bed = Bed::new();
    sweep(&bed.run()).unwrap();
    let taken = bed.take(None, false).unwrap();
    fs::write(bed.run().join("plugins/notes.txt"), "").unwrap();
    sweep(&bed.run()).unwrap();
    assert!(!taken.path.exists() && bed.run().join("plugins/notes.txt").exists());
}
