//! Method and path to a route and its parameters; misses never reach the application.

use crate::error::Error;
use crate::route_pattern::{Converter, Pattern};
use crate::static_files::StaticFolder;
use std::rc::Rc;

/// Stands among a route's methods for all of them.
const ANY_METHOD: &[u8] = b"*";

/// The method that handshakes of WebSockets are routed by. No request can have it: it is no token.
pub const WEBSOCKET: &str = "WebSocket handshake";

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

/// One route as it was added.
struct Route {
    pattern: Pattern,
    methods: Vec<Box<[u8]>>,
    target: Target,
}

impl Route {
    fn has(&self, method: &[u8]) -> bool {
        let any = method != WEBSOCKET.as_bytes();
        self.methods
            .iter()
            .any(|known| **known == *method || (any && **known == *ANY_METHOD))
    }

    /// Whether it answers requests, and not only handshakes.
    fn is_for_requests(&self) -> bool {
        self.methods
            .iter()
            .any(|known| **known != *WEBSOCKET.as_bytes())
    }
}

/// A route that may answer the paths of a node.
struct Candidate {
    route: usize,
    /// Its shape is the node's own, so the tree has found its parameters already.
    same_shape: bool,
}

/// One shape of path: the routes that may answer it, in the order in which they were added.
struct Node {
    candidates: Vec<Candidate>,
    /// The value of `allow` where every candidate matches, which is the rule.
    allow: String,
}

/// Most parameters that are kept without an allocation.
const FEW: usize = 4;

/// The parameters of a matched path, in the order of the pattern, percent-decoded.
#[derive(Clone, Debug, Default)]
pub struct PathParameters<'a> {
    few: [&'a str; FEW],
    count: usize,
    more: Vec<&'a str>,
}

impl<'a> PathParameters<'a> {
    pub(crate) fn push(&mut self, value: &'a str) {
        match self.few.get_mut(self.count) {
            Some(slot) => *slot = value,
            None => self.more.push(value),
        }
        self.count += 1;
    }

    /// The parameter at `index`; a catch-all that matched nothing is empty.
    pub fn get(&self, index: usize) -> &'a str {
        if index < FEW {
            return self.few[index];
        }
        self.more.get(index - FEW).copied().unwrap_or("")
    }

    /// The last parameter; empty when there is none.
    pub fn last(&self) -> &'a str {
        self.count
            .checked_sub(1)
            .map_or("", |index| self.get(index))
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
    routes: Vec<Route>,
    redirect_slashes: bool,
    root_path: String,
}

impl RouterBuilder {
    /// Starts with no routes. With `redirect_slashes` a missing or needless last slash redirects.
    pub fn new(redirect_slashes: bool) -> Self {
        Self {
            routes: Vec::new(),
            redirect_slashes,
            root_path: String::new(),
        }
    }

    /// What a proxy may have left in front of paths: routes are found with and without it.
    #[must_use]
    pub fn below(mut self, root_path: &str) -> Self {
        root_path
            .trim_end_matches('/')
            .clone_into(&mut self.root_path);
        self
    }

    /// Adds a route: `{name}` matches one segment, a last `{*name}` the rest.
    ///
    /// Of several routes that match a path and a method, the one that was added first answers.
    /// The method `*` stands for every method. `converters` say what the parameters must look like, in their order.
    pub fn add(&mut self, path: &str, converters: &[Converter], methods: &[&str], target: &Target) {
        self.routes.push(Route {
            pattern: Pattern::new(path, converters),
            methods: methods
                .iter()
                .map(|method| method.as_bytes().into())
                .collect(),
            target: target.clone(),
        });
    }

    /// Builds the router.
    ///
    /// # Errors
    /// [`Error::Route`] for a malformed pattern or two that cannot be told apart.
    pub fn build(self) -> Result<Router, Error> {
        let mut tree = matchit::Router::new();
        let mut nodes: Vec<Node> = Vec::new();
        let mut shapes: Vec<&str> = Vec::new();
        let mut open_ends = Vec::new();
        for route in &self.routes {
            let shape = route.pattern.shape();
            if shapes.contains(&shape) {
                continue;
            }
            let problem = |error: matchit::InsertError| Error::Route {
                path: route.pattern.path().to_owned(),
                problem: error.to_string(),
            };
            tree.insert(shape, nodes.len()).map_err(problem)?;
            if let Some(prefix) = route.pattern.before_rest() {
                open_ends.push((prefix, nodes.len()));
            }
            nodes.push(node_of(&route.pattern, &self.routes));
            shapes.push(shape);
        }
        for (prefix, index) in open_ends {
            // A catch-all also matches nothing, unless that very path has a shape of its own.
            let _ = tree.insert(prefix, index);
        }
        Ok(Router {
            tree,
            nodes,
            routes: self.routes,
            redirect_slashes: self.redirect_slashes,
            root_path: self.root_path,
        })
    }
}

