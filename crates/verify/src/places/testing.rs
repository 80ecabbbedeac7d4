//! Small databases of places, for tests: the MMDB format 2.0, written by hand.

use std::net::IpAddr;

use serde_json::Value;

/// A database that says of each network, `192.0.2.0/24`, what stands beside it; built at a moment, in seconds since
/// 1970.
///
/// # Panics
/// On what is no network.
pub fn database(built_at: u32, networks: &[(&str, Value)]) -> Vec<u8> {
    let (mut tree, mut data) = (Tree(vec![[0; 2]]), Vec::new());
    for (network, value) in networks {
        let at = u32::try_from(data.len()).expect("a small database");
        encode(&mut data, value);
        tree.insert(network, at + 1);
    }
    let mut file = tree.encode();
    file.extend_from_slice(&[0; 16]);
    file.extend(data);
    file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    metadata(&mut file, built_at, tree.0.len());
    file
}

/// Nodes of two records: 0 for nothing, `-n` for node `n`, else the place of its data, counted from 1.
struct Tree(Vec<[i64; 2]>);

impl Tree {
    fn insert(&mut self, network: &str, data: u32) {
        let (address, length) = network.split_once('/').expect("a network");
        let mut length: usize = length.parse().expect("the length of a network");
        let bits = match address.parse().expect("the address of a network") {
            IpAddr::V4(v4) => {
                // IPv4 lies under ::/96.
                length += 96;
                u128::from(v4.to_bits())
            }
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let mut node = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                self.0[node][side] = data.into();
                return;
            }
            if self.0[node][side] >= 0 {
                self.0.push([0; 2]);
                self.0[node][side] = -i64::try_from(self.0.len() - 1).expect("a small tree");
            }
            node = usize::try_from(-self.0[node][side]).expect("the number of a node");
        }
    }

    /// Records of 24 bits.
    fn encode(&self) -> Vec<u8> {
        let nodes = i64::try_from(self.0.len()).expect("a small tree");
        let record = |record: &i64| match *record {
            0 => nodes,
            node if node < 0 => -node,
            data => nodes + 16 + data - 1,
        };
        let bytes = |value: i64| value.to_be_bytes()[5..].to_vec();
        self.0.iter().flatten().map(record).flat_map(bytes).collect()
    }
}

const STRING: u8 = 2;
const UINT16: u8 = 5;
const UINT32: u8 = 6;
const MAP: u8 = 7;
const UINT64: u8 = 9;
const ARRAY: u8 = 11;

fn control(out: &mut Vec<u8>, kind: u8, size: usize) {
    let small = u8::try_from(size.min(29)).expect("at most 29");
    out.push(if kind > 7 { small } else { kind << 5 | small });
    if kind > 7 {
        out.push(kind - 7);
    }
    if size >= 29 {
        out.push(u8::try_from(size - 29).expect("a short text"));
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    control(out, STRING, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn unsigned(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    control(out, kind, bytes.len());
    out.extend_from_slice(bytes);
}

fn encode(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Object(members) => {
            control(out, MAP, members.len());
            for (key, value) in members {
                string(out, key);
                encode(out, value);
            }
        }
        Value::Number(number) => {
            let number = number.as_u64().and_then(|number| u32::try_from(number).ok());
            unsigned(out, UINT32, &number.expect("32 bits").to_be_bytes());
        }
        other => string(out, other.as_str().expect("a map, a text or a number")),
    }
}

fn metadata(out: &mut Vec<u8>, built_at: u32, nodes: usize) {
    control(out, MAP, 9);
    for (key, value) in
        [("binary_format_major_version", 2u16), ("binary_format_minor_version", 0), ("ip_version", 6)]
    {
        string(out, key);
        unsigned(out, UINT16, &value.to_be_bytes());
    }
    string(out, "record_size");
    unsigned(out, UINT16, &24u16.to_be_bytes());
    string(out, "node_count");
    unsigned(out, UINT32, &u32::try_from(nodes).expect("a small tree").to_be_bytes());
    string(out, "build_epoch");
    unsigned(out, UINT64, &u64::from(built_at).to_be_bytes());
    string(out, "database_type");
    string(out, "Test");
    string(out, "description");
    control(out, MAP, 0);
    string(out, "languages");
    control(out, ARRAY, 0);
}
