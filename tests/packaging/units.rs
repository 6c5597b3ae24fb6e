//! The systemd service, and the packages' own claims about the node.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::tools::{judged, read};

const UNIT: &str = "packaging/systemd/allod-node.service";
const SIGNER: &str = "packaging/systemd/allod-signer.service";

/// Returns the settings of the unit; those that stand several times with all their values.
fn settings(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut found = BTreeMap::<&str, Vec<&str>>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, value)) = line.split_once('=') {
            found.entry(key).or_default().push(value);
        }
    }
    found
}

/// Goal: systemd starts again what may start again, and leaves the rest to a person. Method: the
/// table of exit codes in docs/node.md, and its sentence below.
#[test]
fn the_service_restarts_after_the_codes_that_the_handbook_says() {
    let unit = read(UNIT);
    let settings = settings(&unit);
    let prevented: BTreeSet<&str> = settings["RestartPreventExitStatus"][0].split(' ').collect();
    let handbook = read("docs/node.md");
    let sentence = handbook
        .lines()
        .find(|line| line.contains("need a person"))
        .unwrap();
    let (_, list) = sentence.split_once("after a pause; ").unwrap();
    let (list, _) = list.split_once(" need").unwrap();
    let stated = list.split([',', ' ']).filter(|it| it.parse::<u8>().is_ok());
    assert_eq!(prevented, stated.collect());
    let codes = handbook.lines().filter_map(|line| line.strip_prefix("| "));
    let codes = codes.filter_map(|line| line.split(' ').next()?.parse::<u8>().ok());
    let codes: BTreeSet<String> = codes.map(|code| code.to_string()).collect();
    assert!(
        prevented.iter().all(|code| codes.contains(*code)),
        "{codes:?}"
    );
}

/// Goal: no failure is tried again for ever, not even one that takes its time to be found out.
/// Method: an engine that hangs is given half a minute, and the node as long to start and to stop.
#[test]
fn the_service_gives_up_on_an_engine_that_hangs_each_time() {
    let unit = read(UNIT);
    let settings = settings(&unit);
    let minutes = settings["StartLimitIntervalSec"][0].strip_suffix("min");
    let minutes: u32 = minutes.unwrap().parse().unwrap();
    let starts: u32 = settings["StartLimitBurst"][0].parse().unwrap();
    assert!(60 * minutes >= starts * 90, "{starts} in {minutes} min");
}

#[test]
fn the_services_may_do_little() {
    for (path, kind, user) in [(UNIT, "notify", "allod"), (SIGNER, "exec", "allod-signer")] {
        let unit = read(path);
        let settings = settings(&unit);
        for (key, value) in [
            ("Type", kind),
            ("User", user),
            ("StateDirectory", user),
            ("ProtectSystem", "strict"),
            ("NoNewPrivileges", "yes"),
            ("MemoryDenyWriteExecute", "yes"),
            ("CapabilityBoundingSet", ""),
            ("UMask", "0077"),
            ("StateDirectoryMode", "0700"),
            // Keys lie in its memory.
            ("LimitCORE", "0"),
        ] {
            assert_eq!(settings.get(key), Some(&vec![value]), "{path} {key}");
        }
        let calls = ["@system-service", "~@privileged @resources"];
        assert_eq!(settings["SystemCallFilter"], calls);
    }
    assert!(
        read(SIGNER).contains("\nPrivateNetwork=yes\n"),
        "it needs none"
    );
}

/// Goal: systemd understands the units and finds them tight. Method: `systemd-analyze`, where there
/// is one, on the units with a program that exists.
#[test]
fn systemd_finds_nothing_wrong_with_the_services() {
    // Tenths of ten: 1.3 and 0.5 today.
    for (path, exposure) in [(UNIT, "15"), (SIGNER, "7")] {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join(path.rsplit('/').next().unwrap());
        fs::write(
            &copy,
            read(path).replace("/usr/bin/allod-node", "/bin/true"),
        )
        .unwrap();
        let copy = copy.to_str().unwrap();
        let threshold = format!("--threshold={exposure}");
        for arguments in [
            vec!["verify", "--man=no", copy],
            vec!["security", "--offline=yes", &threshold, copy],
        ] {
            if let Some((content, said)) = judged("systemd-analyze", &arguments, "") {
                assert!(content, "{path}: {said}");
            }
        }
    }
}

#[test]
fn the_packages_places_are_those_of_the_service() {
    let places = read("packaging/places");
    let tmpfiles = read("packaging/systemd/allod.tmpfiles");
    for folder in ["/var/lib/allod", "/var/lib/allod/keys"] {
        assert!(
            tmpfiles.contains(&format!("d {folder} 0700 allod allod")),
            "{folder}"
        );
        assert!(places.contains(folder));
    }
    assert!(read("packaging/systemd/allod.sysusers").contains("u allod "));
}
