//! Asks a running node for its metadata, from which the test's types are generated.
//!
//! `ALLOD_DEVNET_PROGRAM` names the allod-devnet binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const METADATA_VERSION: u8 = 16;

fn main() {
    println!("cargo::rerun-if-env-changed=ALLOD_DEVNET_PROGRAM");
    let program = std::env::var("ALLOD_DEVNET_PROGRAM").expect("ALLOD_DEVNET_PROGRAM is set");
    println!("cargo::rerun-if-changed={program}");
    let node = PathBuf::from(&program).with_file_name("allod-node");
    println!("cargo::rerun-if-changed={}", node.display());

    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("Cargo sets it"));
    let dir = out.join("devnet");
    // What a build that was broken off left behind.
    let _absent = std::fs::remove_dir_all(&dir);
    let mut child = Command::new(&program)
        .arg("--dir")
        .arg(&dir)
        .args(["--json", "up", "--isolated", "--validators", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("allod-devnet starts");
    let stdout = child.stdout.take().expect("standard output is piped");
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("a manifest is printed");
    let manifest: serde_json::Value = serde_json::from_str(&line).expect("the manifest is JSON");
    let url = manifest["nodes"][0]["rpc"].as_str().expect("a node has an address");
    let metadata = metadata(url.trim_start_matches("http://"));
    let _stopped = Command::new("kill").arg(child.id().to_string()).status();
    child.wait().expect("it is our child");
    std::fs::remove_dir_all(&dir).expect("the network's folder can go");
    std::fs::write(out.join("metadata.scale"), metadata).expect("the metadata can be written");
}

/// Returns the metadata, `meta` and all.
fn metadata(address: &str) -> Vec<u8> {
    let call = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"state_call","params":["Metadata_metadata_at_version","0x{METADATA_VERSION:02x}000000"]}}"#
    );
    let mut stream = TcpStream::connect(address).expect("the node listens");
    let request = format!(
        "POST / HTTP/1.0\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{call}",
        call.len()
    );
    stream.write_all(request.as_bytes()).expect("the node reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the node answers");
    let body = answer.split_once("\r\n\r\n").expect("a head and a body").1;
    let body: serde_json::Value = serde_json::from_str(body).expect("the answer is JSON");
    let text = body["result"].as_str().expect("there is such a function");
    let bytes = hex::decode(text.trim_start_matches("0x")).expect("digits");
    // An option of bytes with their length in front.
    let start = bytes.windows(4).position(|it| it == b"meta").expect("metadata of this version");
    bytes[start..].to_vec()
}
