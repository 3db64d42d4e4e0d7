//! What would become of one request, and why: for people, not for requests.
//!
//! Host, path, conditions and their order are tried by the same code that the table uses; a test
//! holds that both find the same route.

use std::collections::BTreeMap;

use http::request::Parts;

use super::matching::{LiveConditions, LivePath};
use super::tried::Tried;
use crate::proxy::{host, path};
use crate::route::Route;

/// The routes of a table in the order in which they are tried.
#[derive(Debug, Default)]
pub struct Places {
    hosts: BTreeMap<String, Vec<Place>>,
}

#[derive(Debug)]
struct Place {
    name: String,
    path: LivePath,
    when: LiveConditions,
}

/// What becomes of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It takes the request.
    Wins,
    /// It would take it too, but a more specific one does.
    Later,
    /// The path is another one.
    OtherPath,
    /// The request lacks the method or a header that it asks for.
    Unmet,
    /// The path or a header of the request is longer than what the expressions of its host are tried
    /// with: it is refused.
    Refused,
    /// It is of a host that is meant too, but a more specific host decides alone.
    Covered,
}

/// A route that could be meant, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Name of the route.
    pub name: &'a str,
    /// The host that it stands at.
    pub host: &'a str,
    /// What becomes of it.
    pub verdict: Verdict,
}

impl Places {
    /// Of these routes, by name. Those that cannot be compiled are left out: no proxy has them.
    #[must_use]
    pub fn new(routes: &BTreeMap<String, Route>) -> Self {
        let mut places = Self::default();
        for (name, route) in routes {
            let path = LivePath::compile(&route.path);
            let when = LiveConditions::compile(&route.when);
            if let (Some(path), Some(when)) = (path, when) {
                let name = name.clone();
                let at = places.hosts.entry(route.host.clone()).or_default();
                at.push(Place { name, path, when });
            }
        }
        for at in places.hosts.values_mut() {
            at.sort_by(|a, b| {
                (a.path.precedence(), a.when.precedence())
                    .cmp(&(b.path.precedence(), b.when.precedence()))
            });
        }
        places
    }

    /// Every route that stands at the request's host or at a wildcard over it, the most specific
    /// first. `raw` is the host as a client sends it; `None`: it is no host at all.
    #[must_use]
    pub fn trial(&self, raw: &str, request: &Parts) -> Option<Vec<Candidate<'_>>> {
        let mut room = [0; 256];
        let host = host::key(raw, &mut room)?;
        let mut found = Vec::new();
        let (mut decided, mut taken) = (false, false);
        for form in forms(host) {
            let Some((host, places)) = self.hosts.get_key_value(&form) else {
                continue;
            };
            let tried = Tried::of(places.iter().map(|place| (&place.path, &place.when)));
            let long = tried.and_then(|tried| tried.too_long(request.uri.path(), request));
            for place in places {
                let verdict = if decided {
                    Verdict::Covered
                } else if long.is_some() {
                    Verdict::Refused
                } else if !place.path.matches(request.uri.path()) {
                    Verdict::OtherPath
                } else if !place.when.admit(request) {
                    Verdict::Unmet
                } else if taken {
                    Verdict::Later
                } else {
                    taken = true;
                    Verdict::Wins
                };
                let name = &place.name;
                found.push(Candidate {
                    name,
                    host,
                    verdict,
                });
            }
            decided = true;
        }
        Some(found)
    }

    /// Why the proxies refuse the path whatever its route is: it can be read in two ways.
    #[must_use]
    pub fn ambiguity(&self, raw: &str, request: &Parts) -> Option<&'static str> {
        let mut room = [0; 256];
        let host = host::key(raw, &mut room)?;
        let decides = forms(host).iter().find_map(|form| self.hosts.get(form));
        let places = decides.map_or(&[][..], Vec::as_slice);
        let find = |path: &str| {
            let mut places = places.iter();
            places.find(|place| place.path.matches(path) && place.when.admit(request))
        };
        path::ambiguity(request.uri.path(), find, |place| place.path.of())
    }

    /// The route that takes the request.
    #[must_use]
    pub fn find(&self, raw: &str, request: &Parts) -> Option<&str> {
        let all = self.trial(raw, request)?;
        let mut all = all.into_iter();
        all.find(|one| one.verdict == Verdict::Wins)
            .map(|one| one.name)
    }
}

