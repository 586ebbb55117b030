//! Fidelity beyond marginals: what each aspect sees that the others do not, on simulated traffic and on
//! traffic damaged in one known way.

use crate::common::simulated_traces;
use syntrace::base::Seed;
use syntrace::eval::{
    Aspect, FidelityRow, Metric, Population, PopulationName, detection, fidelity, header_means, mean_by_field,
    mean_over_fields,
};
use syntrace::record::{Direction, Trace};

/// Rounding of sums of shares.
const ROUNDING: f64 = 1e-12;

fn refs(traces: &[Trace]) -> Vec<&Trace> {
    traces.iter().collect()
}

fn compared(real: &[Trace], other: &[Trace]) -> Vec<FidelityRow> {
    let reference = Population::new(PopulationName::Members, &refs(real));
    fidelity(&reference, &Population::new(PopulationName::Synthetic, &refs(other)))
}

fn value(rows: &[FidelityRow], aspect: Aspect, field: &str, metric: Metric) -> Option<f64> {
    let found = rows.iter().find(|row| row.aspect == aspect && row.field == field && row.metric == metric);
    found.unwrap_or_else(|| panic!("no row for {aspect:?} {field} {metric:?}")).value
}

#[test]
fn equal_populations_have_no_distance_in_any_aspect_and_cover_each_other() {
    let traces = simulated_traces("os", "windows", 60, 10);
    let rows = compared(&traces, &traces);
    for row in &rows {
        let expected = match row.metric {
            Metric::Share | Metric::DistinctShare | Metric::MedianVariance | Metric::MedianLargestVariance => continue,
            Metric::DistinctRatio | Metric::Coverage | Metric::VarianceKept | Metric::LargestVarianceKept => Some(1.0),
            _ => Some(0.0),
        };
        // a field without a value has none to compare
        let constant = matches!(row.metric, Metric::VarianceKept | Metric::LargestVarianceKept);
        assert!(row.value == expected || (row.value.is_none() && (row.n_real == 0 || constant)), "{row:?}");
    }
    let aspects: std::collections::BTreeSet<Aspect> = rows.iter().map(|row| row.aspect).collect();
    assert_eq!(aspects.len(), 8, "{aspects:?}");
}

#[test]
fn traces_that_were_not_generated_count_in_every_distance_and_pass_no_check() {
    let traces = simulated_traces("os", "windows", 60, 10);
    let (real, rest) = traces.split_at(30);
    let mut half = rest.to_vec();
    for trace in half.iter_mut().skip(15) {
        trace.packets.clear();
    }
    let (whole, half) = (compared(real, rest), compared(real, &half));
    for (before, after) in whole.iter().zip(&half) {
        let distance =
            matches!(after.metric, Metric::JensenShannonDistance | Metric::TotalVariation | Metric::WassersteinScaled);
        if !distance || before.field == "inter_arrival_us" && before.position == Some(0) {
            continue;
        }
        assert!(after.value.is_some(), "{after:?}");
        if after.aspect == Aspect::Header {
            let places = |row: &FidelityRow| row.n_compared + row.absent.unwrap().1;
            assert_eq!((places(before), places(after)), (30, 30), "{after:?}");
        }
    }
    let mean = |rows: &[FidelityRow]| mean_over_fields(rows, PopulationName::Synthetic, Metric::JensenShannonDistance);
    assert!(mean(&half) > mean(&whole).map(|mean| mean + 0.1), "{:?} {:?}", mean(&half), mean(&whole));
    let share = |field| value(&half, Aspect::Validity, field, Metric::Share);
    assert_eq!((share("one_flow"), share("time_order")), (Some(0.5), Some(0.5)));
    // packets that do not parse are in no trace, and count as packets without headers
    let reference = Population::new(PopulationName::Members, &refs(real));
    let packets = rest.iter().map(|trace| trace.packets.len() as u64).sum();
    let rows = fidelity(&reference, &Population::generated(PopulationName::Synthetic, &refs(rest), packets));
    assert_eq!(value(&rows, Aspect::Validity, "headers", Metric::Share), Some(0.5));
}