/// Which routes may answer paths of this shape.
fn node_of(pattern: &Pattern, routes: &[Route]) -> Node {
    let overlapping = routes
        .iter()
        .enumerate()
        .filter(|(_, r)| r.pattern.overlaps(pattern));
    let candidates: Vec<Candidate> = overlapping
        .map(|(route, other)| Candidate {
            route,
            same_shape: other.pattern.shape() == pattern.shape(),
        })
        .collect();
    let allow = allow(candidates.iter().map(|candidate| &routes[candidate.route]));
    Node { candidates, allow }
}

/// The methods of some routes with those that are answered without a handler.
fn allow<'r>(routes: impl Iterator<Item = &'r Route>) -> String {
    let methods = routes.flat_map(|route| &route.methods);
    let mut names: Vec<String> = methods
        .filter(|name| ***name != *ANY_METHOD && ***name != *WEBSOCKET.as_bytes())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    if names.iter().any(|name| name == "GET") {
        names.push("HEAD".into());
    }
    names.push("OPTIONS".into());
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

/// The routes of an application, ready to be searched.
pub struct Router {
    tree: matchit::Router<usize>,
    nodes: Vec<Node>,
    routes: Vec<Route>,
    redirect_slashes: bool,
    root_path: String,
}

impl Router {
    /// Finds who answers `method` on the decoded `path`.
    pub fn find<'a>(&'a self, method: &[u8], path: &'a str) -> Found<'a> {
        let path = self.below_root(path);
        let Ok(matched) = self.tree.at(path) else {
            return self.miss(path);
        };
        let node = &self.nodes[*matched.value];
        if let Some(found) = self.search(node, method, path, &matched.params) {
            return found;
        }
        // HEAD is answered as GET, whose body the connection leaves out.
        if method == b"HEAD"
            && let Some(found) = self.search(node, b"GET", path, &matched.params)
        {
            return found;
        }
        let matches = |candidate: &Candidate| {
            self.routes[candidate.route].is_for_requests()
                && self.parameters(candidate, path, &matched.params).is_some()
        };
        if !node.candidates.iter().any(matches) {
            return self.miss(path);
        }
        if method == b"OPTIONS" {
            return Found::Options { allow: &node.allow };
        }
        Found::MethodNotAllowed { allow: &node.allow }
    }

    /// The path without what a proxy has left in front of it.
    fn below_root<'a>(&self, path: &'a str) -> &'a str {
        match path.strip_prefix(self.root_path.as_str()) {
            Some(rest) if rest.starts_with('/') => rest,
            _ => path,
        }
    }

    /// The first of a node's routes that matches path and method.
    fn search<'a>(
        &'a self,
        node: &'a Node,
        method: &[u8],
        path: &'a str,
        params: &matchit::Params<'_, 'a>,
    ) -> Option<Found<'a>> {
        node.candidates.iter().find_map(|candidate| {
            let route = &self.routes[candidate.route];
            if !route.has(method) {
                return None;
            }
            let parameters = self.parameters(candidate, path, params)?;
            Some(Found::Route(&route.target, parameters))
        })
    }

    /// The parameters of a path for one candidate; `None` when it does not match.
    fn parameters<'a>(
        &'a self,
        candidate: &Candidate,
        path: &'a str,
        params: &matchit::Params<'_, 'a>,
    ) -> Option<PathParameters<'a>> {
        let pattern = &self.routes[candidate.route].pattern;
        if !candidate.same_shape {
            return pattern.matches(path);
        }
        let mut parameters = PathParameters::default();
        // The tree knows a catch-all that matched nothing by the path before it.
        let mut lacks_rest = pattern.before_rest().is_some();
        for (name, value) in params.iter() {
            lacks_rest &= name != "rest";
            parameters.push(value);
        }
        if lacks_rest {
            parameters.push("");
        }
        pattern.accepts(&parameters).then_some(parameters)
    }

    fn miss(&self, path: &str) -> Found<'_> {
        // Two slashes in front would redirect to another host; browsers read `\` as one.
        let names_host = path.starts_with("//") || path.starts_with("/\\");
        if !self.redirect_slashes || path == "/" || names_host {
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
