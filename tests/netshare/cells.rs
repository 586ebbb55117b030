//! Traces to cells and back, the public vocabulary, sizes and options.

use super::{encoded, traces};
use syntrace::base::Seed;
use syntrace::encoding::FieldRow;
use syntrace::encoding::fields::FIELD_NAMES;
use syntrace::model::generator;
use syntrace::model::netshare::{
    Interarrival, Mask, NetShareConfig, Numbers, Samples, StartOption, Words, decode_sample, trace_rows, trace_samples,
};
use syntrace::record::Regime;
use syntrace::synth::decode_fields;

const DP: Regime = Regime::Dp { epsilon: 1.0, delta: 1e-5 };

fn at(name: &str) -> usize {
    FIELD_NAMES.iter().position(|found| *found == name).unwrap()
}

fn number(row: &FieldRow, name: &str) -> i64 {
    row[at(name)].unwrap_or(0)
}

fn small() -> NetShareConfig {
    NetShareConfig::preset("small").unwrap()
}

/// Both ways of turning numbers into cells.
fn both() -> [NetShareConfig; 2] {
    [Numbers::Linear, Numbers::Modes].map(|numbers| NetShareConfig { numbers, ..small() })
}

fn round_trip(config: &NetShareConfig, rows: &[FieldRow]) -> Vec<Vec<FieldRow>> {
    let words = Words::trained(10);
    let mut rng = Seed::root(1).rng();
    let samples = trace_samples(config, &words, rows);
    samples
        .iter()
        .map(|cells| {
            assert_eq!(cells.len() as i64, config.width());
            assert!(cells.iter().all(|cell| (-1.0..=1.0).contains(cell)));
            decode_sample(config, &words, cells, &mut rng)
        })
        .collect()
}

/// Everything that the layout promises to keep, of simulated IPv4 and IPv6 traces.
fn check_kept(config: &NetShareConfig, real: &[FieldRow], found: &[FieldRow], gap_tolerance: f64) {
    assert_eq!(real.len(), found.len());
    let words = Words::trained(10);
    let (mut real_time, mut found_time) = (number(&real[0], "time_us"), number(&found[0], "time_us"));
    // The start is a time of day on a grid of f32: 2^-24 of a day is 5 ms.
    assert!((real_time.rem_euclid(86_400_000_000) - found_time.rem_euclid(86_400_000_000)).abs() < 10_000);
    for (a, b) in real.iter().zip(found) {
        let v4 = number(a, "ip_version") == 4;
        for name in ["protocol", "tos", "identification", "flags", "fragment_offset", "ttl"] {
            assert_eq!(number(a, name), number(b, name), "{name}");
        }
        for name in ["src_port", "dst_port"] {
            let (first, last) = words.port_range(number(a, name) as u16);
            assert!((i64::from(first)..=i64::from(last)).contains(&number(b, name)), "{name}");
        }
        for name in ["src_ip", "dst_ip"] {
            let expected = if v4 { number(a, name) } else { number(b, name) };
            assert_eq!(expected, number(b, name));
            assert!(v4 || number(b, name) >> 28 == 0xf, "an IPv6 address lands in 240.0.0.0/4");
        }
        let least = if number(a, "protocol") == 6 { 40 } else { 28 };
        assert_eq!(number(b, "ip_length"), number(a, "ip_length").clamp(least, 1_500));
        let gap = (number(a, "time_us") - real_time).clamp(0, i64::from(config.gap_cap_us));
        let difference = (number(b, "time_us") - found_time - gap).abs() as f64;
        assert!(difference <= 1.0 + gap_tolerance * gap as f64, "gap {gap}, difference {difference}");
        (real_time, found_time) = (number(a, "time_us"), number(b, "time_us"));
        if v4 && number(a, "header_length") == 20 && number(a, "ip_length") <= 1_500 {
            assert_eq!(
                number(a, "src_ip") == number(&real[0], "src_ip"),
                number(b, "src_ip") == number(&found[0], "src_ip")
            );
        }
    }
}

#[test]
fn a_trace_comes_back_within_the_stated_loss() {
    // A cell is an f32 in [0, 1] and the gap its exponential: 17.9 * 2^-24, rounded up.
    const LOG_GAP: f64 = 2e-6;
    let mut versions = [0, 0];
    for trace in encoded(&traces("windows", 60, 10, 3)) {
        let rows = trace_rows(&trace).unwrap();
        versions[usize::from(number(&rows[0], "ip_version") == 6)] += 1;
        for config in both() {
            let found = round_trip(&config, &rows);
            assert_eq!(found.len(), 1);
            check_kept(&config, &rows, &found[0], LOG_GAP);
        }
    }
    assert!(versions.iter().all(|&count| count > 0), "{versions:?}");
}

