//! The invariants of the house that are an absence in its source.

use consigne_tests::source;

/// Some words, and the only places that may say them (a path that ends in `/` or `*` stands for all that begins so).
struct Absence {
    words: &'static [&'static str],
    homes: &'static [&'static str],
    because: &'static str,
}

const ABSENCES: &[Absence] = &[
    Absence {
        words: &["SystemTime::now", "now_utc()", "Utc::now", "Instant::now"],
        homes: &["api/foundation/src/clock.rs", "api/gateway/src/telemetry*"],
        because: "only the clock reads the time",
    },
    Absence {
        words: &["env::var", "env::vars"],
        homes: &["api/gateway/src/config*"],
        because: "only gateway::config reads the environment",
    },
    Absence {
        words: &["reqwest::Client", "Client::builder", "ClientBuilder", "TcpStream::connect", "UdpSocket::"],
        homes: &["plugins/sdk/src/egress*", "api/gateway/src/commands/client.rs"],
        because: "only sdk::Egress opens an outbound connection, and the client of our own API in a terminal",
    },
    Absence {
        words: &["new_v4", "getrandom::", "thread_rng", "OsRng"],
        homes: &["api/foundation/src/id.rs", "api/foundation/src/vault*"],
        because: "only foundation::id and the vault make randomness",
    },
    Absence {
        words: &["println!", "eprintln!", "print!(", "eprint!("],
        homes: &["api/gateway/src/main.rs", "api/gateway/src/commands*", "plugins/fastembed/src/bin/"],
        because: "the product speaks through tracing; only a command speaks to a terminal",
    },
    Absence {
        words: &["use sea_orm", "sea_orm::Data", "DatabaseConnection", "DatabaseTransaction"],
        homes: &[
            "api/foundation/",
            "api/assistant/",
            "migrations/",
            "api/gateway/src/app*",
            "api/gateway/src/commands*",
        ],
        because: "a resolver has services that take a scope, never a connection",
    },
];

#[test]
fn each_power_has_one_home() {
    let mut strays = Vec::new();
    for file in source::product() {
        for absence in ABSENCES.iter().filter(|absence| !absence.homes.iter().any(|home| is_in(&file.path, home))) {
            for (number, line) in file.product_lines() {
                if let Some(word) = absence.words.iter().find(|word| line.contains(**word)) {
                    strays.push(format!("{}:{number} says {word}: {}", file.path, absence.because));
                }
            }
        }
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

fn is_in(path: &str, home: &str) -> bool {
    path.starts_with(home.trim_end_matches('*')) && (home.ends_with(['*', '/']) || path == home)
}

/// The registries are the machine's business: a mirror or a folder of packages has to do as well.
#[test]
fn nothing_names_a_host_of_a_registry() {
    let hosts = ["pypi|.org", "pythonhosted|.org", "npmjs|.org", "npmjs|.com", "deb.|debian.org", "static.|crates.io"];
    let hosts = hosts.map(|host| host.replace('|', ""));
    let everything =
        source::files(&["."], &[".rs", ".toml", ".py", ".md", ".sql", ".graphql", ".lock", "Makefile", "/run"])
            .into_iter()
            .chain(source::files(&["scripts", ".ci", ".cargo"], &[""]));
    for file in everything {
        for host in &hosts {
            assert!(!file.text.contains(host.as_str()), "{} names {host}", file.path);
        }
    }
}

/// A file is one idea; beyond 400 lines look for the second, and at 600 it has been there for a while.
#[test]
fn no_file_holds_two_ideas() {
    let long: Vec<String> = source::files(&["api", "plugins", "migrations", "tests"], &[".rs"])
        .iter()
        .map(|file| (file.path.clone(), file.text.lines().count()))
        .filter(|(_, lines)| *lines > 600)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}
