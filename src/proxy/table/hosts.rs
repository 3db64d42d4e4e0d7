//! The paths of one host, longest first.

use std::collections::HashMap;
use std::sync::Arc;

use super::route::LiveRoute;

/// With more paths than this a hash lookup per segment beats going through all of them.
const FEW: usize = 8;

/// All routes of one host.
#[derive(Clone, Debug, Default)]
pub struct HostEntry {
    /// Longest prefix first, then by name.
    routes: Vec<Arc<LiveRoute>>,
    /// By prefix, when there are many.
    index: HashMap<Box<str>, Arc<LiveRoute>>,
}

impl HostEntry {
    /// The route with the longest prefix that the path lies below.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Arc<LiveRoute>> {
        if self.index.is_empty() {
            return self.routes.iter().find(|route| route.matches(path));
        }
        let mut end = path.len();
        while end > 0 {
            if let Some(route) = self.index.get(&path[..end]) {
                return Some(route);
            }
            end = path[..end].rfind('/').unwrap_or(0);
        }
        self.index.get("/")
    }

    pub(super) fn exactly(&self, prefix: &str) -> Option<&Arc<LiveRoute>> {
        let at = self.place(prefix).ok()?;
        Some(&self.routes[at])
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<LiveRoute>> {
        self.routes.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    pub(super) fn with(mut self, route: Arc<LiveRoute>) -> Self {
        match self.place(&route.prefix) {
            Ok(at) => self.routes[at] = route,
            Err(at) => self.routes.insert(at, route),
        }
        self.indexed()
    }

    pub(super) fn without(&self, prefix: &str, name: &str) -> Self {
        let mut next = self.clone();
        if let Ok(at) = next.place(prefix)
            && *next.routes[at].name == *name
        {
            next.routes.remove(at);
        }
        next.indexed()
    }

    fn place(&self, prefix: &str) -> Result<usize, usize> {
        self.routes.binary_search_by(|route| {
            let longest_first = prefix.len().cmp(&route.prefix.len());
            longest_first.then_with(|| (*route.prefix).cmp(prefix))
        })
    }

    fn indexed(mut self) -> Self {
        self.index.clear();
        if self.routes.len() > FEW {
            self.index = self
                .routes
                .iter()
                .map(|route| (route.prefix.clone(), Arc::clone(route)))
                .collect();
        }
        self
    }
}