#[test]
fn directional_samples_are_the_trace_s_5_tuples_in_order_of_appearance() {
    // A linear cell of a 60 s range has steps of 60e6 * 2^-24 = 4 microseconds: checked absolutely below.
    let config = NetShareConfig { samples: Samples::Directional, ..small() };
    let mut pairs = 0;
    for trace in encoded(&traces("ubuntu", 40, 10, 4)) {
        let rows = trace_rows(&trace).unwrap();
        let tuple = |row: &FieldRow| [row[0], row[1], row[2], row[3], row[4]];
        let mut tuples = Vec::new();
        for row in &rows {
            if !tuples.contains(&tuple(row)) {
                tuples.push(tuple(row));
            }
        }
        let found = round_trip(&config, &rows);
        assert_eq!(found.len(), tuples.len());
        pairs += usize::from(tuples.len() == 2);
        for (expected, found) in tuples.iter().zip(&found) {
            let own: Vec<FieldRow> = rows.iter().filter(|row| tuple(row) == *expected).copied().collect();
            check_kept(&config, &own, found, 2e-6);
        }
    }
    assert!(pairs > 10, "{pairs} traces of two directions");
}

#[test]
fn min_max_gaps_and_block_padding_come_back_too() {
    // 60e6 / 2^24, and half of it for the cell's own rounding.
    const LINEAR_GAP_US: i64 = 6;
    let configs =
        both().map(|config| NetShareConfig { interarrival: Interarrival::Minmax, mask: Mask::Block, ..config });
    let all = encoded(&traces("mac", 20, 7, 5));
    for (config, trace) in configs.iter().flat_map(|config| all.iter().map(move |trace| (config, trace))) {
        let rows = trace_rows(trace).unwrap();
        let found = &round_trip(config, &rows)[0];
        assert_eq!(found.len(), rows.len());
        for (real, found) in rows.windows(2).zip(found.windows(2)) {
            let gap = |pair: &[FieldRow]| number(&pair[1], "time_us") - number(&pair[0], "time_us");
            assert!((gap(real) - gap(found)).abs() <= LINEAR_GAP_US);
        }
    }
}

/// Values at both ends of every range, of whichever packet before: what is one choice for the networks is one
/// value again.
#[test]
fn numbers_at_the_ends_of_their_ranges_come_back() {
    let words = Words::trained(10);
    let mut rng = Seed::root(4).rng();
    let trace = encoded(&traces("mac", 20, 2, 5)).into_iter().find(|trace| trace.rows == 2).unwrap();
    let real = trace_rows(&trace).unwrap();
    let mut check = |name: &str, values: [i64; 2]| {
        let mut rows = real[..2].to_vec();
        for (row, value) in rows.iter_mut().zip(values) {
            row[at(name)] = Some(value);
        }
        // Both from the same sender, so that the second identification may follow the first.
        rows[1][..5].copy_from_slice(&real[0][..5]);
        rows[1][at("time_us")] = real[0][at("time_us")];
        let cells = trace_samples(&small(), &words, &rows).remove(0);
        let found = decode_sample(&small(), &words, &cells, &mut rng);
        assert_eq!([number(&found[0], name), number(&found[1], name)], values, "{name}");
    };
    for length in 40..=1_500 {
        check("ip_length", [length, 1_540 - length.clamp(40, 1_500)]);
    }
    for number in 0..=255 {
        check("ttl", [number, 255 - number]);
        check("tos", [number, 255 - number]);
    }
    for first in [0, 1, 8_191, 8_192, 65_520, 65_535] {
        for step in (0..40).chain([8_192, 65_535]) {
            check("identification", [first, (first + step) % 65_536]);
        }
    }
}

/// The published padding against ours: the flag's second cell to the end of the block, or nowhere.
#[test]
fn cells_behind_the_end_are_zero_but_for_the_published_flags() {
    let words = Words::trained(10);
    let trace = encoded(&traces("mac", 20, 3, 5)).into_iter().find(|trace| trace.rows == 3).unwrap();
    let rows = trace_rows(&trace).unwrap();
    for (mask, expected) in [(Mask::Packet, 0.0), (Mask::Block, 2.0)] {
        let config = NetShareConfig { mask, ..small() };
        let cells = &trace_samples(&config, &words, &rows)[0];
        let (width, length) = (config.feature_width() as usize, config.length() as usize);
        let behind = &cells[3 * width..length * width];
        assert_eq!(behind.iter().sum::<f32>(), expected);
        assert_eq!(behind.chunks(width).take(2).map(|packet| packet[width - 1]).sum::<f32>(), expected);
    }
}

