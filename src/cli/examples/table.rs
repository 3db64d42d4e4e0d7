//! The examples themselves.

/// A verb, several words for one below another, none for the program, and how it is used.
pub(super) const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "skep apply -f east.yaml --wait",
            "skep routes --explain https://shop.example.com/cart",
        ],
    ),
    (
        "install",
        &[
            "skep install --image registry.example.com/skep:0.1.0",
            "skep install --dry-run > stack.yml",
        ],
    ),
    (
        "uninstall",
        &[
            "skep uninstall --keep-clusters",
            "skep uninstall --delete-clusters --timeout 5m",
        ],
    ),
    (
        "apply",
        &[
            "skep apply -f east.yaml --wait",
            "skep apply -f clusters/ --set shop --prune --dry-run",
        ],
    ),
    (
        "diff",
        &[
            "skep diff -f east.yaml",
            "skep diff -f clusters/ --set shop --prune",
        ],
    ),
    (
        "edit",
        &["EDITOR=nano skep edit east", "skep edit source/shop"],
    ),
    (
        "rollout",
        &["skep rollout status east", "skep rollout restart east"],
    ),
    (
        "rollout status",
        &[
            "skep rollout status east",
            "skep rollout status east west --timeout 5m",
        ],
    ),
    (
        "rollout restart",
        &[
            "skep rollout restart east",
            "skep rollout restart east --wait --timeout 5m",
        ],
    ),
    (
        "rollout history",
        &[
            "skep rollout history east",
            "skep rollout history sc/east -o json",
        ],
    ),
    (
        "rollout undo",
        &[
            "skep rollout undo east",
            "skep rollout undo sc/east --to-revision 3",
        ],
    ),
    (
        "history",
        &["skep history east -o json", "skep history source/shop"],
    ),
    (
        "rollback",
        &[
            "skep rollback east --to 3 --dry-run",
            "skep rollback source/shop",
        ],
    ),
    (
        "get",
        &[
            "skep get -l team=web --sort-by .metadata.creationTimestamp",
            r#"skep get east -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}'"#,
            "skep get -o custom-columns=NAME:.metadata.name,ROUTES:.status.routes.total",
            "skep get sources --watch",
            "skep get all",
            "skep get east -o yaml --api-version v1alpha1",
        ],
    ),
    ("describe", &["skep describe east", "skep describe"]),
    (
        "delete",
        &[
            "skep delete east --wait",
            "skep delete -f clusters/",
            "skep delete east --force-conflicts",
        ],
    ),
    (
        "wait",
        &[
            "skep wait east --for=condition=Ready --timeout=90s",
            "skep wait east west --for=delete",
            "skep wait source/shop --for=condition=Ready",
        ],
    ),
    (
        "routes",
        &["skep routes east -o wide", "skep routes -o json"],
    ),
    (
        "events",
        &[
            "skep events east --since 1h",
            "skep events --watch -o json",
            "skep events source/shop",
        ],
    ),
    (
        "logs",
        &[
            "skep logs east --follow --status 5xx --path /api",
            "skep logs east --since 10m --for-host demo.example.com --min-ms 500 -o json",
        ],
    ),
    (
        "top",
        &["skep top", "skep top east --by route --interval 5s"],
    ),
    (
        "support-bundle",
        &[
            "skep support-bundle",
            "skep support-bundle -o east.tar.gz --tail 2000",
            "skep support-bundle -o - | ssh helper 'cat > bundle.tar.gz'",
        ],
    ),
    (
        "explain",
        &[
            "skep explain spec.proxy.publish.mode",
            "skep explain status --recursive",
        ],
    ),
    (
        "init",
        &[
            "skep init east",
            "skep init shop -o clusters/shop.yaml",
            "skep init east --force",
        ],
    ),
    ("doctor", &["skep doctor", "skep doctor -o json"]),
    (
        "sync",
        &["skep sync shop", "skep sync shop --wait --timeout 5m"],
    ),
    (
        "source",
        &[
            "skep source auth shop --password-file token",
            "skep source hook shop --secret-file secret",
        ],
    ),
    (
        "source auth",
        &[
            "skep source auth shop --username ci --password-file token",
            "skep source auth shop --remove",
        ],
    ),
    (
        "source hook",
        &[
            "skep source hook shop --secret-file secret",
            "skep source hook shop --remove",
        ],
    ),
    (
        "certs",
        &[
            "skep certs add shop --cert fullchain.pem --key key.pem",
            "skep certs ls",
        ],
    ),
    (
        "certs add",
        &[
            "skep certs add shop --cert fullchain.pem --key key.pem",
            "skep certs add shop --cert shop.pem --key shop.pem --dry-run",
        ],
    ),
    ("certs ls", &["skep certs ls", "skep certs ls shop -o json"]),
    (
        "certs rm",
        &[
            "skep certs rm shop",
            "skep certs rm shop --ignore-not-found",
        ],
    ),
    (
        "validate",
        &[
            "skep validate -f clusters/",
            "cat east.yaml | skep validate -f -",
        ],
    ),
    (
        "convert",
        &[
            "skep convert interlock config.toml -o clusters.yaml",
            "skep convert manifest -f east.yaml --to v1",
        ],
    ),
    (
        "convert manifest",
        &[
            "skep convert manifest -f east.yaml",
            "skep convert manifest -f clusters/ --to v1 -o clusters.yaml --force",
        ],
    ),
    (
        "convert interlock",
        &[
            "skep convert interlock config.toml -o clusters.yaml",
            "cat config.toml | skep convert interlock -",
        ],
    ),
    (
        "schema",
        &["skep schema > service-cluster.json", "skep schema source"],
    ),
    (
        "operator",
        &[
            "skep operator --image registry.example.com/skep:0.1.0",
            "skep operator --settle 5s --log info,skep::plan=debug",
        ],
    ),
    (
        "proxy",
        &[
            "skep proxy --cluster east --task 1",
            "skep proxy --cluster east --task 1 --http-listen 127.0.0.1:8080 --state state",
        ],
    ),
    (
        "version",
        &["skep version", "skep version --client -o json"],
    ),
    (
        "completion",
        &[
            "skep completion bash > /etc/bash_completion.d/skep",
            "skep completion fish > ~/.config/fish/completions/skep.fish",
        ],
    ),
];
