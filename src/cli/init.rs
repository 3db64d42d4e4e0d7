//! `skep init`: a commented manifest to begin with.

use std::path::PathBuf;

use super::error::Result;
use super::terminal::Terminal;
use super::written;
use crate::api::grammar;

/// Where the schema is published; editors with the YAML language server read it from there.
const SCHEMA: &str = crate::api::schema::ID;

/// `init`.
#[derive(Clone, Debug, clap::Args)]
pub struct InitArgs {
    /// Name of the service cluster
    #[arg(value_name = "NAME", default_value = "east", value_parser = name)]
    pub name: String,
    /// Where it goes; - is standard output [default: NAME.yaml]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite a file that is there
    #[arg(long)]
    pub force: bool,
    /// Schema for editors: an address, or a file that `skep schema` wrote
    #[arg(long, value_name = "URL", default_value = SCHEMA)]
    pub schema: String,
}

fn name(text: &str) -> std::result::Result<String, String> {
    grammar::cluster_name(text).map(|()| text.to_owned())
}

/// Writes the manifest; a file that is there stays as it is, unless it is forced.
pub fn run(terminal: Terminal, args: &InitArgs) -> Result {
    let text = manifest(&args.name, &args.schema);
    let path = match &args.output {
        Some(path) if path.as_os_str() == "-" => return terminal.data(&text),
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{}.yaml", args.name)),
    };
    let shown = path.display();
    written::write(&path, &text, args.force)?;
    terminal.done(&format!(
        "{shown} written; edit it, then `skep apply -f {shown} --wait`"
    ))
}

/// The manifest. A test holds that it is valid and that its comments name fields that exist.
fn manifest(name: &str, schema: &str) -> String {
    format!(
        "\
# yaml-language-server: $schema={schema}
# A service cluster: a fleet of proxies that routes one set of Swarm services.
# Every field: skep explain spec --recursive
apiVersion: skep.dev/v1
kind: ServiceCluster
metadata:
  name: {name}
spec:
  # Takes the services that name no cluster. One cluster of a Swarm may.
  default: false
  # The overlays over which the proxies reach the services.
  # Left out: those of the services that are routed here.
  networks:
    - name: {name}net
      create: {{}}                 # made if it is missing
  placement:
    # Nodes that get the labels below. Left out: labels only constrain.
    # nodes: [node-0, node-1]
    # labels: {{region: {name}}}
    constraints: []
  proxy:
    mode: replicated             # or global: one on each matching node
    replicas: 1
    publish:
      mode: host                 # or ingress (the routing mesh), or none
      http: 80
      https: 443
    # resources:
    #   limits: {{cpus: \"1\", memory: 256Mi}}
  traffic:
    timeouts: {{request: 60s}}
    redirectHttpToHttps: false
    accessLog: {{enabled: true, format: json}}
  # Who may be routed here. Left out: every service that names this cluster.
  # admission:
  #   hosts: [\"*.{name}.example.com\"]
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::parse::manifests;

    #[test]
    fn the_manifest_is_valid_and_names_its_schema() {
        let text = manifest("west-2", SCHEMA);
        let parsed = manifests("west-2.yaml", &text);
        assert_eq!(parsed.faults, []);
        assert_eq!(parsed.clusters[0].metadata.name, "west-2");
        assert!(text.starts_with("# yaml-language-server: $schema=https://"));
    }

    #[test]
    fn what_stands_in_comments_is_valid_too() {
        let fields = [
            "nodes:",
            "labels:",
            "resources:",
            "  limits:",
            "admission:",
            "  hosts:",
        ];
        let text = manifest("east", SCHEMA);
        let open: String = text
            .lines()
            .map(|line| {
                let comment = line.trim_start().strip_prefix("# ").unwrap_or_default();
                let is_field = fields.iter().any(|field| comment.starts_with(field));
                if is_field {
                    line.replacen("# ", "", 1)
                } else {
                    line.to_owned()
                }
            })
            .flat_map(|line| [line, "\n".to_owned()])
            .collect();
        let parsed = manifests("east.yaml", &open);
        assert_eq!(parsed.faults, []);
        let spec = &parsed.clusters[0].spec;
        assert!(spec.placement.nodes.is_some() && !spec.admission.hosts.is_empty());
        assert!(spec.proxy.resources.limits.memory.is_some());
    }
}