/// Cells of random numbers, also far outside [0, 1] and not a number: each becomes a packet of the
/// widths that headers have, with the checksum that fits.
#[test]
fn any_cells_decode_to_valid_headers() {
    use rand::RngExt;
    let words = Words::trained(10);
    let mut rng = Seed::root(9).rng();
    let samples = [Samples::Bidirectional, Samples::Directional];
    for config in samples.into_iter().flat_map(|samples| both().map(|config| NetShareConfig { samples, ..config })) {
        for round in 0..50 {
            let spread = [1.0, 100.0][round % 2];
            let mut cells: Vec<f32> =
                (0..config.width()).map(|_| ((rng.random::<f64>() - 0.3) * spread) as f32).collect();
            if round == 49 {
                cells.fill(f32::NAN);
            }
            let rows = decode_sample(&config, &words, &cells, &mut rng);
            assert!((1..=10).contains(&rows.len()));
            let decoded = decode_fields(&rows);
            assert!(decoded.rejections.is_empty(), "{:?}", decoded.rejections);
            let tuples: std::collections::BTreeSet<(Vec<u8>, u16)> =
                decoded.packets.iter().map(|packet| (packet.src_ip.clone(), packet.src_port)).collect();
            assert!(tuples.len() <= 2, "one shared 5-tuple, swapped");
            for packet in &decoded.packets {
                let header = &packet.data[14..34];
                let sum: u32 = header.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
                let folded = (sum & 0xffff) + (sum >> 16);
                assert_eq!((folded & 0xffff) + (folded >> 16), 0xffff, "checksum");
            }
        }
    }
}

#[test]
fn every_word_is_its_own_nearest_and_buckets_never_give_an_assigned_port() {
    let words = Words::trained(10);
    assert_eq!(words, Words::trained(10), "a pure function of the width");
    assert_eq!(words, Words::with_vectors(10, words.vectors().to_vec()).unwrap());
    let mut rng = Seed::root(2).rng();
    for port in 0..=u16::MAX {
        if port % 7 != 0 && words.port_range(port).0 != port {
            continue;
        }
        let (first, last) = words.port_range(port);
        let found = words.nearest_port(words.port(port), &mut rng);
        assert_eq!(words.port_range(found), (first, last), "port {port} came back as {found}");
    }
    for protocol in [6, 17] {
        assert_eq!(words.nearest_protocol(words.protocol(protocol)), protocol);
    }
    for vector in words.vectors().chunks(10) {
        let norm: f32 = vector.iter().map(|value| value * value).sum();
        assert!((norm - 1.0).abs() < 1e-5, "norm {norm}");
    }
    // Two words that nearly coincide could not be told apart by a generator.
    let vectors: Vec<&[f32]> = words.vectors().chunks(10).collect();
    for (index, a) in vectors.iter().enumerate() {
        for b in &vectors[..index] {
            let cosine: f32 = a.iter().zip(*b).map(|(a, b)| a * b).sum();
            assert!(cosine < 0.9, "cosine {cosine}");
        }
    }
    assert_eq!(words.port_range(443), (443, 443));
    assert_eq!(words.port_range(50_000), (49_152, 65_535));
}

/// Facts section 7: the published layout is directional with 10 packets.
#[test]
fn the_paper_preset_has_the_published_numbers_of_parameters() {
    let paper = NetShareConfig { samples: Samples::Directional, ..NetShareConfig::preset("paper").unwrap() };
    assert_eq!(paper.parameters_by_part(), [994_213, 926_721, 870_401]);
    let twenty = NetShareConfig { packets: 20, ..paper };
    assert_eq!(twenty.parameters_by_part()[1], 983_041);
}

/// Facts section 9: 2,500 traces as 5,000 flows in batches of 100 make 2,000 generator and 10,000
/// critic steps in 40 epochs; here a batch is of traces, so half of that at the same size.
#[test]
fn the_plan_counts_critic_rounds_and_fine_tunes_for_ten_epochs() {
    let paper = NetShareConfig::preset("paper").unwrap();
    let plan = paper.plan(5_000, Regime::None);
    assert_eq!((plan.steps, plan.epochs, plan.sampling_rate), (10_000, 40, 0.02));
    assert_eq!(paper.plan(5_000, DP).steps, 10_000);
    for start in [StartOption::Finetune, StartOption::PublicPretrain] {
        let config = NetShareConfig { start, ..paper.clone() };
        assert_eq!(config.plan(5_000, DP).steps, 2_500);
        assert_eq!(config.plan(5_000, Regime::None).steps, 10_000);
    }
}

#[test]
fn options_are_read_by_name_and_wrong_ones_are_refused() {
    let options = |text: &str| serde_json::from_str(text).unwrap();
    let compat = r#"{"preset": "paper", "samples": "directional", "interarrival": "minmax", "mask": "block",
        "interpolation": "fake_only", "start": "finetune"}"#;
    let built = generator("netshare", &options(compat), 10).unwrap();
    assert_eq!((built.name(), built.preset()), ("netshare", "paper"));
    assert!(built.config_json(Regime::None).contains(r#""interpolation":"fake_only""#));
    for wrong in
        [r#"{"unit": 3}"#, r#"{"samples": "both"}"#, r#"{"batch": 0}"#, r#"{"preset": "large"}"#, r#"{"fakes": 1}"#]
    {
        assert!(generator("netshare", &options(wrong), 10).is_err(), "{wrong}");
    }
    assert!(built.check(99).unwrap_err().hint_text().unwrap().contains("members"));
}