#[test]
fn simulated_traffic_keeps_every_rule_and_a_damaged_packet_is_one_less() {
    let traces = simulated_traces("os", "ubuntu", 60, 10);
    let rows = compared(&traces, &traces);
    let share = |rows: &[FidelityRow], field: &str| value(rows, Aspect::Validity, field, Metric::Share);
    for row in rows.iter().filter(|row| row.aspect == Aspect::Validity) {
        assert_eq!(row.value, Some(1.0), "{}", row.field);
        assert!(row.n_compared > 0, "{} was never checked", row.field);
    }
    let packets: usize = traces.iter().map(|trace| trace.packets.len()).sum();
    let mut damaged = traces.clone();
    let ipv4 = damaged.iter_mut().find(|trace| trace.packets[0].ip_version == 4).unwrap();
    ipv4.packets[0].data[14 + 8] ^= 1;
    let rows = compared(&traces, &damaged);
    // the TTL is in the header's checksum, not in the transport's
    let checked = rows.iter().find(|row| row.field == "ipv4_checksum").unwrap().n_compared as f64;
    assert_eq!(share(&rows, "ipv4_checksum"), Some((checked - 1.0) / checked));
    assert_eq!(share(&rows, "transport_checksum"), Some(1.0));
    let mut unreadable = traces.clone();
    unreadable[0].packets[0].data.truncate(20);
    let found = share(&compared(&traces, &unreadable), "headers").unwrap();
    assert!((found - (packets as f64 - 1.0) / packets as f64).abs() < ROUNDING);
}

#[test]
fn tcp_rules_see_data_before_the_handshake_foreign_sequence_numbers_and_bytes_after_the_end() {
    let traces: Vec<Trace> = simulated_traces("os", "windows", 60, 10);
    let tcp = traces.iter().find(|trace| {
        trace.packets.len() == 10 && trace.packets[0].tcp_flags == Some(2) && trace.packets[0].ip_version == 4
    });
    let tcp = tcp.expect("a whole handshake").clone();
    let check = |change: &dyn Fn(&mut Trace)| {
        let mut changed = tcp.clone();
        change(&mut changed);
        let rows = compared(std::slice::from_ref(&tcp), &[changed]);
        let of = |field| value(&rows, Aspect::Validity, field, Metric::Share);
        (of("tcp_flags"), of("tcp_state"), of("tcp_sequence"))
    };
    let packets = tcp.packets.len() as f64;
    assert_eq!(check(&|_| {}), (Some(1.0), Some(1.0), Some(1.0)));
    // SYN with FIN: illegal flags, so an illegal state
    let both = check(&|trace| trace.packets[0].tcp_flags = Some(3));
    assert_eq!(both, (Some((packets - 1.0) / packets), Some(0.0), Some(1.0)));
    // the client's data in front of the server's SYN
    let early = check(&|trace| {
        let answer = trace.packets.iter().position(|packet| packet.direction == Direction::Backward).unwrap();
        let answer = trace.packets.remove(answer);
        trace.packets.insert(2, answer);
    });
    assert_eq!(early.1, Some(0.0));
    // a sequence number from elsewhere: byte 4 of the TCP header is its upper end
    let foreign = check(&|trace| trace.packets[9].data[14 + 20 + 4] ^= 0x40);
    assert_eq!((foreign.1, foreign.2), (Some(1.0), Some(0.0)));
    // a FIN in the middle, and data after it
    let after_end = check(&|trace| {
        let data: Vec<usize> = (0..10).filter(|&at| trace.packets[at].payload_length > 0).collect();
        let side = trace.packets[data[0]].direction;
        let later = data.iter().rev().find(|&&at| trace.packets[at].direction == side && at != data[0]);
        assert!(later.is_some(), "the trace has data twice from one side");
        trace.packets[data[0]].tcp_flags = Some(25);
    });
    assert_eq!(after_end.1, Some(0.0));
}

#[test]
fn a_connection_that_began_before_the_capture_or_answers_first_is_legal() {
    let traces = simulated_traces("os", "windows", 60, 10);
    let whole = traces.iter().filter(|trace| trace.packets[0].tcp_flags == Some(2) && trace.packets.len() > 5);
    for trace in whole {
        for first in 1..4 {
            let mut late = trace.clone();
            late.packets.drain(..first);
            let rows = compared(std::slice::from_ref(trace), &[late]);
            assert_eq!(value(&rows, Aspect::Validity, "tcp_state", Metric::Share), Some(1.0), "from packet {first}");
            assert_eq!(value(&rows, Aspect::Validity, "tcp_sequence", Metric::Share), Some(1.0), "from packet {first}");
        }
    }
}

