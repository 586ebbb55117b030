//! IP2Vec (Ring et al. 2017) on a public vocabulary: ports and protocols as unit vectors.
//!
//! The published system trains word2vec on the private trace. Here the words are protocol constants
//! (assigned ports, logarithmic buckets of all others, TCP and UDP) and the sentences
//! `[source port, destination port, protocol]` are made of the same constants, so the vectors are a
//! pure function of the width: nothing of a private trace enters.

use rand::RngExt;
use syntrace_base::base::wire::{TCP, UDP};
use syntrace_base::base::{Seed, StreamRng};

/// A word of the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// An assigned port.
    Port(u16),
    /// All other ports from the first to the last, both included.
    Bucket(u16, u16),
    /// IP protocol number.
    Protocol(u8),
}

/// Assigned ports (IANA, and the documented ones of conference systems) with the protocols that they
/// are used with: 1 TCP, 2 UDP, 3 both. A short list on purpose: ten cells have to tell all words apart.
#[rustfmt::skip]
const SERVICES: &[(u16, u8)] = &[
    (20, 1), (21, 1), (22, 1), (25, 1), (53, 3), (67, 2), (68, 2), (80, 1), (110, 1), (123, 2),
    (137, 2), (138, 2), (143, 1), (161, 2), (389, 1), (443, 3), (445, 1), (465, 1), (500, 2), (587, 1),
    (853, 1), (993, 1), (995, 1), (1194, 2), (1900, 2), (3306, 1), (3389, 3), (3478, 2), (3479, 2), (3480, 2),
    (3481, 2), (4500, 2), (5004, 2), (5060, 2), (5222, 1), (5223, 1), (5228, 1), (5353, 2), (5355, 2), (7680, 1),
    (8080, 1), (8443, 1), (8801, 2), (9000, 2), (19302, 2), (19305, 2),
];

/// Both ports of these are often the same.
const SYMMETRIC: &[u16] = &[123, 137, 138, 500, 4500, 5353];
/// Client ports of today's systems (RFC 6335 section 6, and Linux from 32768).
const EPHEMERAL_FROM: u16 = 32_768;

/// Settings of word2vec: gensim's defaults, as in the published code of NetShare, except for one epoch instead of 5:
/// each epoch moves ports of the same role closer together, and a generator has to hit the right one. Median cosine of
/// a port and its nearest neighbour: 0.67 after one epoch, 0.83 after five, 0.9 after ten.
const PASSES: u32 = 1;
const NEGATIVES: usize = 5;
const RATE: f64 = 0.025;
const RATE_LAST: f64 = 1e-4;
/// Exponent of the frequencies in the draws of negatives (Mikolov et al. 2013, section 2.2).
const NEGATIVE_POWER: f64 = 0.75;

/// The vocabulary with its vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Words {
    width: usize,
    words: Vec<Word>,
    /// Unit vectors, one after another.
    vectors: Vec<f32>,
}

impl Words {
    /// Trains vectors of a width.
    pub fn trained(width: usize) -> Self {
        let words = vocabulary();
        let vectors = train(&words, width);
        Self { width, words, vectors }
    }

    /// The vocabulary with stored vectors; `None` if their number is not the vocabulary's.
    pub fn with_vectors(width: usize, vectors: Vec<f32>) -> Option<Self> {
        let words = vocabulary();
        (vectors.len() == words.len() * width).then_some(Self { width, words, vectors })
    }

    /// Number of words.
    pub fn count() -> usize {
        vocabulary().len()
    }

    /// All vectors, one after another.
    pub fn vectors(&self) -> &[f32] {
        &self.vectors
    }

    /// The unit vector of a port.
    pub fn port(&self, port: u16) -> &[f32] {
        self.vector(port_word(&self.words, port))
    }

    /// The unit vector of a protocol; all but TCP are read as UDP.
    pub fn protocol(&self, protocol: u8) -> &[f32] {
        let number = if protocol == TCP { TCP } else { UDP };
        self.vector(self.words.iter().position(|word| *word == Word::Protocol(number)).unwrap_or(0))
    }

