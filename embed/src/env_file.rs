//! Reads files of `NAME=value` lines, as dotenv, Docker and systemd write them.
//!
//! Blank lines and lines that begin with `#` say nothing; `export` before a name is allowed. A
//! value may stand in single quotes (taken as it is) or double quotes (`\n`, `\t`, `\r`, `\"`,
//! `\\` and `\$` mean what they mean in a shell), both over several lines; an unquoted value ends
//! at ` #` or the end of its line. Nothing is expanded: `$HOME` stays `$HOME`.

use std::collections::HashSet;
use std::path::Path;

use crate::error::Error;

/// Largest environment file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a file and returns what it adds to the environment of this process.
///
/// The real environment wins over the file, and a later line over an earlier one.
pub fn load(path: &Path) -> Result<Vec<(String, String)>, Error> {
    let variables = parse(path, &read(path)?)?;
    let mut seen = HashSet::new();
    let mut added: Vec<_> = variables
        .into_iter()
        .rev()
        .filter(|(name, _)| seen.insert(name.clone()) && std::env::var_os(name).is_none())
        .collect();
    added.reverse();
    Ok(added)
}

fn read(path: &Path) -> Result<String, Error> {
    let unreadable = |reason: String| Error::EnvFileUnreadable {
        path: path.to_owned(),
        reason,
    };
    let size = std::fs::metadata(path)
        .map_err(|error| unreadable(error.to_string()))?
        .len();
    if size > FILE_BYTES_MAX {
        return Err(unreadable(format!(
            "has {size} bytes, more than {FILE_BYTES_MAX}"
        )));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))
}

/// Reads the text of an environment file; `path` is for error messages.
pub fn parse(path: &Path, text: &str) -> Result<Vec<(String, String)>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let line = 1 + text[..text.len() - rest.len()].matches('\n').count();
        let at_line = |reason: &str| Error::EnvFileSyntax {
            path: path.to_owned(),
            line,
            reason: reason.to_owned(),
        };
        let (first, after) = split_line(rest);
        if first.trim().is_empty() || first.trim_start().starts_with('#') {
            rest = after;
            continue;
        }
        let (name, value) = rest[..first.len()]
            .split_once('=')
            .ok_or_else(|| at_line("must be NAME=value"))?;
        let name = name.trim();
        let name = name
            .strip_prefix("export")
            .filter(|name| name.starts_with([' ', '\t']))
            .map_or(name, str::trim_start);
        if !is_name(name) {
            return Err(at_line(&format!("'{name}' cannot be a variable's name")));
        }
        let from_value = &rest[first.len() - value.len()..];
        let (value, after) = parse_value(from_value).map_err(|reason| at_line(&reason))?;
        variables.push((name.to_owned(), value));
        rest = after;
    }
    Ok(variables)
}

/// The text up to the line's end, and what follows it.
fn split_line(text: &str) -> (&str, &str) {
    match text.split_once('\n') {
        Some((line, rest)) => (line, rest),
        None => (text, ""),
    }
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|next| next.is_ascii_alphanumeric() || next == '_' || next == '.')
}

/// Takes one value off the front of `text`; returns it and what follows its line.
fn parse_value(text: &str) -> Result<(String, &str), String> {
    let text = text.trim_start_matches([' ', '\t']);
    let (value, rest) = match text.chars().next() {
        Some('\'') => {
            let (value, rest) = text[1..]
                .split_once('\'')
                .ok_or("the single quote is never closed")?;
            (value.to_owned(), rest)
        }
        Some('"') => double_quoted(&text[1..])?,
        _ => {
            let (line, rest) = split_line(text);
            let end = line
                .find(" #")
                .or(line.find("\t#"))
                .or(line.starts_with('#').then_some(0))
                .unwrap_or(line.len());
            return without_nul(line[..end].trim().to_owned(), rest);
        }
    };
    let (tail, rest) = split_line(rest);
    let tail = tail.trim();
    if !tail.is_empty() && !tail.starts_with('#') {
        return Err(format!("'{tail}' follows the closing quote"));
    }
    without_nul(value, rest)
}

fn double_quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, same @ ('"' | '\\' | '$' | '\''))) => value.push(same),
                Some((_, other)) => value.extend(['\\', other]),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err("the double quote is never closed".to_owned())
}

/// A variable with a NUL byte cannot be passed to a process.
fn without_nul(value: String, rest: &str) -> Result<(String, &str), String> {
    if value.contains('\0') {
        return Err("a value must not contain a NUL byte".to_owned());
    }
    Ok((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        parse(Path::new("test.env"), text).unwrap()
    }

    fn refused(text: &str) -> String {
        parse(Path::new("test.env"), text).unwrap_err().to_string()
    }

    #[test]
    fn plain_lines_comments_and_export() {
        let text =
            "\u{feff}# comment\n\nA=1\r\nexport B = two words # why\n  C=#none\nD=a#b\nexport=x";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", ""),
            ("D", "a#b"),
            ("export", "x"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parsed(text), expected);
    }

    #[test]
    fn quotes_hold_lines_hashes_and_escapes() {
        let text = "A='it # is\nraw \\n'\nB=\"two\\nlines \\\"q\\\" \\$x \\d\" # c\nC=\"\"\n";
        assert_eq!(parsed(text)[0].1, "it # is\nraw \\n");
        assert_eq!(parsed(text)[1].1, "two\nlines \"q\" $x \\d");
        assert_eq!(parsed(text)[2].1, "");
    }

    #[test]
    fn mistakes_name_their_line() {
        assert_eq!(refused("A=1\nwhat"), "test.env, line 2: must be NAME=value");
        assert_eq!(
            refused("A='\n'\nB='"),
            "test.env, line 3: the single quote is never closed"
        );
        assert_eq!(
            refused("B=\"x\\"),
            "test.env, line 1: the double quote is never closed"
        );
        assert_eq!(
            refused("1A=x"),
            "test.env, line 1: '1A' cannot be a variable's name"
        );
        assert_eq!(
            refused("A='x' y"),
            "test.env, line 1: 'y' follows the closing quote"
        );
    }

    #[test]
    fn any_prefix_of_a_file_is_read_or_refused_but_never_panics() {
        let text = "# é\nexport A='ü\n' # x\nB=\"\\é\\n\"\nC=é #é\n";
        for (end, _) in text.char_indices() {
            let _ = parse(Path::new("test.env"), &text[..end]);
        }
    }
}
