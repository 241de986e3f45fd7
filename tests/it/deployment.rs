//! What is shipped beside the program: the container's recipe and the composition are read and held to their rules.

use crate::support::source::root;
use grantor::config::settings;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn the_image_is_built_in_stages_and_runs_without_rights() {
    let dockerfile = read("Dockerfile");
    let stages: Vec<_> = instructions(&dockerfile, "FROM").collect();
    assert!(stages.len() >= 2, "the compiler stays out of the image");
    for stage in &stages {
        let image = stage.split_whitespace().next().expect("an image");
        assert!(
            image.contains(':') && !image.ends_with(":latest"),
            "{image} names no version"
        );
    }
    let last = &dockerfile[dockerfile.rfind("\nFROM").expect("a last stage")..];
    let user = instructions(last, "USER")
        .last()
        .expect("the last stage names its user");
    let id: u32 = user
        .split(':')
        .next()
        .unwrap_or("")
        .parse()
        .expect("by number, so that a cluster can check it");
    assert_ne!(id, 0, "not root");
    assert!(instructions(last, "COPY").all(|copy| copy.starts_with("--from=build")));
    assert!(
        instructions(last, "RUN").next().is_none(),
        "nothing is installed in the image"
    );
    assert!(instructions(last, "HEALTHCHECK").any(|check| check.contains("health")));
    for variable in instructions(&dockerfile, "ENV").chain(instructions(&dockerfile, "ARG")) {
        assert!(!is_secret(variable.split('=').next().unwrap_or("")), "{variable}");
    }
    let ignored = read(".dockerignore");
    for private in [".git", "data", "secrets", "target"] {
        assert!(
            ignored.lines().any(|line| line == private),
            "{private} must not reach the build"
        );
    }
}

#[test]
fn every_service_is_confined_and_watched() {
    let text = read("docker-compose.yml");
    let compose = Yaml::parse(&text);
    let services = compose.keys("services");
    assert_eq!(services, BTreeSet::from(["grantor", "postgres", "valkey"]));
    for service in services {
        let of = |name: &str| compose.values(&format!("services.{service}.{name}"));
        assert!(
            !of("healthcheck.test").is_empty(),
            "{service} has no health check"
        );
        assert_eq!(
            of("read_only"),
            ["true"],
            "{service} writes to its root file system"
        );
        assert_eq!(of("security_opt"), ["no-new-privileges:true"], "{service}");
        assert_eq!(of("restart"), ["unless-stopped"], "{service}");
        assert!(
            of("privileged").is_empty() && of("network_mode").is_empty(),
            "{service}"
        );
        for image in of("image") {
            assert!(
                image.contains(':') && !image.ends_with(":latest"),
                "{image} names no version"
            );
        }
        for port in of("ports") {
            assert!(
                port.starts_with("127.0.0.1:"),
                "{service} is open to the network: {port}"
            );
        }
        assert!(
            service == "grantor" || of("ports").is_empty(),
            "{service} is for grantor alone"
        );
    }
    assert_eq!(compose.values("services.grantor.cap_drop"), ["ALL"]);
    assert_ne!(compose.values("services.grantor.user"), ["0:0"]);
    assert!(!compose.values("services.grantor.user").is_empty());
    assert_eq!(compose.values("networks.storage.internal"), ["true"]);
}

#[test]
fn secrets_come_from_files_that_a_script_makes() {
    let text = read("docker-compose.yml");
    let compose = Yaml::parse(&text);
    let script = read("scripts/compose-secrets");
    let declared = compose.keys("secrets");
    let mut used = BTreeSet::new();
    for service in compose.keys("services") {
        for name in compose.keys(&format!("services.{service}.environment")) {
            assert!(
                !is_secret(name),
                "{service}: {name} stands in the environment; use {name}_FILE"
            );
        }
        used.extend(compose.values(&format!("services.{service}.secrets")));
    }
    assert_eq!(used, declared);
    for secret in declared {
        let file = format!("./secrets/{secret}");
        assert_eq!(compose.values(&format!("secrets.{secret}.file")), [file.as_str()]);
        assert!(
            script.contains(&format!("keep {secret}\n")),
            "scripts/compose-secrets does not make {secret}"
        );
    }
    assert!(read(".gitignore").lines().any(|line| line == "/secrets"));
}