    /// The port nearest by angle; a bucket gives one of its ports, drawn evenly.
    pub fn nearest_port(&self, vector: &[f32], rng: &mut StreamRng) -> u16 {
        match self.nearest(vector, |word| !matches!(word, Word::Protocol(_))) {
            Some(Word::Port(port)) => port,
            Some(Word::Bucket(first, last)) => draw_unassigned(first, last, rng),
            _ => 0,
        }
    }

    /// The protocol nearest by angle.
    pub fn nearest_protocol(&self, vector: &[f32]) -> u8 {
        match self.nearest(vector, |word| matches!(word, Word::Protocol(_))) {
            Some(Word::Protocol(protocol)) => protocol,
            _ => UDP,
        }
    }

    /// Which ports a port's word stands for: itself, or its bucket's first and last.
    pub fn port_range(&self, port: u16) -> (u16, u16) {
        match self.words.get(port_word(&self.words, port)) {
            Some(Word::Bucket(first, last)) => (*first, *last),
            _ => (port, port),
        }
    }

    fn vector(&self, word: usize) -> &[f32] {
        self.vectors.get(word * self.width..(word + 1) * self.width).unwrap_or_default()
    }

    fn nearest(&self, vector: &[f32], of_kind: impl Fn(&Word) -> bool) -> Option<Word> {
        let candidates = self.words.iter().enumerate().filter(|(_, word)| of_kind(word));
        // All are unit vectors: the largest product is the smallest angle. The first wins a tie.
        let mut best: Option<(f32, Word)> = None;
        for (index, word) in candidates {
            let product = self.vector(index).iter().zip(vector).map(|(a, b)| a * b).sum::<f32>();
            if best.is_none_or(|(largest, _)| product > largest) {
                best = Some((product, *word));
            }
        }
        best.map(|(_, word)| word)
    }
}

/// Assigned ports, buckets, protocols: the order is part of the weights' format.
fn vocabulary() -> Vec<Word> {
    let mut words: Vec<Word> = SERVICES.iter().map(|(port, _)| Word::Port(*port)).collect();
    words.extend([Word::Bucket(0, 511), Word::Bucket(512, 1023)]);
    // Octaves from 1024, the last in halves: 32768 and 49152 are where client ports start.
    words.extend((10..15).map(|octave| Word::Bucket(1 << octave, (2 << octave) - 1)));
    words.extend([Word::Bucket(32_768, 49_151), Word::Bucket(49_152, 65_535)]);
    words.extend([Word::Protocol(TCP), Word::Protocol(UDP)]);
    words
}

fn port_word(words: &[Word], port: u16) -> usize {
    let exact = words.iter().position(|word| *word == Word::Port(port));
    let inside =
        || words.iter().position(|word| matches!(word, Word::Bucket(first, last) if (*first..=*last).contains(&port)));
    exact.or_else(inside).unwrap_or(0)
}

/// An evenly drawn port of a range that is not an assigned one.
fn draw_unassigned(first: u16, last: u16, rng: &mut StreamRng) -> u16 {
    let mut assigned: Vec<u16> =
        SERVICES.iter().map(|(port, _)| *port).filter(|port| (first..=last).contains(port)).collect();
    assigned.sort_unstable();
    let free = u32::from(last - first) + 1 - assigned.len() as u32;
    let mut port = first.saturating_add(rng.random_range(0..free.max(1)) as u16);
    for taken in assigned {
        if port >= taken {
            port = port.saturating_add(1);
        }
    }
    port
}

/// Sentences to learn from, as indices of words: each service's port with each bucket of client ports, in both
/// directions.
fn sentences(words: &[Word]) -> Vec<[usize; 3]> {
    let protocol = |number: u8| words.iter().position(|word| *word == Word::Protocol(number)).unwrap_or(0);
    let clients: Vec<usize> = (0..words.len())
        .filter(|&index| matches!(words.get(index), Some(Word::Bucket(first, _)) if *first >= EPHEMERAL_FROM))
        .collect();
    let mut sentences = Vec::new();
    let mut talk = |service: usize, number: u8| {
        for &client in &clients {
            sentences.push([client, service, protocol(number)]);
            sentences.push([service, client, protocol(number)]);
        }
    };
    for (port, used_with) in SERVICES {
        for (bit, number) in [(1, TCP), (2, UDP)] {
            if used_with & bit != 0 {
                talk(port_word(words, *port), number);
            }
        }
    }
    for (index, word) in words.iter().enumerate() {
        if matches!(word, Word::Bucket(..)) {
            talk(index, TCP);
            talk(index, UDP);
        }
    }
    for port in SYMMETRIC {
        let word = port_word(words, *port);
        sentences.extend(std::iter::repeat_n([word, word, protocol(UDP)], clients.len()));
    }
    sentences
}

