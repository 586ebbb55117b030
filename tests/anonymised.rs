//! The regime `anonymised`: traces whose addresses, ports and times are changed before a model sees them.

use crate::common::{refused_plan, run_ok, simulated_traces, write_spec};
use proptest::prelude::*;
use syntrace::anonymise::{Anonymiser, EPHEMERAL_PORT, TIME_GRID_US};
use syntrace::base::Digest;
use syntrace::capture::{decode_frame, link_type};
use syntrace::record::{Packet, Trace};

/// Leading bits that two addresses share.
fn shared_bits(a: &[u8], b: &[u8]) -> u32 {
    let mut shared = 0;
    for (a, b) in a.iter().zip(b) {
        shared += (a ^ b).leading_zeros();
        if a != b {
            break;
        }
    }
    shared
}

/// Two addresses of some bytes that share as many leading bits as it happens.
fn pair(bytes: usize) -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let address = || proptest::collection::vec(any::<u8>(), bytes);
    (address(), address(), 0..=bytes * 8).prop_map(|(a, other, same)| {
        let bit = |address: &[u8], at: usize| address[at / 8] >> (7 - at % 8) & 1;
        let mut b = vec![0; a.len()];
        for at in 0..8 * a.len() {
            b[at / 8] |= bit(if at < same { &a } else { &other }, at) << (7 - at % 8);
        }
        (a, b)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Crypto-PAn's property: as many leading bits in common after as before.
    #[test]
    fn addresses_share_as_many_leading_bits_as_before(v4 in pair(4), v6 in pair(16), key in any::<[u8; 32]>()) {
        let anonymiser = Anonymiser::with_key(Digest(key));
        for (a, b) in [v4, v6] {
            let (to_a, to_b) = (anonymiser.address(&a), anonymiser.address(&b));
            prop_assert_eq!(to_a.len(), a.len());
            prop_assert_eq!(shared_bits(&to_a, &to_b), shared_bits(&a, &b));
            prop_assert_eq!(to_a == to_b, a == b);
        }
    }
}

/// Half of the bits move, and others under another key: nothing of an address but its prefixes is kept.
#[test]
fn every_bit_depends_on_the_key() {
    let address = [10, 0, 0, 1];
    let keys = 2000u32;
    let mut moved = [0u32; 32];
    for key in 0..keys {
        let to = Anonymiser::with_key(Digest::of(&key.to_le_bytes())).address(&address);
        for (bit, moved) in moved.iter_mut().enumerate() {
            *moved += u32::from((to[bit / 8] ^ address[bit / 8]) >> (7 - bit % 8) & 1);
        }
    }
    // five standard deviations of a fair coin
    assert!(moved.iter().all(|moved| moved.abs_diff(keys / 2) < 112), "{moved:?}");
}

/// Sum over the pseudo header and the segment: 0 where the checksum is right (RFC 793, RFC 768).
fn transport_checksum(packet: &Packet) -> u16 {
    let header = if packet.ip_version == 4 { usize::from(packet.data[14] & 0x0f) * 4 } else { 40 };
    let segment = &packet.data[14 + header..];
    let pseudo = [packet.src_ip.as_slice(), &packet.dst_ip].concat();
    let sum = syntrace::base::wire::ones_sum(&pseudo)
        + syntrace::base::wire::ones_sum(segment)
        + u64::from(packet.protocol)
        + segment.len() as u64;
    syntrace::base::wire::internet_checksum(sum)
}

fn traces() -> Vec<Trace> {
    let mut traces = simulated_traces("os", "windows", 60, 10);
    traces.extend(simulated_traces("vca", "webex", 60, 10));
    traces
}

#[test]
fn an_anonymised_packet_is_the_same_packet_between_other_hosts() {
    let traces = traces();
    let anonymiser = Anonymiser::of(&traces);
    let mut right = 0;
    for trace in &traces {
        let other = anonymiser.trace(trace);
        assert_eq!((other.trace_id, other.packets.len()), (trace.trace_id, trace.packets.len()));
        for (before, after) in trace.packets.iter().zip(&other.packets) {
            // what is said of it is what its bytes say
            let decoded = decode_frame(link_type::ETHERNET, after.time_us, &after.data, after.ip_length + 14).unwrap();
            assert_eq!(Packet { direction: after.direction, ..decoded }, *after);
            assert_eq!(after.src_ip, anonymiser.address(&before.src_ip));
            assert_eq!(after.dst_ip, anonymiser.address(&before.dst_ip));
            for (before, after) in [(before.src_port, after.src_port), (before.dst_port, after.dst_port)] {
                assert_eq!(after, if before < 1024 { before } else { EPHEMERAL_PORT });
            }
            assert_eq!(after.time_us % TIME_GRID_US, 0);
            assert!((0..TIME_GRID_US).contains(&(before.time_us - after.time_us)));
            assert_eq!((after.ttl, after.ip_length, after.tcp_flags), (before.ttl, before.ip_length, before.tcp_flags));
            let payload = before.payload_length.min(64) as usize;
            assert!(after.data.ends_with(&before.data[before.data.len() - payload..]), "payload stays");
            if transport_checksum(before) == 0 {
                assert_eq!(transport_checksum(after), 0, "a right checksum stays right");
                right += 1;
            }
        }
    }
    assert!(right > 500, "{right} right checksums before");
}

/// Who has the spec can draw everything but the traces; one other packet of the class gives another map.
#[test]
fn the_key_follows_from_the_traffic_itself() {
    let mut traces = traces();
    let address = [192, 168, 1, 20];
    let first = Anonymiser::of(&traces).address(&address);
    assert_eq!(Anonymiser::of(&traces).address(&address), first);
    let data = &mut traces.last_mut().unwrap().packets[0].data;
    *data.last_mut().unwrap() ^= 1;
    assert_ne!(Anonymiser::of(&traces).address(&address), first);
}

const SPEC: &str = r#"
name = "anonymised"
seed = 5
[[dataset]]
name = "os"
classes = ["windows", "ubuntu"]
simulate = { flows = 260 }
[traces]
packets = 4
[split]
members = 40
shadows = 2
[regimes]
none = true
anonymised = true
epsilon = [4.0]
[generator.markov]
packets = 4
[generator.netdpsyn]
[attack.threshold]
[attack.surrogate]
kind = "threshold"
attribute = "synthetic_markov"
statistic = "ratio"
[synthesis]
traces = 60
shadows = ["markov"]
[utility]
forecaster = "none"
"#;

#[test]
fn a_study_shows_what_anonymisation_buys() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb");
    let study = study.to_str().unwrap();
    // the jobs of the other regimes are those of a spec without it
    let spec = write_spec(folder.path(), &SPEC.replace("anonymised = true\n", ""));
    run_ok(&["run", study, &spec, "--quiet"]);
    let spec = write_spec(folder.path(), SPEC);
    let plan = run_ok(&["plan", study, &spec, "--jobs"]);
    assert!(plan.contains("fidelity markov os/windows anonymised target"), "{plan}");
    let others =
        |line: &&str| line.contains(" os/windows ") && !line.contains("anonymised") && !line.contains(" cohort of ");
    assert_eq!(plan.lines().filter(others).collect::<Vec<_>>(), [""; 0], "{plan}");
    run_ok(&["run", study, &spec, "--quiet"]);
    let ask = |sql: &str| -> Vec<String> {
        run_ok(&["sql", study, "--format", "csv", "-c", sql]).lines().skip(1).map(str::to_owned).collect()
    };
    assert_eq!(
        ask("SELECT DISTINCT generator, regime, epsilon, guarantee FROM models ORDER BY 1, 2"),
        [
            "markov,anonymised,,none",
            "markov,eps 4.0,4.0,end-to-end",
            "markov,no DP,,none",
            "netdpsyn,eps 4.0,4.0,end-to-end"
        ]
    );
    // a chain over bytes repeats its members' addresses, and after anonymisation other ones
    let copied = "SELECT regime, count(*) FILTER (WHERE real) > 0 FROM (
            SELECT packets.regime, packets.src_ip IN (SELECT src_ip FROM traces) AS real FROM packets
            WHERE packets.generator = 'markov' AND packets.role = 'target' AND packets.epsilon IS NULL
        ) GROUP BY 1 ORDER BY 1";
    assert_eq!(ask(copied), ["anonymised,false", "no DP,true"]);
    // a chain over bytes mixes the halves of a few ports
    let coarse =
        "SELECT count(*) FILTER (WHERE dst_port = 49152) > 5 * count(*) FILTER (WHERE dst_port <> 49152) FROM packets
        WHERE regime = 'anonymised' AND dst_port >= 1024";
    assert_eq!(ask(coarse), ["true"]);
    // attacked and measured like the others, each in a row of its own
    for query in
        ["headline", "strongest_attacks", "privacy_vs_utility", "fidelity_by_model_and_epsilon", "study_overview"]
    {
        let rows = ask(&format!("SELECT DISTINCT regime FROM queries.{query} WHERE generator = 'markov' ORDER BY 1"));
        assert_eq!(rows, ["anonymised", "eps 4.0", "no DP"], "{query}");
    }
    let attacked = "SELECT regime, count(*) FROM attacks WHERE evaluated_on = 'target' AND generator = 'markov'
        GROUP BY 1 ORDER BY 1";
    let counts = ask(attacked);
    assert_eq!(counts.len(), 3);
    assert_eq!(counts[0].strip_prefix("anonymised"), counts[2].strip_prefix("no DP"), "{counts:?}");
    // the membership of a trace is asked by the anonymised one: the chain knows its members as well as without, and so does
    // whoever has its synthetic traffic
    let auc =
        ask("SELECT regime, attribute, min(auc) FROM attacks WHERE evaluated_on = 'target' AND generator = 'markov' \
                   AND epsilon IS NULL GROUP BY 1, 2 ORDER BY 1, 2");
    assert_eq!(auc.len(), 4, "{auc:?}");
    for row in auc {
        assert!(row.split(',').next_back().unwrap().parse::<f64>().unwrap() > 0.8, "{row}");
    }
    assert_eq!(
        ask("SELECT DISTINCT regime FROM downstream WHERE generator = 'markov' ORDER BY 1"),
        ["anonymised", "eps 4.0", "no DP"]
    );
    assert_eq!(ask("SELECT DISTINCT encoding FROM encodings ORDER BY 1").len(), 3, "tokens, anonymised ones, fields");
    // reports and verdicts name it
    let page = folder.path().join("r.html");
    run_ok(&["report", study, "-o", page.to_str().unwrap()]);
    assert!(std::fs::read_to_string(&page).unwrap().contains("On anonymised traces, without DP"));
    let (_, verdict, _) = crate::common::run(&["audit", study]);
    assert!(verdict.contains("markov os/ubuntu anonymised target"), "{verdict}");
    run_ok(&["verify", study]);
}

#[test]
fn a_spec_needs_some_regime() {
    let folder = tempfile::tempdir().unwrap();
    let none = SPEC.replace("none = true\nanonymised = true\nepsilon = [4.0]", "none = false");
    let error = refused_plan(folder.path(), &none);
    assert!(error.contains("`regimes.anonymised = true`"), "{error}");
}
