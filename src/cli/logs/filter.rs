//! Which requests are shown.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;

use super::record::Record;

/// Filters of an access log; each that is given must hold.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Requests")]
pub struct Filter {
    /// Host, or *.example.com for all below it
    #[arg(long = "for-host", visible_alias = "hostname", value_name = "HOST")]
    pub site: Option<String>,
    /// Status: 404, 5xx, 400-499, or several with commas between
    #[arg(long, value_name = "STATUS")]
    pub status: Option<Statuses>,
    /// Path and all below it
    #[arg(long, value_name = "PREFIX")]
    pub path: Option<String>,
    /// Method
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// Application service (the text form of the access log does not name it)
    #[arg(long, value_name = "SERVICE", add = crate::cli::complete::services())]
    pub service: Option<String>,
    /// Address of the client, or a network such as 10.0.0.0/16
    #[arg(long, value_name = "ADDRESS")]
    pub client: Option<Clients>,
    /// Only requests that took at least so many milliseconds
    #[arg(long, value_name = "MS")]
    pub min_ms: Option<f64>,
    /// Why a proxy answered itself, e.g. NoRoute
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
}

/// Ranges of status codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

impl FromStr for Statuses {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let ranges: Option<Vec<_>> = written.split(',').map(|part| range(part.trim())).collect();
        ranges.map(Self).ok_or_else(|| {
            format!("`{written}` is no status: write 404, 5xx, 400-499, or several with commas")
        })
    }
}

fn range(part: &str) -> Option<RangeInclusive<u16>> {
    let code = |text: &str| {
        let code: u16 = text.parse().ok()?;
        (100..=599).contains(&code).then_some(code)
    };
    if let Some(class) = part.strip_suffix("xx") {
        let class = code(&format!("{class}00"))?;
        return Some(class..=class + 99);
    }
    if let Some((from, to)) = part.split_once('-') {
        let (from, to) = (code(from)?, code(to)?);
        return (from <= to).then_some(from..=to);
    }
    code(part).map(|code| code..=code)
}

/// The addresses of one client, or of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clients(IpNet);

impl FromStr for Clients {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let address = written.parse::<IpAddr>().map(IpNet::from);
        let network = || written.parse::<IpNet>().ok();
        address.ok().or_else(network).map(Self).ok_or_else(|| {
            format!("`{written}` is no address: write 10.0.0.9, 2001:db8::1 or a network such as 10.0.0.0/16")
        })
    }
}

impl Clients {
    fn hold(&self, client: &str) -> bool {
        let client = client.parse::<IpAddr>();
        client.is_ok_and(|client| self.0.contains(&client.to_canonical()))
    }
}

impl Filter {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            site,
            status,
            path,
            method,
            service,
            client,
            min_ms,
            reason,
        } = self;
        status.is_none()
            && min_ms.is_none()
            && client.is_none()
            && [site, path, method, service, reason]
                .iter()
                .all(|text| text.is_none())
    }

    /// Whether a request is as asked.
    #[must_use]
    pub fn admits(&self, record: &Record) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        self.site.as_ref().is_none_or(|site| of_site(site, record))
            && self.status.as_ref().is_none_or(|statuses| {
                statuses
                    .0
                    .iter()
                    .any(|range| range.contains(&record.status))
            })
            && self
                .path
                .as_ref()
                .is_none_or(|prefix| below(prefix, record))
            && self
                .method
                .as_ref()
                .is_none_or(|method| method.eq_ignore_ascii_case(&record.method))
            && is(&self.service, &record.backend)
            && self
                .client
                .is_none_or(|clients| clients.hold(&record.client))
            && is(&self.reason, &record.reason)
            && self.min_ms.is_none_or(|least| record.duration_ms >= least)
    }
}

fn of_site(site: &str, record: &Record) -> bool {
    let (site, host) = (site.to_ascii_lowercase(), record.plain_host());
    match site.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => host == site,
    }
}

/// On segment borders, as routes do.
fn below(prefix: &str, record: &Record) -> bool {
    let prefix = prefix.trim_end_matches('/');
    record
        .plain_path()
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            host: "shop.example.com:8080".into(),
            path: "/cart/1?x=/other".into(),
            method: "GET".into(),
            status: 503,
            duration_ms: 12.5,
            backend: "shop".into(),
            client: "10.0.0.9".into(),
            reason: "NoEndpoints".into(),
            ..Record::default()
        }
    }

    fn admits(words: &[&str]) -> bool {
        use clap::Parser;
        #[derive(Parser)]
        struct Wrap {
            #[command(flatten)]
            filter: Filter,
        }
        let filter = Wrap::parse_from(["logs"].iter().chain(words)).filter;
        assert_eq!(filter.is_empty(), words.is_empty());
        filter.admits(&record())
    }

    #[test]
    fn every_filter_takes_what_it_means_and_nothing_else() {
        assert!(admits(&[]));
        for (holds, fails) in [
            ("--for-host=shop.example.com", "--for-host=example.com"),
            ("--for-host=*.example.com", "--for-host=*.shop.example.com"),
            ("--status=5xx", "--status=4xx"),
            ("--status=404,500-599", "--status=500"),
            ("--path=/cart", "--path=/car"),
            ("--path=/", "--path=/other"),
            ("--method=get", "--method=POST"),
            ("--service=shop", "--service=other"),
            ("--client=10.0.0.9", "--client=10.0.0.8"),
            ("--client=10.0.0.0/16", "--client=10.99.0.0/16"),
            ("--client=10.0.0.9/8", "--client=fd00::/8"),
            ("--min-ms=12.5", "--min-ms=13"),
            ("--reason=NoEndpoints", "--reason=NoRoute"),
        ] {
            assert!(admits(&[holds]), "{holds}");
            assert!(!admits(&[fails]), "{fails}");
        }
        assert!(admits(&["--status=5xx", "--path=/cart"]));
        assert!(!admits(&["--status=5xx", "--path=/other"]));
    }

    #[test]
    fn a_bad_status_is_told() {
        for bad in ["", "6xx", "abc", "500-400", "99", "4xx,"] {
            assert!(bad.parse::<Statuses>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_client_that_is_no_address_is_told() {
        for bad in ["", "bogus", "10.0.0", "10.0.0.0/33", "10.0.0.9:80"] {
            assert!(bad.parse::<Clients>().is_err(), "{bad}");
        }
    }
}