#[test]
fn pairs_of_fields_differ_where_the_marginals_agree() {
    // ports 1 and 2 with TTL 10 and 20: always together, or crosswise in half of the packets
    let base = simulated_traces("os", "mac", 1, 1).remove(0);
    let make = |pairs: &[(u16, u8)]| -> Vec<Trace> {
        let one = |&(port, ttl): &(u16, u8)| {
            let mut trace = base.clone();
            trace.packets.truncate(1);
            (trace.packets[0].src_port, trace.packets[0].ttl) = (port, ttl);
            trace
        };
        pairs.iter().map(one).collect()
    };
    let rows = compared(&make(&[(1, 10), (1, 10), (2, 20), (2, 20)]), &make(&[(1, 10), (1, 20), (2, 10), (2, 20)]));
    assert_eq!(value(&rows, Aspect::Header, "src_port", Metric::JensenShannonDistance), Some(0.0));
    assert_eq!(value(&rows, Aspect::Header, "ttl", Metric::Wasserstein), Some(0.0));
    // shares (1/2, 0, 0, 1/2) against four quarters: half the sum of differences is 1/2
    assert_eq!(value(&rows, Aspect::Joint, "src_port+ttl", Metric::TotalVariation), Some(0.5));
}

#[test]
fn order_of_packets_is_seen_by_transitions_and_not_by_flow_statistics() {
    let traces = simulated_traces("vca", "meet", 60, 10);
    let mut reversed = traces.clone();
    for trace in &mut reversed {
        let times: Vec<i64> = trace.packets.iter().map(|packet| packet.time_us).collect();
        trace.packets.reverse();
        for (packet, time_us) in trace.packets.iter_mut().zip(times) {
            packet.time_us = time_us;
        }
    }
    let rows = compared(&traces, &reversed);
    for field in ["packets", "bytes", "payload_bytes", "duration_us"] {
        assert_eq!(value(&rows, Aspect::Flow, field, Metric::Wasserstein), Some(0.0), "{field}");
    }
    assert_eq!(value(&rows, Aspect::Timing, "inter_arrival_us", Metric::Wasserstein), Some(0.0));
    assert!(value(&rows, Aspect::Transition, "length_transition", Metric::TotalVariation) > Some(0.1));
    assert!(value(&rows, Aspect::Transition, "direction_pattern", Metric::JensenShannonDistance) > Some(0.1));
}

#[test]
fn copies_collapse_and_new_values_are_told_apart_by_diversity() {
    let traces = simulated_traces("os", "ubuntu", 40, 10);
    let copies = vec![traces[3].clone(); 40];
    let rows = compared(&traces, &copies);
    let of = |field, metric| value(&rows, Aspect::Diversity, field, metric).unwrap();
    assert_eq!(of("trace", Metric::DistinctShare), 1.0 / 40.0);
    assert_eq!(of("trace", Metric::Novelty), 0.0, "every one is a copy of a real trace");
    assert!(of("trace", Metric::Coverage) <= 2.0 / 40.0);
    assert!(of("src_ip", Metric::Coverage) < 0.2);
    let mut moved = traces.clone();
    for packet in moved.iter_mut().flat_map(|trace| &mut trace.packets) {
        packet.src_ip[0] ^= 1;
        packet.data[14 + 12] ^= 1;
    }
    let rows = compared(&traces, &moved);
    let of = |field, metric| value(&rows, Aspect::Diversity, field, metric).unwrap();
    assert_eq!((of("src_ip", Metric::Novelty), of("src_ip", Metric::Coverage)), (1.0, 0.0));
    assert_eq!((of("trace", Metric::Novelty), of("headers", Metric::Novelty)), (1.0, 1.0));
    assert_eq!((of("ttl", Metric::Novelty), of("src_ip", Metric::DistinctRatio)), (0.0, 1.0));
}