/// The hosts at which a route for this one may stand, the most specific first.
fn forms(host: &str) -> Vec<String> {
    let mut forms = vec![host.to_owned()];
    let dots = host.match_indices('.').map(|(at, _)| at);
    forms.extend(
        dots.filter(|at| *at > 0)
            .map(|at| format!("*{}", &host[at..])),
    );
    forms.push("*".to_owned());
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{Conditions, HeaderTest, PathMatch};

    fn routes() -> BTreeMap<String, Route> {
        let prefix = |path: &str| PathMatch::Prefix(path.to_owned());
        let route = |host: &str, path: PathMatch, when: Conditions| Route {
            host: host.to_owned(),
            path,
            when,
            ..Route::default()
        };
        let any = Conditions::default;
        let post = Conditions {
            methods: ["POST".to_owned()].into(),
            ..any()
        };
        let beta = Conditions {
            headers: [("x-beta".to_owned(), HeaderTest::Present)].into(),
            ..any()
        };
        [
            route("a.example.com", prefix("/"), any()),
            route("a.example.com", prefix("/"), beta),
            route("a.example.com", prefix("/api"), any()),
            route("a.example.com", prefix("/api"), post),
            route("a.example.com", PathMatch::Exact("/api/x".into()), any()),
            route("a.example.com", PathMatch::Regex("/api/.+".into()), any()),
            route("*.example.com", prefix("/"), any()),
            route("*", prefix("/"), any()),
        ]
        .into_iter()
        .map(|route| (route.name(), route))
        .collect()
    }

    fn parts(method: &str, path: &str, header: Option<&str>) -> Parts {
        let mut request = http::Request::builder().method(method).uri(path);
        if let Some(header) = header {
            request = request.header(header, "1");
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_winner_and_the_reasons_of_the_others_are_told() {
        let routes = routes();
        let places = Places::new(&routes);
        let parts = parts("GET", "/api/y", None);
        let verdicts: Vec<(&str, Verdict)> = places
            .trial("A.example.com:80", &parts)
            .unwrap()
            .into_iter()
            .map(|one| (one.name, one.verdict))
            .collect();
        assert_eq!(
            verdicts,
            [
                ("a.example.com=/api/x", Verdict::OtherPath),
                ("a.example.com~/api/.+", Verdict::Wins),
                ("a.example.com/api POST", Verdict::Unmet),
                ("a.example.com/api", Verdict::Later),
                ("a.example.com/ x-beta", Verdict::Unmet),
                ("a.example.com/", Verdict::Later),
                ("*.example.com/", Verdict::Covered),
                ("*/", Verdict::Covered),
            ]
        );
        assert!(places.trial("no host", &parts).is_none());
    }

    #[test]
    fn a_path_with_two_readings_is_told_where_they_lead_to_different_routes() {
        let places = Places::new(&routes());
        let told = |host: &str, path: &str| places.ambiguity(host, &parts("GET", path, None));
        for path in ["//api", "/%61pi", "/api;x", "/a/../b", "/a%2f..%2fb"] {
            assert!(told("a.example.com", path).is_some(), "{path}");
        }
        assert_eq!(told("a.example.com", "/api/y"), None);
        // One route takes both readings.
        assert_eq!(told("b.example.com", "//api"), None);
    }

    #[test]
    fn a_path_too_long_for_expressions_is_taken_by_no_route_of_the_host() {
        let routes = routes();
        let places = Places::new(&routes);
        let long = parts("GET", &format!("/{}", "x".repeat(2000)), None);
        let of_host = places.trial("a.example.com", &long).unwrap();
        assert!(of_host[..6].iter().all(|it| it.verdict == Verdict::Refused));
        assert_eq!(places.find("a.example.com", &long), None);
    }

    #[test]
    fn it_finds_what_the_table_finds() {
        let routes = routes();
        let places = Places::new(&routes);
        let mut assembler = crate::proxy::Assembler::new(1);
        let backend = crate::route::Backend::default();
        assembler.set_backend("b", &backend).unwrap();
        for (name, route) in &routes {
            let target = crate::route::Target {
                backend: "b".to_owned(),
                weight: None,
            };
            let mut route = route.clone();
            route.targets = vec![target];
            assembler.set_route(name, route);
        }
        let table = assembler.build();
        for host in ["a.example.com", "b.example.com", "example.com", "x"] {
            for path in ["/", "/api", "/api/x", "/api/y", "/apix", "/other"] {
                for method in ["GET", "POST"] {
                    for header in [None, Some("x-beta")] {
                        let parts = parts(method, path, header);
                        let found = table.find(host, path, &parts).map(|route| &*route.name);
                        assert_eq!(places.find(host, &parts), found, "{method} {host}{path}");
                    }
                }
            }
        }
    }
}
