//! The grammar of packets: no real trace is refused, and whatever it allows is a well-formed packet.

use crate::common::simulated_traces;
use proptest::prelude::*;
use rand::RngExt;
use syntrace::base::Seed;
use syntrace::encoding::tokens::{TOKEN_DELIMITER, TOKEN_END, header_view, trace_tokens};
use syntrace::encoding::{PacketGrammar, TokenLayout, tokens_to_packets};
use syntrace::synth::{DecodeMode, DecodeOptions, decode_trace};

const PACKETS: usize = 4;

fn layouts() -> [TokenLayout; 3] {
    let paper = TokenLayout::paper();
    [TokenLayout::small(), paper, TokenLayout { published: true, ..paper }]
}

/// Headers that the layout cuts are left out: a cut packet is what the grammar is there to prevent.
#[test]
fn simulated_traces_are_allowed_token_by_token() {
    let mut read = 0;
    for (dataset, class) in [("os", "windows"), ("vca", "teams"), ("public", "bsd")] {
        for trace in simulated_traces(dataset, class, 12, 10) {
            for layout in layouts() {
                let room = usize::from(layout.packet_bytes) - if layout.link_header { 14 } else { 0 };
                let long = TokenLayout { packet_bytes: u16::MAX, link_header: false, ..layout };
                if trace.packets.iter().any(|packet| header_view(packet, &long).len() > room) {
                    continue;
                }
                let mut grammar = PacketGrammar::new(layout, trace.packets.len());
                let mut allowed = Vec::new();
                for (at, &token) in trace_tokens(&trace, &layout)[1..].iter().enumerate() {
                    let rule = grammar.next(&mut allowed);
                    assert!(allowed.contains(&token), "{dataset} {class}: token {at} is {token}, refused by {rule}");
                    grammar.push(token);
                }
                read += 1;
            }
        }
    }
    assert!(read > 30, "{read} traces fit");
}

proptest! {
    /// Ids by chance, with bytes that steer the walk drawn more often than others.
    #[test]
    fn whatever_the_grammar_allows_parses_with_lengths_that_fit(seed in any::<u64>(), which in 0..3usize) {
        let layout = layouts()[which];
        let mut rng = Seed::root(seed).rng();
        let mut grammar = PacketGrammar::new(layout, PACKETS);
        let (mut allowed, mut tokens) = (Vec::new(), Vec::new());
        while tokens.len() + 1 < layout.tokens_max(PACKETS) {
            grammar.next(&mut allowed);
            let token = if rng.random::<f64>() < 0.3 { allowed[0] } else { allowed[rng.random_range(0..allowed.len())] };
            grammar.push(token);
            tokens.push(token);
            if token == TOKEN_END {
                break;
            }
        }
        prop_assert!(layout.published || tokens.ends_with(&[TOKEN_DELIMITER, TOKEN_END]));
        let frames = tokens_to_packets(&tokens, &layout);
        let decoded = decode_trace(&frames, &DecodeOptions { mode: DecodeMode::Mended, ..DecodeOptions::default() });
        prop_assert_eq!(&decoded.rejections, &[]);
        prop_assert_eq!(decoded.packets.len(), frames.len());
        prop_assert!(!frames.is_empty() && frames.len() <= PACKETS);
        prop_assert_eq!((decoded.mended.ip_length, decoded.mended.udp_length), (0, 0));
        for packet in &decoded.packets {
            // Stated payload is absent, so headers are read as far as they go.
            let read = etherparse::LaxPacketHeaders::from_ethernet(&packet.data).unwrap();
            prop_assert!(read.stop_err.is_none(), "{:?} {:02x?}", read.stop_err, packet.data);
        }
    }

    /// A walk that does not follow it: no panic, and never without a token.
    #[test]
    fn tokens_that_it_refused_do_not_stop_it(tokens in proptest::collection::vec(0..272u16, 0..200), which in 0..3usize) {
        let mut grammar = PacketGrammar::new(layouts()[which], PACKETS);
        let mut allowed = Vec::new();
        for token in tokens {
            grammar.push(token);
            grammar.next(&mut allowed);
        }
    }
}
