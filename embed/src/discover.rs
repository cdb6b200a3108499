//! Finds what to serve when the command line does not name it, where FastAPI's looks too.

use std::path::Path;

use crate::error::Error;

/// Files that are served when none is named, the first that exists.
const FILES: [&str; 6] = [
    "main.py",
    "app.py",
    "api.py",
    "app/main.py",
    "app/app.py",
    "app/api.py",
];

/// The tables of `pyproject.toml` whose `entrypoint` names the application.
const TABLES: [&str; 2] = ["[tool.fasterapi]", "[tool.fastapi]"];

/// Largest `pyproject.toml` that is read, in bytes.
const PYPROJECT_BYTES_MAX: u64 = 1024 * 1024;

/// What to serve: what is given, or what is found in the application's directory; `app` is the
/// name of the application in it, if that is given for itself.
///
/// # Errors
/// `TargetMissing` when nothing is found, `OptionInvalid` for an `app` that is no name or is
/// one too many.
pub(crate) fn target(given: &str, app: Option<&str>, app_dir: &Path) -> Result<String, Error> {
    let found = match given.trim() {
        "" => entrypoint(app_dir)
            .or_else(|| usual_file(app_dir))
            .ok_or(Error::TargetMissing)?,
        given => given.to_owned(),
    };
    let Some(app) = app else {
        return Ok(found);
    };
    if app.is_empty() || app.contains([':', '/', '\\']) {
        let must = "must be the name of the application in the target's module, such as app";
        return Err(Error::option("--app", app, must));
    }
    if found.contains(':') {
        let must = format!("must be left out, because {found} names an application already");
        return Err(Error::option("--app", app, &must));
    }
    Ok(format!("{found}:{app}"))
}

fn usual_file(app_dir: &Path) -> Option<String> {
    let exists = |file: &&str| app_dir.join(file).is_file();
    FILES.into_iter().find(exists).map(str::to_owned)
}

fn entrypoint(app_dir: &Path) -> Option<String> {
    let path = app_dir.join("pyproject.toml");
    if path.metadata().ok()?.len() > PYPROJECT_BYTES_MAX {
        return None;
    }
    let text = std::fs::read_to_string(path).ok()?;
    TABLES
        .into_iter()
        .find_map(|table| entrypoint_in(&text, table))
}

/// The string `entrypoint` of one table. This is not all of TOML, but how this one line is
/// written.
fn entrypoint_in(text: &str, table: &str) -> Option<String> {
    let lines = text.lines().map(str::trim);
    let inside = lines
        .skip_while(|line| *line != table)
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    for line in inside {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        if key.trim() != "entrypoint" {
            continue;
        }
        let value = value.trim();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (name, _) = value[1..].split_once(quote)?;
        return (!name.is_empty()).then(|| name.to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entrypoint_is_read_from_its_table_only() {
        let text = "\
            [project]\nentrypoint = \"wrong:app\"\n\
            [tool.fastapi]\n# a comment = here\nentrypoint = 'src.main:app' # and here\n\
            [tool.other]\nentrypoint = \"other:app\"\n";
        let found = entrypoint_in(text, "[tool.fastapi]");
        assert_eq!(found.as_deref(), Some("src.main:app"));
        assert_eq!(entrypoint_in(text, "[tool.fasterapi]"), None);
        assert_eq!(entrypoint_in("[tool.fastapi]", "[tool.fastapi]"), None);
        let broken = "[tool.fastapi]\nentrypoint = main\n";
        assert_eq!(entrypoint_in(broken, "[tool.fastapi]"), None);
    }

    #[test]
    fn files_are_found_in_their_order_and_what_is_given_wins() {
        let folder = std::env::temp_dir().join(format!("fasterapi-find-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("app")).unwrap();
        let find = |given, app| target(given, app, &folder);
        assert_eq!(find("", None), Err(Error::TargetMissing));
        for (file, text) in [
            ("app/main.py", ""),
            ("api.py", ""),
            ("main.py", ""),
            ("pyproject.toml", "[tool.fastapi]\nentrypoint = \"e:app\"\n"),
        ] {
            std::fs::write(folder.join(file), text).unwrap();
            let expected = if text.is_empty() { file } else { "e:app" };
            assert_eq!(find("", None).unwrap(), expected);
        }
        assert_eq!(find("other.py", Some("api")).unwrap(), "other.py:api");
        assert!(find("", Some("app")).is_err());
        assert!(find("other", Some("")).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
