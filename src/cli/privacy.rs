//! `syntrace privacy`: accounting without a study (`epsilon`, `noise`), and of a release (`compose`)

use super::compose::{ComposeArgs, compose};
use super::format_epsilon::{number, number_json, shown};
use crate::base::{ClipNorm, Delta, Epsilon, NoiseMultiplier, SamplingRate};
use crate::error::{Error, Result};
use crate::privacy::{
    Accountant, Budget, EpsilonBounds, Ledger, NEIGHBOURS, SpentEpsilon, noise_multiplier, pld_epsilon,
};
use crate::record::{Mechanism, PrivacyEvent};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Account for DP: epsilon of some training, the noise that a budget needs, the epsilon of several models together
///
/// For Poisson sampling, noise on the sum of clipped contributions, and neighbours that differ by one
/// trace. Two accountants answer: `rdp` (Renyi) and `pld` (privacy loss distributions, tight).
#[derive(Debug, Args)]
pub(super) struct PrivacyArgs {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    Epsilon(EpsilonArgs),
    Noise(NoiseArgs),
    Compose(ComposeArgs),
}

/// What a training spends
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
struct EpsilonArgs {
    /// Probability of a trace to be in a step's batch
    #[arg(long, required_unless_present = "phase", requires_all = ["noise_multiplier", "steps"])]
    sample_rate: Option<f64>,
    /// Standard deviation of the noise on the sum, in units of the clip norm
    #[arg(long, required_unless_present = "phase", requires_all = ["sample_rate", "steps"])]
    noise_multiplier: Option<f64>,
    /// Steps
    #[arg(long, required_unless_present = "phase", requires_all = ["sample_rate", "noise_multiplier"])]
    steps: Option<u64>,
    /// One more phase (another critic, another rate), as RATE,NOISE,STEPS; may be repeated
    #[arg(long, value_name = "RATE,NOISE,STEPS")]
    phase: Vec<String>,
    /// Delta
    #[arg(long)]
    delta: f64,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// The smallest noise multiplier that keeps a training within a budget
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
struct NoiseArgs {
    /// Target epsilon
    #[arg(long)]
    epsilon: f64,
    /// Delta
    #[arg(long)]
    delta: f64,
    /// Probability of a trace to be in a step's batch
    #[arg(long)]
    sample_rate: f64,
    /// Steps
    #[arg(long)]
    steps: u64,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn privacy(args: &PrivacyArgs) -> Result<ExitCode> {
    match &args.question {
        Question::Epsilon(args) => epsilon(args)?,
        Question::Noise(args) => noise(args)?,
        Question::Compose(args) => compose(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn event(sample_rate: f64, noise: f64, steps: u64) -> Result<PrivacyEvent> {
    Ok(PrivacyEvent {
        phase: "asked".to_owned(),
        mechanism: Mechanism::PoissonSubsampledGaussian,
        sampling_rate: SamplingRate::new(sample_rate)?,
        noise_multiplier: NoiseMultiplier::new(noise)?,
        // epsilon does not depend on it: noise is in its units
        clip_norm: ClipNorm::new(1.0)?,
        steps,
    })
}

fn parse_phase(text: &str) -> Result<PrivacyEvent> {
    let wrong = || {
        Error::user(format!("expected --phase RATE,NOISE,STEPS, found `{text}`"))
            .hint("for example --phase 0.025,1.1,400")
    };
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let [rate, noise, steps] = parts.as_slice() else { return Err(wrong()) };
    let rate = rate.parse().map_err(|_| wrong())?;
    event(rate, noise.parse().map_err(|_| wrong())?, steps.parse().map_err(|_| wrong())?)
}

fn ledger(args: &EpsilonArgs) -> Result<Ledger> {
    let mut ledger = Ledger::default();
    if let (Some(rate), Some(noise), Some(steps)) = (args.sample_rate, args.noise_multiplier, args.steps) {
        ledger.record(event(rate, noise, steps)?);
    }
    for phase in &args.phase {
        ledger.record(parse_phase(phase)?);
    }
    Ok(ledger)
}

/// Both answers; the error of the first where both fail.
fn answers<A, B>(rdp: Result<A>, pld: Result<B>) -> Result<(Result<A>, Result<B>)> {
    match (rdp, pld) {
        (Err(error), Err(_)) => Err(error),
        both => Ok(both),
    }
}

fn epsilon(args: &EpsilonArgs) -> Result<()> {
    let (ledger, delta) = (ledger(args)?, Delta::new(args.delta)?);
    let (rdp, pld) = answers(crate::privacy::epsilon(&ledger, delta), pld_epsilon(&ledger, delta))?;
    if args.json {
        say!("{}", json!({ "rdp": answer_json(&rdp, rdp_json), "pld": answer_json(&pld, pld_json) }));
        return Ok(());
    }
    say!("epsilon at delta {}, neighbours: {NEIGHBOURS}", args.delta);
    if let Some(spent) = shown(&rdp) {
        let order = spent.order.map(|order| format!(" (order {order})")).unwrap_or_default();
        say!("rdp  {}{order}", number(spent.epsilon));
    }
    if let Some(bounds) = shown(&pld) {
        let [lower, estimate, upper] = [bounds.lower, bounds.estimate, bounds.upper].map(number);
        say!("pld  {upper} (estimate {estimate}, lower bound {lower})");
    }
    Ok(())
}

fn rdp_json(spent: &SpentEpsilon) -> Value {
    json!({ "epsilon": number_json(spent.epsilon), "order": spent.order })
}

fn pld_json(bounds: &EpsilonBounds) -> Value {
    json!({
        "lower": number_json(bounds.lower),
        "estimate": number_json(bounds.estimate),
        "upper": number_json(bounds.upper),
    })
}

fn noise(args: &NoiseArgs) -> Result<()> {
    let budget = Budget {
        epsilon: Epsilon::new(args.epsilon)?,
        delta: Delta::new(args.delta)?,
        sampling_rate: SamplingRate::new(args.sample_rate)?,
        steps: args.steps,
    };
    let by = |accountant| noise_multiplier(&budget, accountant);
    let (rdp, pld) = answers(by(Accountant::Rdp), by(Accountant::Pld))?;
    let as_json = |noise: &NoiseMultiplier| number_json(noise.get());
    if args.json {
        let both = json!({ "rdp": answer_json(&rdp, as_json), "pld": answer_json(&pld, as_json) });
        say!("{}", json!({ "noise_multiplier": both }));
        return Ok(());
    }
    say!("noise multiplier for epsilon {} at delta {}, neighbours: {NEIGHBOURS}", args.epsilon, args.delta);
    for (name, answer) in [("rdp", &rdp), ("pld", &pld)] {
        if let Some(noise) = shown(answer) {
            say!("{name}  {}", number(noise.get()));
        }
    }
    Ok(())
}

/// As JSON, null where this accountant has no answer (why goes to stderr).
fn answer_json<T>(answer: &Result<T>, json: impl Fn(&T) -> Value) -> Value {
    shown(answer).map_or(Value::Null, json)
}