/// Continuous bag of words with negative samples (Mikolov et al. 2013), one thread, seeded.
fn train(words: &[Word], width: usize) -> Vec<f32> {
    let seed = Seed::root(0).named("ip2vec");
    let mut rng = seed.rng();
    let sentences = sentences(words);
    let mut input: Vec<f64> = (0..words.len() * width).map(|_| (rng.random::<f64>() - 0.5) / width as f64).collect();
    let mut output = vec![0.0; words.len() * width];
    let cumulative = negative_table(words.len(), &sentences);
    let total = (PASSES as usize * sentences.len()) as f64;
    let mut done = 0.0;
    for _ in 0..PASSES {
        for sentence in &sentences {
            let rate = RATE + (RATE_LAST - RATE) * done / total;
            for place in 0..sentence.len() {
                step(sentence, place, rate, &mut input, &mut output, width, &cumulative, &mut rng);
            }
            done += 1.0;
        }
    }
    // Removes the component that all ports share (Mu and Viswanath 2018, algorithm 1).
    let (ports, protocols) = input.split_at_mut((words.len() - 2) * width);
    centre(ports, width);
    centre(protocols, width);
    unit_vectors(&input, width)
}

/// Takes the mean vector away.
fn centre(vectors: &mut [f64], width: usize) {
    let count = (vectors.len() / width) as f64;
    for cell in 0..width {
        let mean = vectors.iter().skip(cell).step_by(width).sum::<f64>() / count;
        vectors.iter_mut().skip(cell).step_by(width).for_each(|value| *value -= mean);
    }
}

/// One word predicted from the mean of the sentence's others.
#[expect(clippy::too_many_arguments, reason = "the state of word2vec, used in one place")]
fn step(
    sentence: &[usize; 3],
    place: usize,
    rate: f64,
    input: &mut [f64],
    output: &mut [f64],
    width: usize,
    cumulative: &[f64],
    rng: &mut StreamRng,
) {
    let context: Vec<usize> =
        (0..sentence.len()).filter(|&other| other != place).map(|other| sentence[other]).collect();
    let share = 1.0 / context.len() as f64;
    let mean: Vec<f64> =
        (0..width).map(|cell| context.iter().map(|word| input[word * width + cell]).sum::<f64>() * share).collect();
    let mut error = vec![0.0; width];
    for draw in 0..=NEGATIVES {
        let (word, label) = if draw == 0 {
            (sentence[place], 1.0)
        } else {
            let uniform = rng.random::<f64>() * cumulative.last().copied().unwrap_or(1.0);
            (cumulative.partition_point(|&sum| sum <= uniform).min(cumulative.len() - 1), 0.0)
        };
        if draw > 0 && word == sentence[place] {
            continue;
        }
        let row = &mut output[word * width..(word + 1) * width];
        let product: f64 = row.iter().zip(&mean).map(|(a, b)| a * b).sum();
        let gain = (label - 1.0 / (1.0 + (-product).exp())) * rate;
        for (cell, value) in row.iter_mut().enumerate() {
            error[cell] += gain * *value;
            *value += gain * mean[cell];
        }
    }
    for word in context {
        for (cell, value) in input[word * width..(word + 1) * width].iter_mut().enumerate() {
            *value += error[cell] * share;
        }
    }
}

fn negative_table(words: usize, sentences: &[[usize; 3]]) -> Vec<f64> {
    let mut counts = vec![0.0f64; words];
    for word in sentences.iter().flatten() {
        counts[*word] += 1.0;
    }
    let mut sum = 0.0;
    counts
        .iter()
        .map(|count| {
            sum += count.powf(NEGATIVE_POWER);
            sum
        })
        .collect()
}

fn unit_vectors(vectors: &[f64], width: usize) -> Vec<f32> {
    let unit = |vector: &[f64]| {
        let norm = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        vector.iter().map(|value| (value / norm) as f32).collect::<Vec<f32>>()
    };
    vectors.chunks_exact(width).flat_map(unit).collect()
}