#[test]
fn variance_within_a_trace_is_of_ranks_and_zero_where_all_packets_are_alike() {
    let base = simulated_traces("os", "mac", 1, 1).remove(0);
    let make = |lengths: &[u32]| {
        let mut trace = base.clone();
        let packet = trace.packets[0].clone();
        trace.packets =
            lengths.iter().map(|&ip_length| syntrace::record::Packet { ip_length, ..packet.clone() }).collect();
        trace
    };
    let real = [make(&[100, 200]), make(&[100, 300])];
    let rows = compared(&real, &real);
    // ranks 2/8, 2/8, 5/8, 7/8: variances (3/16)^2 and (5/16)^2, median 17/256
    let of = |rows: &[FidelityRow], field, metric| value(rows, Aspect::Variance, field, metric);
    assert_eq!(of(&rows, "ip_length", Metric::MedianVariance), Some(17.0 / 256.0));
    assert_eq!(of(&rows, "ip_length", Metric::VarianceKept), Some(1.0));
    assert_eq!(of(&rows, "ttl", Metric::MedianVariance), None, "constant in the reference");
    // no scale: what keeps the order keeps the measure
    let stretched = [make(&[10, 2_000]), make(&[10, 60_000])];
    assert_eq!(compared(&stretched, &stretched), rows);
    // what is constant in every trace does not vary, whatever the mean of equal ranks is rounded to
    for packets in 2..14 {
        let constant = [100, 100, 300].map(|length| make(&vec![length; packets]));
        let rows = compared(&constant, &constant);
        assert_eq!(of(&rows, "ip_length", Metric::MedianVariance), Some(0.0), "{packets}");
        assert_eq!(of(&rows, "ip_length", Metric::VarianceKept), None, "{packets}");
    }
    // half of the traces without packets: what is not there does not vary
    for collapsed in [[make(&[100, 100]), make(&[300, 300])], [make(&[]), make(&[])]] {
        let collapsed = compared(&real, &collapsed);
        assert_eq!(of(&collapsed, "ip_length", Metric::VarianceKept), Some(0.0));
        assert_eq!(of(&collapsed, "all", Metric::VarianceKept), Some(0.0));
        assert_eq!(of(&collapsed, "all", Metric::LargestVarianceKept), Some(0.0));
    }
}

/// Everything a trace's packets say is that of its first packet, but for the time.
fn frozen(trace: &Trace) -> Trace {
    let mut frozen = trace.clone();
    for (packet, original) in frozen.packets.iter_mut().zip(&trace.packets) {
        *packet = syntrace::record::Packet { time_us: original.time_us, ..trace.packets[0].clone() };
    }
    frozen
}

#[test]
fn real_traffic_never_looks_collapsed_whatever_its_addresses_and_repeated_packets_do() {
    const COLLAPSED: f64 = 0.1;
    let kept = |real: &[Trace], other: &[Trace]| {
        value(&compared(real, other), Aspect::Variance, "all", Metric::VarianceKept).unwrap()
    };
    for (dataset, class) in
        [("os", "windows"), ("os", "ubuntu"), ("os", "mac"), ("vca", "meet"), ("vca", "teams"), ("vca", "webex")]
    {
        let traces = simulated_traces(dataset, class, 160, 10);
        let (real, held_out): (Vec<_>, Vec<_>) = traces.into_iter().enumerate().partition(|(index, _)| index % 2 == 0);
        let side = |side: Vec<(usize, Trace)>| side.into_iter().map(|(_, trace)| trace).collect::<Vec<_>>();
        let (mut real, held_out) = (side(real), side(held_out));
        let before = kept(&real, &held_out);
        assert!((0.5..2.0).contains(&before), "{dataset}/{class}: {before}");
        let all_but_time: Vec<Trace> = held_out.iter().map(frozen).collect();
        let frozen = kept(&real, &all_but_time);
        assert!(frozen < 0.5 * before, "{dataset}/{class}: {frozen} beside {before}");
        // two hosts of another family
        for packet in real.iter_mut().take(2).flat_map(|trace| &mut trace.packets) {
            (packet.src_ip, packet.dst_ip, packet.ip_version) = (vec![0xfe; 16], vec![0x20; 16], 6);
        }
        let after = kept(&real, &held_out);
        assert!(after > 5.0 * COLLAPSED && (after - before).abs() < 0.2, "{dataset}/{class}: {after} after {before}");
    }
}

