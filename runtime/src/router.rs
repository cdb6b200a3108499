//! Method and path to a route and its parameters; misses never reach the application.

use crate::error::Error;
use crate::static_files::StaticFolder;
use matchit::Params;
use std::rc::Rc;

/// Which route: the index under which the application knows it.
pub type RouteId = usize;

/// Who answers a route.
#[derive(Clone)]
pub enum Target {
    /// The application.
    Route(RouteId),
    /// A folder of files; the last parameter of the pattern is the path below it.
    Static(Rc<StaticFolder>),
}

/// The methods of one path pattern.
struct Node {
    methods: Vec<(Box<[u8]>, Target)>,
    /// The value of `allow`, the automatic methods included.
    allow: String,
}

impl Node {
    fn find(&self, method: &[u8]) -> Option<&Target> {
        self.methods.iter().find(|(known, _)| **known == *method).map(|(_, target)| target)
    }

    fn describe(&mut self) {
        let names = self.methods.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned());
        let mut names: Vec<String> = names.collect();
        if self.find(b"GET").is_some() && self.find(b"HEAD").is_none() {
            names.push("HEAD".into());
        }
        if self.find(b"OPTIONS").is_none() {
            names.push("OPTIONS".into());
        }
        names.sort_unstable();
        self.allow = names.join(", ");
    }
}

/// The parameters of a matched path, in the order of the pattern, percent-decoded.
#[derive(Clone)]
pub struct PathParameters<'a> {
    params: Params<'a, 'a>,
}

impl<'a> PathParameters<'a> {
    /// The parameter at `index`; a catch-all that matched nothing is empty.
    pub fn get(&self, index: usize) -> &str {
        self.params.iter().nth(index).map_or("", |(_, value)| value)
    }

    /// The last parameter; empty when there is none.
    pub fn last(&self) -> &str {
        self.params.iter().last().map_or("", |(_, value)| value)
    }
}

/// What the router knows of a method and a path.
pub enum Found<'a> {
    /// A route.
    Route(&'a Target, PathParameters<'a>),
    /// The path exists; `allow` lists what it answers to.
    MethodNotAllowed {
        /// The value of the `allow` field.
        allow: &'a str,
    },
    /// OPTIONS of a path that has no handler for it.
    Options {
        /// The value of the `allow` field.
        allow: &'a str,
    },
    /// The same path exists with or without its last slash.
    Redirect {
        /// True when the slash is to be added.
        add_slash: bool,
    },
    /// Nothing.
    NotFound,
}

/// Collects routes.
#[derive(Default)]
pub struct RouterBuilder {
    patterns: Vec<(String, Node)>,
    redirect_slashes: bool,
}

impl RouterBuilder {
    /// Starts with no routes. With `redirect_slashes` a missing or needless last slash redirects.
    pub fn new(redirect_slashes: bool) -> Self {
        Self { patterns: Vec::new(), redirect_slashes }
    }

    /// Adds a route: `{name}` matches one segment, a last `{*name}` the rest.
    ///
    /// Patterns that differ only in parameter names are one pattern; the first route of a method
    /// wins.
    pub fn add(&mut self, path: &str, methods: &[&str], target: &Target) {
        let pattern = canonical(path);
        let index = match self.patterns.iter().position(|(known, _)| *known == pattern) {
            Some(index) => index,
            None => {
                self.patterns.push((pattern, Node { methods: Vec::new(), allow: String::new() }));
                self.patterns.len() - 1
            }
        };
        let node = &mut self.patterns[index].1;
        for method in methods {
            if node.find(method.as_bytes()).is_none() {
                node.methods.push((method.as_bytes().into(), target.clone()));
            }
        }
        node.describe();
    }

    /// Builds the router.
    ///
    /// # Errors
    /// [`Error::Route`] for a malformed pattern or two that cannot be told apart.
    pub fn build(self) -> Result<Router, Error> {
        let mut tree = matchit::Router::new();
        let mut nodes = Vec::new();
        let mut open_ends = Vec::new();
        for (pattern, node) in self.patterns {
            let problem = |e: matchit::InsertError| Error::Route {
                path: pattern.clone(),
                problem: e.to_string(),
            };
            tree.insert(pattern.as_str(), nodes.len()).map_err(problem)?;
            if let Some(prefix) = pattern.strip_suffix("{*rest}") {
                open_ends.push((prefix.to_owned(), nodes.len()));
            }
            nodes.push(node);
        }
        for (prefix, index) in open_ends {
            // A catch-all also matches nothing, unless that very path is a route of its own.
            let _ = tree.insert(prefix, index);
        }
        Ok(Router { tree, nodes, redirect_slashes: self.redirect_slashes })
    }
}

/// Replaces parameter names by their positions, so that only shapes are compared.
fn canonical(path: &str) -> String {
    let mut out = String::new();
    let mut count = 0;
    let mut rest = path;
    while let Some(open) = rest.find('{') {
        if rest[open..].starts_with("{{") {
            out.push_str(&rest[..open + 2]);
            rest = &rest[open + 2..];
            continue;
        }
        let Some(close) = rest[open..].find('}').map(|at| open + at) else { break };
        out.push_str(&rest[..open]);
        if rest[open..].starts_with("{*") {
            out.push_str("{*rest}");
        } else {
            out.push_str(&format!("{{p{count}}}"));
        }
        count += 1;
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    out
}

/// The routes of an application, ready to be searched.
pub struct Router {
    tree: matchit::Router<usize>,
    nodes: Vec<Node>,
    redirect_slashes: bool,
}

impl Router {
    /// Finds who answers `method` on the decoded `path`.
    pub fn find<'a>(&'a self, method: &[u8], path: &'a str) -> Found<'a> {
        let Ok(matched) = self.tree.at(path) else { return self.miss(path) };
        let node = &self.nodes[*matched.value];
        let parameters = PathParameters { params: matched.params };
        let automatic = |name: &[u8]| (method == name).then(|| node.find(b"GET")).flatten();
        if let Some(target) = node.find(method).or_else(|| automatic(b"HEAD")) {
            return Found::Route(target, parameters);
        }
        if method == b"OPTIONS" {
            return Found::Options { allow: &node.allow };
        }
        Found::MethodNotAllowed { allow: &node.allow }
    }

    fn miss(&self, path: &str) -> Found<'_> {
        // A target that starts with two slashes would redirect to another host.
        if !self.redirect_slashes || path == "/" || path.starts_with("//") {
            return Found::NotFound;
        }
        let add_slash = !path.ends_with('/');
        let other = if add_slash {
            format!("{path}/")
        } else {
            path.trim_end_matches('/').to_owned()
        };
        if !other.is_empty() && self.tree.at(&other).is_ok() {
            return Found::Redirect { add_slash };
        }
        Found::NotFound
    }
}
