//! Every option of Interlock: its type, and what becomes of it.

/// The type of an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A whole number from 0 on.
    Count,
    /// A whole number, as number or text, or `auto`.
    CountOrWord,
    Flag,
    Texts,
    /// A section of texts.
    Labels,
    Section,
}

/// What becomes of an option that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It depends on the value; code sees to it.
    Used,
    /// Nothing needs to be done, for this reason.
    Needless(&'static str),
    /// Someone must look at it: what to do instead.
    Look(&'static str),
}

/// An option by its documented name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub name: &'static str,
    pub kind: Kind,
    pub fate: Fate,
}

/// How to get at a configuration, for a file that is none.
pub(super) const WHERE_IT_IS: &str = "the one in force is the config that the service ucp-interlock mounts as /config.toml; see docs/migrate-from-interlock.md";
/// Where the engine is unless told otherwise.
pub(super) const DEFAULT_ENGINE: &str = "unix:///var/run/docker.sock";
pub(super) const ENGINE: &str = "the operator speaks to the engine of the manager it runs on, through its socket; TLS to an engine is for the command line (DOCKER_HOST, DOCKER_CERT_PATH)";

const CONTROL: &str = "operator and proxies have a control stream of their own";
const EXTENSION_SERVICE: &str =
    "of the extension service; Skep has none, its operator alone computes the routes";
const HITLESS: &str = "routes, endpoints and certificates always change without a restart";
const INNER_PORTS: &str = "ports inside the proxy's container are Skep's own matter";
const NGINX_PROCESS: &str = "of the process or files of nginx or HAProxy; Skep's proxy has its own";
const BUFFERS: &str = "bodies are streamed, and the sizes of headers have fixed limits";
const DH: &str = "keys are agreed on elliptic curves only, which need no parameters";
const ADMIN: &str = "metrics and health are on port 9901 inside the proxies' own network, never published, and need no login";

const fn used(name: &'static str, kind: Kind) -> Known {
    let fate = Fate::Used;
    Known { name, kind, fate }
}

const fn needless(name: &'static str, kind: Kind, why: &'static str) -> Known {
    let fate = Fate::Needless(why);
    Known { name, kind, fate }
}

const fn look(name: &'static str, kind: Kind, why: &'static str) -> Known {
    let fate = Fate::Look(why);
    Known { name, kind, fate }
}

/// The top of the file.
pub(super) const CORE: [Known; 9] = [
    needless("ListenAddr", Kind::Text, CONTROL),
    used("DockerURL", Kind::Text),
    look("TLSCACert", Kind::Text, ENGINE),
    look("TLSCert", Kind::Text, ENGINE),
    look("TLSKey", Kind::Text, ENGINE),
    look("AllowInsecure", Kind::Flag, ENGINE),
    needless(
        "PollInterval",
        Kind::Text,
        "changes are seen by the engine's events, and by polling that adapts itself",
    ),
    needless("EndpointOverride", Kind::Text, CONTROL),
    used("Extensions", Kind::Section),
];

/// `[Extensions.NAME]`.
pub(super) const EXTENSION: [Known; 31] = [
    needless("Image", Kind::Text, EXTENSION_SERVICE),
    needless("Args", Kind::Texts, EXTENSION_SERVICE),
    needless("Labels", Kind::Labels, EXTENSION_SERVICE),
    needless("ContainerLabels", Kind::Labels, EXTENSION_SERVICE),
    needless("Constraints", Kind::Texts, EXTENSION_SERVICE),
    needless("PlacementPreferences", Kind::Texts, EXTENSION_SERVICE),
    needless("ServiceName", Kind::Text, EXTENSION_SERVICE),
    used("Networks", Kind::Texts),
    used("ServiceCluster", Kind::Text),
    used("ProxyImage", Kind::Text),
    look(
        "ProxyArgs",
        Kind::Texts,
        "arguments for another proxy than Skep's; see what they were for",
    ),
    used("ProxyLabels", Kind::Labels),
    used("ProxyContainerLabels", Kind::Labels),
    needless(
        "ProxyServiceName",
        Kind::Text,
        "the proxies' service is named skep-proxy-NAME, so that it can run beside Interlock's; spec.proxy.serviceName can name it otherwise",
    ),
    needless("ProxyConfigPath", Kind::Text, NGINX_PROCESS),
    used("ProxyReplicas", Kind::Count),
    needless(
        "ProxyStopSignal",
        Kind::Text,
        "Skep's proxy drains on the signal that Swarm sends by itself",
    ),
    used("ProxyStopGracePeriod", Kind::Text),
    used("ProxyConstraints", Kind::Texts),
    used("ProxyPlacementPreferences", Kind::Texts),
    used("ProxyUpdateDelay", Kind::Text),
    used("PublishMode", Kind::Text),
    used("PublishedPort", Kind::Count),
    needless("TargetPort", Kind::Count, INNER_PORTS),
    used("PublishedSSLPort", Kind::Count),
    needless("TargetSSLPort", Kind::Count, INNER_PORTS),
    look(
        "Template",
        Kind::Text,
        "there is no file to make from a template; what it changed must become labels of the services (docs/labels.md) or fields of this document (docs/reference.md)",
    ),
    used("Config", Kind::Section),
    needless("HitlessServiceUpdate", Kind::Flag, HITLESS),
    needless("ConfigImage", Kind::Text, HITLESS),
    needless("ConfigServiceName", Kind::Text, HITLESS),
];

