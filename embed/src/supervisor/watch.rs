//! Notices that the application's files have changed, by looking at them now and then.
//!
//! Not by inotify: it is silent on the shared folders of containers and virtual machines, and
//! needs a watch for each directory there is and comes to be. Looking costs microseconds.

use std::collections::{HashMap, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::error::Error;
use crate::logging;
use crate::options::ReloadOptions;

/// How long the files are left alone between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// After a change, how long nothing more may change until it is told: editors and version
/// control write several files, and some of them twice.
const SETTLE: Duration = Duration::from_millis(50);

/// How long a change may wait for others to end.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// The share of time that looking may take: a slow look is followed by a longer pause.
const PAUSE_PER_LOOK: u32 = 20;

/// Most entries of directories that one look takes in.
const ENTRIES_MAX: usize = 50_000;

/// What is never the application's own; nor is what begins with a dot.
const IGNORED: [&str; 3] = ["__pycache__", "node_modules", "site-packages"];

/// What tells that a file has changed: when, how long it is now, and which file it is.
type Stamp = (Option<SystemTime>, u64, u64);

type Snapshot = HashMap<PathBuf, Stamp>;

/// Watches directories, and single files.
#[derive(Debug)]
pub(super) struct Watcher {
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
    included: Vec<String>,
    excluded: Vec<String>,
    seen: Snapshot,
    /// What has changed first, and since when, while more may change.
    unsettled: Option<(PathBuf, Instant)>,
    look_at: Instant,
    told_of_bound: bool,
}

impl Watcher {
    /// Watches the directories that are asked for, else `usual`, and `file` if there is one.
    ///
    /// # Errors
    /// When a directory that is asked for is not there.
    pub(super) fn new(
        options: &ReloadOptions,
        usual: Vec<PathBuf>,
        file: Option<&Path>,
    ) -> Result<Self, Error> {
        let mut folders = Vec::new();
        for folder in &options.reload_dir {
            if !folder.is_dir() {
                let must = "must be a directory that is there";
                return Err(Error::option("--reload-dir", folder.display(), must));
            }
            folders.push(folder.clone());
        }
        if folders.is_empty() {
            folders = usual;
        }
        let mut included = vec!["*.py".to_owned()];
        included.extend(options.reload_include.iter().cloned());
        let mut watcher = Self {
            folders,
            files: file.into_iter().map(Path::to_owned).collect(),
            included,
            excluded: options.reload_exclude.clone(),
            seen: Snapshot::new(),
            unsettled: None,
            look_at: Instant::now(),
            told_of_bound: false,
        };
        watcher.seen = watcher.look();
        Ok(watcher)
    }

    /// What is watched, for a log.
    pub(super) fn names(&self) -> String {
        let names = self.folders.iter().map(|f| f.display().to_string());
        names.collect::<Vec<_>>().join(", ")
    }

    /// When `check` has something to do.
    pub(super) fn next_time(&self) -> Instant {
        self.look_at
    }

    /// Looks if it is time to; returns a file that has changed, once no other changes any more.
    pub(super) fn check(&mut self, now: Instant) -> Option<PathBuf> {
        if now < self.look_at {
            return None;
        }
        let found = self.look();
        let pause = now.elapsed() * PAUSE_PER_LOOK;
        let changed = differences(&self.seen, &found);
        self.seen = found;
        let settles = !changed.is_empty();
        changed.iter().for_each(|path| forget_bytecode(path));
        if let Some(path) = changed.into_iter().min() {
            self.unsettled.get_or_insert((path, now));
        }
        let wait = if settles { SETTLE } else { LOOK_EVERY };
        self.look_at = Instant::now() + wait.max(pause);
        let is_due = |(_, since): &mut (PathBuf, Instant)| {
            !settles || now.duration_since(*since) >= SETTLE_MAX
        };
        self.unsettled.take_if(is_due).map(|(path, _)| path)
    }

    /// Every file that is watched, as it is now.
    fn look(&mut self) -> Snapshot {
        let mut found = Snapshot::new();
        let mut entries = 0;
        let mut folders: VecDeque<PathBuf> = self.folders.iter().cloned().collect();
        while let Some(folder) = folders.pop_front() {
            // It may have gone meanwhile, or be somebody else's.
            let Ok(children) = std::fs::read_dir(&folder) else {
                continue;
            };
            for child in children.flatten() {
                entries += 1;
                let Ok(name) = child.file_name().into_string() else {
                    continue;
                };
                // A link to a directory is not followed: it may lead in a circle.
                let is_folder = child.file_type().is_ok_and(|kind| kind.is_dir());
                if is_folder && self.is_watched_folder(&name, &child.path()) {
                    folders.push_back(child.path());
                } else if !is_folder && self.is_watched_file(&name) {
                    take(child.path(), &mut found);
                }
            }
            if entries > ENTRIES_MAX {
                self.tell_of_bound();
                break;
            }
        }
        self.files
            .iter()
            .for_each(|file| take(file.clone(), &mut found));
        found
    }

    fn is_watched_folder(&self, name: &str, path: &Path) -> bool {
        let ignored = name.starts_with('.') || IGNORED.contains(&name);
        !ignored && !matches_any(&self.excluded, name) && !path.join("pyvenv.cfg").exists()
    }

    fn is_watched_file(&self, name: &str) -> bool {
        matches_any(&self.included, name) && !matches_any(&self.excluded, name)
    }

    fn tell_of_bound(&mut self) {
        if !std::mem::replace(&mut self.told_of_bound, true) {
            logging::warning(format_args!(
                "there are more than {ENTRIES_MAX} files in {}: not all of them are watched; \
                 name what matters with --reload-dir",
                self.names()
            ));
        }
    }
}

/// Takes note of a file, unless it is gone.
fn take(path: PathBuf, found: &mut Snapshot) {
    if let Ok(metadata) = path.metadata() {
        let stamp = (metadata.modified().ok(), metadata.len(), metadata.ino());
        found.insert(path, stamp);
    }
}

/// The files that came, went or are others now.
fn differences(before: &Snapshot, after: &Snapshot) -> Vec<PathBuf> {
    let changed = after
        .iter()
        .filter(|(path, stamp)| before.get(*path) != Some(*stamp))
        .map(|(path, _)| path);
    let gone = before.keys().filter(|path| !after.contains_key(*path));
    changed.chain(gone).cloned().collect()
}

/// Removes what Python has compiled of a module. It tells whether that is up to date by whole
/// seconds and the size, which may stay the same from one change to the next.
fn forget_bytecode(source: &Path) {
    let (Some(folder), Some(stem)) = (source.parent(), source.file_stem()) else {
        return;
    };
    let Ok(cached) = std::fs::read_dir(folder.join("__pycache__")) else {
        return;
    };
    let prefix = format!("{}.", stem.to_string_lossy());
    for file in cached.flatten() {
        let name = file.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(".pyc") {
            // Where that is not allowed, Python could not have written it either.
            let _ = std::fs::remove_file(file.path());
        }
    }
}

fn matches_any(patterns: &[String], name: &str) -> bool {
    let matched = |pattern: &String| matches(pattern.as_bytes(), name.as_bytes());
    patterns.iter().any(matched)
}

/// Whether a file's name fits a pattern, in which `*` is any text and `?` any one byte.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    // Where the last star is, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        if at < pattern.len() && pattern[at] == b'*' {
            star = Some((at, from));
            at += 1;
        } else if at < pattern.len() && (pattern[at] == b'?' || pattern[at] == name[from]) {
            at += 1;
            from += 1;
        } else if let Some((place, taken)) = star {
            star = Some((place, taken + 1));
            at = place + 1;
            from = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_names() {
        let fits = |pattern: &str, name: &str| matches(pattern.as_bytes(), name.as_bytes());
        for (pattern, name) in [
            ("*.py", "main.py"),
            ("*", ""),
            ("a?c", "abc"),
            ("a*b*c", "a-b-b-c"),
            ("data", "data"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.py", "main.pyc"),
            ("?", ""),
            ("a*b", "a-b-c"),
            ("data", "data2"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn only_the_applications_files_count() {
        let folder = std::env::temp_dir().join(format!("fasterapi-watch-{}", std::process::id()));
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("main.py", "1");
        write("inner/pages.html", "1");
        write("env/pyvenv.cfg", "");
        let options = ReloadOptions {
            reload: true,
            no_reload: false,
            reload_dir: Vec::new(),
            reload_include: vec!["*.html".to_owned()],
            reload_exclude: vec!["data".to_owned(), "test_*".to_owned()],
        };
        let mut watcher = Watcher::new(&options, vec![folder.clone()], None).unwrap();
        let mut told = |name: &str| {
            write(name, "a longer text");
            let found = watcher.look();
            differences(&std::mem::replace(&mut watcher.seen, found.clone()), &found)
        };
        for name in ["main.py", "new.py", "inner/pages.html", "inner/deep/x.py"] {
            assert_eq!(told(name), [folder.join(name)]);
        }
        for name in [
            "readme.txt",
            "test_main.py",
            "data/x.py",
            ".git/x.py",
            "env/x.py",
            "__pycache__/x.py",
            "node_modules/x.py",
        ] {
            assert!(told(name).is_empty(), "{name}");
        }
        std::fs::remove_file(folder.join("new.py")).unwrap();
        let found = watcher.look();
        assert_eq!(differences(&watcher.seen, &found), [folder.join("new.py")]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_change_is_told_once_it_has_settled() {
        let name = format!("fasterapi-settle-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(folder.join("__pycache__")).unwrap();
        let compiled = folder.join("__pycache__/main.cpython-313.pyc");
        let other = folder.join("__pycache__/main2.cpython-313.pyc");
        for path in [&compiled, &other] {
            std::fs::write(path, "").unwrap();
        }
        let options = ReloadOptions {
            reload: true,
            no_reload: false,
            reload_dir: vec![folder.clone()],
            reload_include: Vec::new(),
            reload_exclude: Vec::new(),
        };
        let mut watcher = Watcher::new(&options, Vec::new(), None).unwrap();
        let file = folder.join("main.py");
        std::fs::write(&file, "1").unwrap();
        let mut check = || {
            let at = watcher.next_time();
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            watcher.check(at)
        };
        assert_eq!(check(), None);
        std::fs::write(&file, "12").unwrap();
        assert_eq!(check(), None);
        assert_eq!(check(), Some(file));
        assert_eq!(check(), None);
        assert!(!compiled.exists() && other.exists());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