#[test]
fn detection_is_near_chance_for_one_population_and_sure_for_two_that_differ() {
    let traces = simulated_traces("os", "windows", 160, 10);
    let (a, b) = traces.split_at(80);
    let auc = |a: &[Trace], b: &[Trace]| {
        let rows =
            detection((PopulationName::Members, &refs(a)), (PopulationName::Synthetic, &refs(b)), 10, Seed::root(3))
                .unwrap();
        (rows[0].value.unwrap(), rows[1].value.unwrap())
    };
    // flows of one simulated class in their order of time: hosts and ports repeat, so not exactly chance;
    // the standard error of an AUC of 80 against 80 at chance is 0.046
    let (same, accuracy) = auc(a, b);
    assert!((0.3..0.7).contains(&same) && (0.3..0.7).contains(&accuracy), "{same} {accuracy}");
    let mut marked = b.to_vec();
    for packet in marked.iter_mut().flat_map(|trace| &mut trace.packets) {
        packet.ttl = 1;
    }
    // a forest looks at 13 of 170 features a split, so that not every tree finds the mark first
    let (differing, accuracy) = auc(a, &marked);
    assert!(differing > 0.95 && accuracy > 0.9, "{differing} {accuracy}");
    assert_eq!(auc(a, b), auc(a, b), "the same seed gives the same score");
    let few =
        detection((PopulationName::Members, &refs(&a[..3])), (PopulationName::Synthetic, &refs(b)), 10, Seed::root(3));
    assert_eq!(few.unwrap()[0].value, None, "three traces teach nothing");
}

#[test]
fn means_of_header_distances_are_those_of_the_cells() {
    let traces = simulated_traces("os", "ubuntu", 120, 10);
    let (real, rest) = traces.split_at(60);
    let mut other = rest.to_vec();
    // some that stop early, some that were not generated at all
    for (index, trace) in other.iter_mut().enumerate() {
        trace.packets.truncate(if index % 7 == 0 { 0 } else { 3 + index % 8 });
    }
    let means = |seed| {
        header_means(
            (PopulationName::Members, &refs(real)),
            (PopulationName::Synthetic, &refs(&other)),
            Seed::root(seed),
        )
    };
    let (cells, found) = (compared(real, &other), means(1));
    for metric in [Metric::JensenShannonDistance, Metric::WassersteinScaled] {
        let by_field = mean_by_field(&cells, PopulationName::Synthetic, metric);
        assert!(!by_field.is_empty());
        let mean = |field: &str| found.iter().find(|row| row.field == field && row.metric == metric).unwrap();
        for expected in &by_field {
            let (row, expected) = (mean(expected.field), expected.value.unwrap());
            assert!((row.value.unwrap() - expected).abs() < 1e-9, "{row:?} beside {expected}");
            let (low, high) = row.interval.unwrap();
            assert!(low <= row.value.unwrap() && row.value.unwrap() <= high, "{row:?}");
            assert_eq!((row.aspect, row.n_real, row.n_compared), (Aspect::Mean, 60, 60));
        }
        let all = by_field.iter().map(|mean| mean.value.unwrap()).sum::<f64>() / by_field.len() as f64;
        assert!((mean("all").value.unwrap() - all).abs() < 1e-9);
    }
    assert_eq!(means(1), found, "the same seed gives the same intervals");
    assert_ne!(means(2), found);
}

#[test]
fn intervals_of_mean_distances_cover_what_other_traces_give() {
    const STUDIES: usize = 25;
    const TRACES: usize = 40;
    let pool = simulated_traces("os", "windows", 2 * (STUDIES * TRACES) as u32 + 200, 10);
    let mut found = Vec::new();
    for pair in pool.chunks_exact(2 * TRACES).take(STUDIES) {
        let (real, other) = pair.split_at(TRACES);
        let rows = header_means(
            (PopulationName::Members, &refs(real)),
            (PopulationName::HeldOut, &refs(other)),
            Seed::root(3),
        );
        let all = rows.into_iter().find(|row| row.field == "all" && row.metric == Metric::JensenShannonDistance);
        found.push(all.unwrap());
    }
    assert_eq!(found.len(), STUDIES);
    let expected = found.iter().map(|row| row.value.unwrap()).sum::<f64>() / STUDIES as f64;
    let covers = |row: &&FidelityRow| row.interval.is_some_and(|(low, high)| low <= expected && expected <= high);
    let covered = found.iter().filter(covers).count();
    // 95 % of 25 are 24; below 20 with probability 0.0002
    assert!(covered >= 20, "{covered} of {STUDIES} cover {expected}: {found:?}");
    let width =
        found.iter().map(|row| row.interval.map_or(1.0, |(low, high)| high - low)).sum::<f64>() / STUDIES as f64;
    assert!(width < 0.2, "{width}");
}
