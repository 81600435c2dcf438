//! The YAML of the documentation loads.

use std::collections::BTreeMap;
use std::path::Path;

use sidegate::config::Config;
use sidegate::config::Environment;
use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;
use yaml_rust2::Yaml;
use yaml_rust2::YamlEmitter;
use yaml_rust2::YamlLoader;
use yaml_rust2::yaml::Hash;

use super::blocks::Block;
use super::blocks::blocks;
use super::other;
use crate::support::tell;

#[test]
fn the_yaml_of_every_page_loads() {
    let folder = tempfile::tempdir().expect("a folder");
    furnish(folder.path());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut total = 0;
    for block in blocks() {
        if block.language != "yaml" {
            continue;
        }
        total += 1;
        let note = block.note.as_deref().unwrap_or_default();
        let (word, rest) = note.split_once(' ').unwrap_or((note, ""));
        let kind = match word {
            "" => loads(&block, &completed(&block), folder.path(), None),
            "warns" => loads(&block, &completed(&block), folder.path(), Some(rest)),
            "file" => {
                let risks = rest.split_once(" warns ").map(|(_, risks)| risks);
                loads(&block, &block.text, folder.path(), risks)
            }
            "not-before" => {
                private(&folder.path().join("endings.yaml"), &block.text);
                let text = LEAST.replace("session:\n", "session:\n  not_before: endings.yaml\n");
                loads(&block, &text, folder.path(), None);
                "lists of endings that are read"
            }
            "from" => other::stands_in(&block, rest),
            "other" => {
                let known = ["Traefik, Envoy, Kubernetes", "Kubernetes", "Helm"];
                assert!(known.contains(&rest), "{}: {rest}", block.place);
                parse(&block);
                "of other programs, well-formed"
            }
            _ => panic!("{}: unknown note {note:?}", block.place),
        };
        *counts.entry(kind).or_default() += 1;
    }
    assert_eq!(counts.values().sum::<usize>(), total);
    assert!(counts[LOADED] >= 5, "{counts:?}");
    tell(&format!("YAML: {total} blocks; {counts:?}"));
}

/// Loads a configuration by the real resolver; says what it was.
fn loads(block: &Block, text: &str, folder: &Path, risks: Option<&str>) -> &'static str {
    // Where others show secrets to a service.
    let text = &text
        .replace("/run/credentials/sidegate.service/", "")
        .replace("/run/secrets/sidegate/", "");
    let loaded = Config::from_text("page.yaml", text, folder, &Environment::default());
    let place = &block.place;
    let loaded = loaded.unwrap_or_else(|problems| panic!("{place}:\n{problems}\n{text}"));
    let warned: Vec<_> = loaded.warnings.iter().map(|w| w.risk.as_str()).collect();
    assert_eq!(
        warned.join(" "),
        risks.unwrap_or_default(),
        "{place}\n{text}"
    );
    LOADED
}

const LOADED: &str = "loaded by the resolver";

/// A part of a configuration, with what it leaves out.
fn completed(block: &Block) -> String {
    let part = parse(block);
    let Yaml::Hash(part) = part else {
        panic!("{}: no mapping", block.place)
    };
    let tenants = part.contains_key(&key("tenants"));
    let public = part
        .get(&key("marketing_cloud"))
        .is_some_and(|package| package["client_type"].as_str() == Some("public"));
    let Yaml::Hash(mut whole) = read(LEAST, "the least") else {
        panic!("a mapping")
    };
    if tenants {
        for name in ["public_url", "marketing_cloud", "routes"] {
            whole.remove(&key(name));
        }
    }
    if public && let Some(Yaml::Hash(package)) = whole.get_mut(&key("marketing_cloud")) {
        package.remove(&key("client_secret"));
    }
    merge(&mut whole, part);
    let mut text = String::new();
    let mut emitter = YamlEmitter::new(&mut text);
    emitter.dump(&Yaml::Hash(whole)).expect("a string");
    text
}

/// Mappings become one, and of everything else the part counts.
fn merge(whole: &mut Hash, part: Hash) {
    for (name, value) in part {
        match (whole.get_mut(&name), value) {
            (Some(Yaml::Hash(there)), Yaml::Hash(more)) => merge(there, more),
            (_, value) => {
                whole.insert(name, value);
            }
        }
    }
}

fn parse(block: &Block) -> Yaml {
    read(&block.text, &block.place)
}

fn read(text: &str, place: &str) -> Yaml {
    let documents = YamlLoader::load_from_str(text);
    let documents = documents.unwrap_or_else(|error| panic!("{place}: {error}\n{text}"));
    let [document] = documents.as_slice() else {
        panic!("{place}: not one document")
    };
    document.clone()
}

fn key(name: &str) -> Yaml {
    Yaml::String(name.to_owned())
}

/// The files that examples name.
fn furnish(folder: &Path) {
    let key = || MasterKey::generate(&OsEntropy).to_text().to_string();
    for name in ["session-key", "old-session-key"] {
        private(&folder.join(name), &key());
    }
    for name in ["client-secret", "next-client-secret", "jwt-signing-secret"] {
        private(&folder.join(name), "a-secret-of-the-examples");
    }
    let logo = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1 1\"/>";
    private(&folder.join("logo.svg"), logo);
    private(&folder.join("redis-password"), "another-secret");
    private(&folder.join("otlp-headers"), "authorization=Bearer%20x");
    private(&folder.join("revoked.yaml"), "");
}

/// Writes a file that only we may read.
fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::write(path, text).expect("written");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, mode).expect("ours");
}

const LEAST: &str = "\
public_url: https://tool.example.com
marketing_cloud:
  subdomain: mc563885gzs27c5t9-63k636ttgm
  client_id: vqwyswrlzzfk024ivr682esb
  client_secret: { file: client-secret }
session:
  keys: [{ file: session-key }]
routes:
  - { path: /mc/rest/, to: rest }
  - { path: /, to: \"http://127.0.0.1:3000\" }
";