/// `[Extensions.NAME.Config]`, of nginx and of HAProxy.
pub(super) const CONFIG: [Known; 39] = [
    needless("Version", Kind::Text, NGINX_PROCESS),
    needless(
        "HTTPVersion",
        Kind::Text,
        "applications are spoken to by HTTP/1.1, or by HTTP/2 where a label says so",
    ),
    needless("User", Kind::Text, NGINX_PROCESS),
    needless("PidPath", Kind::Text, NGINX_PROCESS),
    used("MaxConnections", Kind::Count),
    used("ConnectTimeout", Kind::Count),
    needless(
        "SendTimeout",
        Kind::Count,
        "a connection on which nothing moves ends with traffic.timeouts.idle",
    ),
    used("ReadTimeout", Kind::Count),
    used("ClientTimeout", Kind::Count),
    used("ServerTimeout", Kind::Count),
    look(
        "IPHash",
        Kind::Flag,
        "set the label com.docker.lb.ip_hash=true on each service that needs it",
    ),
    look("AdminUser", Kind::Text, ADMIN),
    look("AdminPass", Kind::Text, ADMIN),
    look(
        "SSLOpts",
        Kind::Text,
        "options of another TLS library; traffic.tls has what can be set",
    ),
    needless("SSLDefaultDHParam", Kind::Count, DH),
    needless("SSLDefaultDHParamPath", Kind::Text, DH),
    used("SSLVerify", Kind::Text),
    used("WorkerProcesses", Kind::CountOrWord),
    needless(
        "RLimitNoFile",
        Kind::Count,
        "the engine's limit of open files holds; traffic.maxConnections needs about two for each",
    ),
    used("SSLCiphers", Kind::Text),
    used("SSLProtocols", Kind::Text),
    used("HideInfoHeaders", Kind::Flag),
    used("KeepaliveTimeout", Kind::Text),
    used("ClientMaxBodySize", Kind::Text),
    needless("ClientBodyBufferSize", Kind::Text, BUFFERS),
    needless("ClientHeaderBufferSize", Kind::Text, BUFFERS),
    needless("LargeClientHeaderBuffers", Kind::Text, BUFFERS),
    needless(
        "ClientBodyTimeout",
        Kind::Text,
        "a connection on which nothing moves ends with traffic.timeouts.idle",
    ),
    needless(
        "UnderscoresInHeaders",
        Kind::Flag,
        "headers with underscores are forwarded as they are",
    ),
    needless(
        "ServerNamesHashBucketSize",
        Kind::Count,
        "tables grow by themselves",
    ),
    needless("UpstreamZoneSize", Kind::Count, "tables grow by themselves"),
    used("GlobalOptions", Kind::Texts),
    used("HTTPOptions", Kind::Texts),
    used("TCPOptions", Kind::Texts),
    used("DefaultOptions", Kind::Texts),
    used("AccessLogPath", Kind::Text),
    needless(
        "ErrorLogPath",
        Kind::Text,
        "everything but the access log goes to standard error",
    ),
    used("MainLogFormat", Kind::Text),
    needless(
        "TraceLogFormat",
        Kind::Text,
        "the access log has the request id and the times in each line",
    ),
];

/// Lists of raw lines, in the order of the documentation.
pub(super) const RAW_LISTS: [&str; 4] = [
    "GlobalOptions",
    "HTTPOptions",
    "TCPOptions",
    "DefaultOptions",
];

/// The option of a name, in any letter case as Interlock takes it.
pub(super) fn find(known: &'static [Known], name: &str) -> Option<&'static Known> {
    known
        .iter()
        .find(|option| option.name.eq_ignore_ascii_case(name))
}

/// Where an option belongs that stands in the table of others.
pub(super) fn home(here: &'static [Known], name: &str) -> Option<&'static str> {
    let within = |table: &'static [Known]| find(table, name).is_some();
    if within(&CORE) {
        Some("it belongs to the top of the file, above the first section")
    } else if within(&EXTENSION) {
        if here[0].name == CORE[0].name {
            Some("it belongs into a section [Extensions.NAME]")
        } else {
            Some(
                "it belongs above the first section of its extension, right below [Extensions.NAME]",
            )
        }
    } else if within(&CONFIG) {
        Some("it belongs into the section [Extensions.NAME.Config]")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_option_is_listed_twice() {
        for table in [&CORE[..], &EXTENSION[..], &CONFIG[..]] {
            for (n, option) in table.iter().enumerate() {
                assert_eq!(find(&table[..n], option.name), None, "{}", option.name);
            }
        }
    }
}
