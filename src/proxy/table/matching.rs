//! Whether a request is one of a route's: its path, method and headers.

use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};

use crate::api::expression::Expression;
use crate::route::{Conditions, HeaderTest, PathMatch};

/// A path match ready for use.
#[derive(Debug)]
pub struct LivePath {
    path: PathMatch,
    expression: Option<Expression>,
}

impl PartialEq for LivePath {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl LivePath {
    /// `None`: the expression cannot be compiled; what came over the wire was checked.
    pub(super) fn compile(path: &PathMatch) -> Option<Self> {
        let expression = match path {
            PathMatch::Regex(pattern) => Some(Expression::new(pattern).ok()?),
            PathMatch::Prefix(_) | PathMatch::Exact(_) => None,
        };
        Some(Self {
            path: path.clone(),
            expression,
        })
    }

    /// What it was made from.
    #[must_use]
    pub fn of(&self) -> &PathMatch {
        &self.path
    }

    /// Whether a path is meant: below the prefix on segment borders, equal, or as expressed.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match &self.path {
            PathMatch::Prefix(prefix) => {
                prefix == "/"
                    || path
                        .strip_prefix(prefix.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            PathMatch::Exact(exact) => exact == path,
            PathMatch::Regex(_) => {
                (self.expression.as_ref()).is_some_and(|it| it.matches(path.as_bytes()))
            }
        }
    }

    /// Whether it is an expression.
    pub(super) fn is_expression(&self) -> bool {
        self.expression.is_some()
    }

    /// Exact paths, then expressions, then prefixes; longer ones first.
    pub(super) fn precedence(&self) -> (u8, std::cmp::Reverse<usize>, &str) {
        let kind = match &self.path {
            PathMatch::Exact(_) => 0,
            PathMatch::Regex(_) => 1,
            PathMatch::Prefix(_) => 2,
        };
        let text = self.path.text();
        (kind, std::cmp::Reverse(text.len()), text)
    }
}

/// Conditions ready for use.
#[derive(Debug)]
pub(super) struct LiveConditions {
    of: Conditions,
    methods: Box<[Method]>,
    headers: Box<[(HeaderName, LiveTest)]>,
}

#[derive(Debug)]
enum LiveTest {
    Present,
    Exact(Box<[u8]>),
    Expression(Expression),
}

impl LiveConditions {
    /// `None`: something in it cannot be used; what came over the wire was checked.
    pub(super) fn compile(when: &Conditions) -> Option<Self> {
        let method = |text: &String| Method::from_bytes(text.as_bytes()).ok();
        let header = |(name, test): (&String, &HeaderTest)| {
            let test = match test {
                HeaderTest::Present => LiveTest::Present,
                HeaderTest::Exact(value) => LiveTest::Exact(value.as_bytes().into()),
                HeaderTest::Regex(pattern) => LiveTest::Expression(Expression::new(pattern).ok()?),
            };
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, test))
        };
        Some(Self {
            of: when.clone(),
            methods: when.methods.iter().map(method).collect::<Option<_>>()?,
            headers: when.headers.iter().map(header).collect::<Option<_>>()?,
        })
    }

    pub(super) fn of(&self) -> &Conditions {
        &self.of
    }

    /// The headers that are tried against expressions.
    pub(super) fn tried(&self) -> impl Iterator<Item = &HeaderName> {
        let headers = self.headers.iter();
        let tried = headers.filter(|(_, test)| matches!(test, LiveTest::Expression(_)));
        tried.map(|(name, _)| name)
    }

    pub(super) fn admit(&self, request: &Parts) -> bool {
        (self.methods.is_empty() || self.methods.contains(&request.method))
            && (self.headers.iter()).all(|(name, test)| test.holds(&request.headers, name))
    }

    /// Those with a method first, then those with more headers; then in a fixed order.
    pub(super) fn precedence(&self) -> (bool, std::cmp::Reverse<usize>, &Conditions) {
        let headers = std::cmp::Reverse(self.headers.len());
        (self.methods.is_empty(), headers, &self.of)
    }
}

impl LiveTest {
    fn holds(&self, headers: &HeaderMap, name: &HeaderName) -> bool {
        let mut values = headers.get_all(name).iter();
        match self {
            Self::Present => values.next().is_some(),
            Self::Exact(wanted) => values.any(|value| value.as_bytes() == &**wanted),
            Self::Expression(wanted) => values.any(|value| wanted.matches(value.as_bytes())),
        }
    }
}
