//! The master key: from the setting, or from a file that the first start makes.

use super::{Config, DATA_DIR};
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::sealed::MasterKeys;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The file that holds the master key where the setting does not.
pub fn path() -> PathBuf {
    Path::new(DATA_DIR).join("master.key")
}

/// The master keys that the configuration names; otherwise those in the file, which is made if it is not there.
/// The second value says whether it was. Processes that start at once agree on one key.
///
/// # Errors
/// When the file cannot be read or made, holds no master key, or may be read by others than its owner.
pub fn load_or_create(config: &Config, entropy: &Entropy) -> Result<(MasterKeys, bool), Fault> {
    match &config.master_key {
        Some(text) => Ok((parse("the setting GRANTOR_MASTER_KEY", text.expose())?, false)),
        None => in_file(&path(), entropy),
    }
}

fn in_file(path: &Path, entropy: &Entropy) -> Result<(MasterKeys, bool), Fault> {
    if let Some(keys) = read(path)? {
        return Ok((keys, false));
    }
    let created = create(path, entropy)?;
    match read(path)? {
        Some(keys) => Ok((keys, created)),
        None => Err(failed(path, "vanished while it was being made")),
    }
}

fn read(path: &Path) -> Result<Option<MasterKeys>, Fault> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, "cannot be opened").caused_by(error)),
    };
    refuse_open_to_others(path, &file)?;
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)
        .map_err(|error| failed(path, "cannot be read").caused_by(error))?;
    parse(&path.display().to_string(), &text).map(Some)
}

fn parse(place: &str, text: &str) -> Result<MasterKeys, Fault> {
    MasterKeys::parse(text)
        .map_err(|reason| Fault::internal(format!("{place} holds no master key: {reason}")))
}

/// Writes a new key. It appears under its name complete or not at all: a process that was stopped in the middle leaves
/// no half of a key, and of two that start at once only one gives the file its name.
fn create(path: &Path, entropy: &Entropy) -> Result<bool, Fault> {
    let cannot = |error: std::io::Error| failed(path, "cannot be made").caused_by(error);
    let folder = path.parent().unwrap_or(Path::new("."));
    private_folder().create(folder).map_err(cannot)?;
    let id = hex::encode(entropy.bytes::<4>()?);
    let text = MasterKeys::generate(entropy, &format!("mk-{id}"))?;
    let draft = path.with_extension(format!("key.{id}"));
    let written = private_file()
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        })
        .and_then(|()| std::fs::hard_link(&draft, path));
    let removed = std::fs::remove_file(&draft);
    match written {
        Ok(()) => {
            removed.map_err(cannot)?;
            // The name is durable too before anything is sealed under the key.
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(cannot)?;
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(cannot(error)),
    }
}

fn failed(path: &Path, what: &str) -> Fault {
    Fault::internal(format!(
        "the master key file {} {what} (GRANTOR_MASTER_KEY or GRANTOR_MASTER_KEY_FILE takes its place)",
        path.display()
    ))
}

#[cfg(unix)]
fn refuse_open_to_others(path: &Path, file: &File) -> Result<(), Fault> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file
        .metadata()
        .map_err(|error| failed(path, "cannot be examined").caused_by(error))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let name = path.display();
        return Err(failed(
            path,
            &format!(
                "has mode {mode:o} and is open to others than its owner; run `chmod 600 {name}`, and change the key if others may have read it"
            ),
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_open_to_others(_: &Path, _: &File) -> Result<(), Fault> {
    Ok(())
}

fn private_folder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let name = hex::encode(Entropy::system().bytes::<8>().unwrap());
            Self(std::env::temp_dir().join(format!("grantor-master-key-{name}")))
        }

        fn key(&self) -> PathBuf {
            self.0.join("data/master.key")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_first_start_makes_the_file_and_the_second_reads_it() {
        let folder = Folder::new();
        let entropy = Entropy::system();
        let (made, created) = in_file(&folder.key(), &entropy).unwrap();
        assert!(created);
        let (again, created) = in_file(&folder.key(), &entropy).unwrap();
        assert!(!created);
        assert_eq!(made.wrapping_id(), again.wrapping_id());
        let names: Vec<_> = std::fs::read_dir(folder.0.join("data"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["master.key"], "nothing else stays behind");
    }

    #[test]
    fn processes_that_start_at_once_agree_on_one_key() {
        let folder = Folder::new();
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| in_file(&folder.key(), &Entropy::system()).unwrap()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(results.iter().filter(|(_, created)| *created).count(), 1);
        assert!(
            results
                .iter()
                .all(|(keys, _)| keys.wrapping_id() == results[0].0.wrapping_id())
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = Folder::new();
        in_file(&folder.key(), &Entropy::system()).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&folder.key()), mode(&folder.0.join("data"))),
            (0o600, 0o700)
        );
        for open in [0o640, 0o604, 0o660] {
            std::fs::set_permissions(folder.key(), std::fs::Permissions::from_mode(open)).unwrap();
            let why = in_file(&folder.key(), &Entropy::system())
                .unwrap_err()
                .to_string();
            assert!(
                why.contains("chmod 600") && why.contains(&format!("{open:o}")),
                "{why}"
            );
        }
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused_without_being_quoted() {
        let folder = Folder::new();
        std::fs::create_dir_all(folder.0.join("data")).unwrap();
        private_file()
            .open(folder.key())
            .unwrap()
            .write_all(b"canary")
            .unwrap();
        let why = in_file(&folder.key(), &Entropy::system())
            .unwrap_err()
            .to_string();
        assert!(
            why.contains("holds no master key") && !why.contains("canary"),
            "{why}"
        );
    }

    #[test]
    fn the_setting_comes_before_the_file() {
        let text = MasterKeys::generate(&Entropy::system(), "set").unwrap();
        let config = Config::from_pairs(&[("master_key", &text)]).unwrap();
        let (keys, created) = load_or_create(&config, &Entropy::system()).unwrap();
        assert_eq!((keys.wrapping_id(), created), ("set", false));
    }
}