#[test]
fn replicas_share_their_limits() {
    let main = read("docker-compose.yml");
    let over = read("docker-compose.replicas.yml");
    let (main, over) = (Yaml::parse(&main), Yaml::parse(&over));
    assert_eq!(main.values("services.valkey.profiles"), ["replicas"]);
    assert_eq!(over.keys("services"), BTreeSet::from(["grantor"]));
    let environment = "services.grantor.environment.GRANTOR_REDIS_URL_FILE";
    assert_eq!(over.values(environment), ["/run/secrets/redis_url"]);
    assert_eq!(over.values("secrets.redis_url.file"), ["./secrets/redis_url"]);
    assert_eq!(over.values("services.grantor.deploy.replicas"), ["2"]);
    assert!(read("scripts/compose-secrets").contains("keep redis_url\n"));
}

#[test]
fn every_setting_in_them_is_one() {
    let text = read("docker-compose.yml");
    let compose = Yaml::parse(&text);
    let dockerfile = read("Dockerfile");
    let in_image = instructions(&dockerfile, "ENV").filter_map(|line| Some(line.split_once('=')?.0));
    let mut seen = 0;
    for name in compose
        .keys("services.grantor.environment")
        .into_iter()
        .chain(in_image)
    {
        let setting = name.strip_suffix("_FILE").unwrap_or(name);
        assert!(
            settings::all().any(|known| known.variable() == setting),
            "{name} is no setting"
        );
        seen += 1;
    }
    assert!(seen > 3, "the settings were not found");
}

#[test]
fn both_licences_are_there_in_full() {
    assert!(read("LICENSE-MIT").contains("Permission is hereby granted, free of charge"));
    assert!(read("LICENSE-APACHE").contains("END OF TERMS AND CONDITIONS"));
    assert!(read("LICENSE").contains("MIT OR Apache-2.0"));
    assert!(read("Cargo.toml").contains("license = \"MIT OR Apache-2.0\""));
}

/// Whether a variable of this name holds a secret itself, not the name of a file with it.
fn is_secret(name: &str) -> bool {
    let words = [
        "PASSWORD",
        "SECRET",
        "TOKEN",
        "MASTER_KEY",
        "DATABASE_URL",
        "REDIS_URL",
    ];
    !name.ends_with("_FILE") && words.iter().any(|word| name.contains(word))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The arguments of each such instruction of a Dockerfile.
fn instructions<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .filter_map(move |line| line.strip_prefix(name)?.strip_prefix(' '))
        .map(str::trim)
}

/// The scalars of a YAML file of plain block mappings and sequences, by their dotted path.
struct Yaml<'a>(BTreeMap<String, Vec<&'a str>>);

impl<'a> Yaml<'a> {
    fn parse(text: &'a str) -> Self {
        let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let mut path: Vec<(usize, &str)> = Vec::new();
        for line in text.lines() {
            let content = line.trim_start();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let indent = line.len() - content.len();
            path.retain(|(depth, _)| *depth < indent);
            if let Some(item) = content.strip_prefix("- ") {
                found.entry(dotted(&path)).or_default().push(item);
                continue;
            }
            let (key, value) = content
                .split_once(':')
                .unwrap_or_else(|| panic!("not understood: {line}"));
            path.push((indent, key));
            let values = found.entry(dotted(&path)).or_default();
            if !value.trim().is_empty() {
                values.push(value.trim());
            }
        }
        Self(found)
    }

    fn values(&self, path: &str) -> &[&'a str] {
        self.0.get(path).map_or(&[], Vec::as_slice)
    }

    fn keys(&self, path: &str) -> BTreeSet<&str> {
        self.0
            .keys()
            .filter_map(|key| key.strip_prefix(path)?.strip_prefix('.'))
            .filter_map(|rest| rest.split('.').next())
            .collect()
    }
}

fn dotted(path: &[(usize, &str)]) -> String {
    path.iter().map(|(_, key)| *key).collect::<Vec<_>>().join(".")
}
