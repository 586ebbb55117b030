//! The critics' per-trace gradients against torch.func's and against autograd's double backward pass.

use crate::nn::{Conformance, assert_close};
use syntrace::base::Seed;
use syntrace::model::netshare::{Activation, Critic, CriticBatch};
use syntrace::nn::{Params, PerTrace};
use syntrace::train::{Clipping, DpPlan, PerSampleGrads, standard_normal};
use tch::{Device, Kind, Tensor};

/// Relative and absolute tolerance against the reference vectors in double precision.
const DOUBLE: (f64, f64) = (1e-8, 1e-10);
/// The same in single precision.
const SINGLE: (f64, f64) = (1e-3, 1e-4);

const CASES: [&str; 6] = [
    "wgangp_relu_eps0",
    "wgangp_relu_eps1e-8",
    "wgangp_leaky_relu_0p2_eps0",
    "wgangp_leaky_relu_0p2_eps1e-8",
    "wgangp_tanh_eps0",
    "wgangp_tanh_eps1e-8",
];

/// The critic of a case, twice along the model axis.
fn critic(case: &Conformance, kind: Kind) -> (Critic, Params) {
    let activation = match case.spec["activation"].as_str().unwrap() {
        "relu" => Activation::Relu,
        "leaky_relu_0.2" => Activation::LeakyRelu,
        "tanh" => Activation::Tanh,
        other => panic!("activation {other}"),
    };
    let mut params = Params::new(2);
    let mut add = |name: String| {
        let value = case.get(&format!("param.{name}")).to_kind(kind);
        params.add(name, Tensor::stack(&[&value, &value], 0))
    };
    let layers = (0..3).map(|layer| (add(format!("l{layer}.weight")), add(format!("l{layer}.bias")))).collect();
    (Critic { layers, activation }, params)
}

/// The case's traces for the first model, reversed for the second; one sample a trace.
fn both(values: &Tensor) -> Tensor {
    Tensor::stack(&[values, &values.flip([0])], 0).unsqueeze(2)
}

fn check(case: &Conformance, kind: Kind, (relative, absolute): (f64, f64)) {
    let (critic, params) = critic(case, kind);
    let of = |name: &str| case.get(name).to_kind(kind);
    let (real, fake, alpha) = (of("real"), of("fake"), of("alpha"));
    let between = &alpha * &real + (1.0 - &alpha) * &fake;
    let (real, fake, between) = (both(&real), both(&fake), both(&between));
    let weights = Tensor::ones(&real.size()[..3], (kind, Device::Cpu));
    let number = |name: &str| case.spec[name].as_f64().unwrap();
    let (penalty, eps) = (number("lam"), number("gp_eps"));
    let batch = CriticBatch { real: &real, fake: &fake, between: &between, weights: &weights, penalty, eps };
    let mut gradients = PerTrace::new(&params, real.size()[1]);
    let loss = critic.gradients(&params, None, &batch, &mut gradients);
    let whole = &loss.distance + &loss.penalty * penalty;
    for (found, name) in [(&whole, "critic_loss_per_sample"), (&loss.penalty, "penalty_per_sample")] {
        let expected = case.get(name);
        assert_close(&found.get(0), &expected, relative, absolute, name);
        assert_close(&found.get(1), &expected.flip([0]), relative, absolute, name);
    }
    for param in params.handles() {
        let name = format!("per_sample_grad.{}", params.name(param));
        assert_close(&gradients.formed(param).get(0), &case.get(&name), relative, absolute, &name);
    }
    // The norms once more from products of the factors, without forming anything.
    let mut gradients = PerTrace::new(&params, real.size()[1]);
    critic.gradients(&params, None, &batch, &mut gradients);
    let dp = Some(DpPlan { noise_multiplier: 0.0, clip_norm: number("max_grad_norm") });
    let (sums, norms) = PerSampleGrads::new(gradients).clip(&Clipping::new(&[dp, dp]));
    assert_close(&norms.get(0), &case.get("per_sample_grad_norm"), relative, absolute, "norms");
    for (param, sum) in params.handles().zip(sums.sums()) {
        let name = format!("clipped_sum.{}", params.name(param));
        for model in 0..2 {
            assert_close(&sum.as_ref().unwrap().get(model), &case.get(&name), relative, absolute, &name);
        }
    }
}

#[test]
fn critic_gradients_agree_with_the_conformance_vectors() {
    for name in CASES {
        let case = Conformance::load(name);
        check(&case, Kind::Double, DOUBLE);
        check(&case, Kind::Float, SINGLE);
    }
}

#[test]
fn scores_agree_with_the_conformance_vectors() {
    for name in CASES {
        let case = Conformance::load(name);
        let (critic, params) = critic(&case, Kind::Double);
        for (input, expected) in [("real", "score_real"), ("fake", "score_fake")] {
            let scores = critic.scores(&params, None, &both(&case.double(input)).squeeze_dim(2));
            assert_close(&scores.get(0), &case.get(expected), DOUBLE.0, DOUBLE.1, expected);
        }
    }
}

fn random(name: &str, shape: &[i64]) -> Tensor {
    let count = shape.iter().product();
    standard_normal(&Seed::root(7).named(name), 0, count).to_kind(Kind::Double).view(shape)
}

/// Loss of one trace by autograd with a double backward pass, and its gradients.
fn twin(critic: &Critic, weights: &[Tensor], samples: [&Tensor; 3], shares: &Tensor) -> (f64, Vec<Tensor>) {
    let forward = |x: &Tensor| {
        let mut x = x.shallow_clone();
        for (index, pair) in weights.chunks(2).enumerate() {
            x = x.matmul(&pair[0].tr()) + &pair[1];
            if index + 1 < critic.layers.len() {
                x = match critic.activation {
                    Activation::Relu => x.relu(),
                    Activation::LeakyRelu => x.maximum(&(&x * 0.2)),
                    Activation::Tanh => x.tanh(),
                };
            }
        }
        x.squeeze_dim(1)
    };
    let [real, fake, between] = samples;
    let between = between.detach().set_requires_grad(true);
    let inner = Tensor::run_backward(&[forward(&between).sum(Kind::Double)], &[&between], true, true);
    let norm = ((&inner[0] * &inner[0]).sum_dim_intlist([1].as_slice(), false, None) + 1e-8).sqrt();
    let penalty = (&norm - 1.0) * (&norm - 1.0) * 10.0;
    let loss = ((forward(fake) - forward(real) + penalty) * shares).sum(Kind::Double);
    let gradients = Tensor::run_backward(&[&loss], weights, false, false);
    (loss.double_value(&[]), gradients)
}

/// Three models, four traces of one or two samples, a subset of the models in another order of rows.
#[test]
fn critic_gradients_of_several_samples_equal_autograd_one_trace_at_a_time() {
    const TOLERANCE: f64 = 1e-9;
    for activation in [Activation::Relu, Activation::LeakyRelu, Activation::Tanh] {
        let mut params = Params::new(3);
        let mut add = |name: String, shape: &[i64]| {
            let value = random(&name, shape) * 0.6;
            params.add(name, value)
        };
        let sizes = [(5, 9), (9, 7), (7, 7), (7, 1)];
        let layers = sizes
            .iter()
            .enumerate()
            .map(|(index, &(p, q))| (add(format!("w{index}"), &[3, q, p]), add(format!("b{index}"), &[3, q])))
            .collect();
        let critic = Critic { layers, activation };
        let models = [0usize, 2];
        let shape = [2, 4, 2, 5];
        let [real, fake, between] = ["real", "fake", "between"].map(|name| random(name, &shape));
        let rows = [1.0, 0.0, 0.5, 0.5, 1.0, 0.0, 0.5, 0.5];
        let shares = Tensor::from_slice(&[rows, rows].concat()).view([2, 4, 2]);
        let batch =
            CriticBatch { real: &real, fake: &fake, between: &between, weights: &shares, penalty: 10.0, eps: 1e-8 };
        let mut gradients = PerTrace::for_models(&params, 2, 4);
        let loss = critic.gradients(&params, Some(&models), &batch, &mut gradients);
        let formed: Vec<Tensor> = params.handles().map(|param| gradients.formed(param)).collect();
        for (row, &model) in models.iter().enumerate() {
            let weights: Vec<Tensor> = params
                .handles()
                .map(|param| params.get(param).get(model as i64).detach().set_requires_grad(true))
                .collect();
            for trace in 0..4 {
                let own = |x: &Tensor| x.get(row as i64).get(trace);
                let samples = [own(&real), own(&fake), own(&between)];
                let (expected, expected_gradients) =
                    twin(&critic, &weights, [&samples[0], &samples[1], &samples[2]], &own(&shares));
                let found = own(&(&loss.distance + &loss.penalty * 10.0)).double_value(&[]);
                assert!((found - expected).abs() < TOLERANCE, "{found} and {expected}");
                for (found, expected) in formed.iter().zip(&expected_gradients) {
                    assert_close(&own(found), expected, TOLERANCE, TOLERANCE, "gradient");
                }
            }
        }
    }
}

/// Gradients of a real and a generated sample that nearly cancel, at weights whose terms are a million
/// times larger: products of factors in f32 would give a norm of zero or not a number.
#[test]
fn norms_of_cancelling_terms_do_not_shrink() {
    const TOLERANCE: f64 = 1e-2;
    let mut params = Params::new(1);
    let weight = (Tensor::ones([1, 1, 64], (Kind::Float, Device::Cpu))) * 1e-3;
    let critic = Critic {
        layers: vec![(params.add("w", weight), params.add("b", Tensor::zeros([1, 1], (Kind::Float, Device::Cpu))))],
        activation: Activation::Relu,
    };
    let real = Tensor::ones([1, 1, 1, 64], (Kind::Float, Device::Cpu)) * 1e4;
    let fake = &real + 0.5;
    let weights = Tensor::ones([1, 1, 1], (Kind::Float, Device::Cpu));
    let batch = CriticBatch { real: &real, fake: &fake, between: &real, weights: &weights, penalty: 0.0, eps: 1e-8 };
    let mut gradients = PerTrace::new(&params, 1);
    critic.gradients(&params, None, &batch, &mut gradients);
    let norm = gradients.squared_norms().sqrt().double_value(&[0, 0]);
    let expected = 0.5 * 8.0;
    assert!((norm - expected).abs() < TOLERANCE * expected, "{norm} and {expected}");
}

#[test]
fn gradient_norms_of_scores_equal_autograd() {
    const TOLERANCE: f64 = 1e-9;
    for activation in [Activation::Relu, Activation::Tanh] {
        let mut params = Params::new(1);
        let mut add = |name: String, shape: &[i64]| {
            let value = random(&name, shape) * 0.6;
            params.add(name, value)
        };
        let sizes = [(5, 9), (9, 7), (7, 1)];
        let layers = sizes
            .iter()
            .enumerate()
            .map(|(index, &(p, q))| (add(format!("w{index}"), &[1, q, p]), add(format!("b{index}"), &[1, q])))
            .collect();
        let critic = Critic { layers, activation };
        let samples = random("samples", &[1, 3, 5]);
        let (of_weights, of_sample) = critic.gradient_norms(&params, &samples);
        for trace in 0..3 {
            let mut own = Params::new(1);
            for param in params.handles() {
                own.add(params.name(param), params.get(param).detach().set_requires_grad(true));
            }
            let input = samples.narrow(1, trace, 1).detach().set_requires_grad(true);
            let score = critic.scores(&own, None, &input).sum(Kind::Double);
            let mut leaves: Vec<Tensor> = own.handles().map(|param| own.get(param).shallow_clone()).collect();
            leaves.push(input);
            let gradients = Tensor::run_backward(&[score], &leaves, false, false);
            let squares: Vec<f64> = gradients.iter().map(|g| (g * g).sum(Kind::Double).double_value(&[])).collect();
            let (sample, weights) = squares.split_last().unwrap();
            let found = [of_weights.double_value(&[0, trace]), of_sample.double_value(&[0, trace])];
            assert!((found[0] - weights.iter().sum::<f64>().sqrt()).abs() < TOLERANCE, "{found:?}");
            assert!((found[1] - sample.sqrt()).abs() < TOLERANCE, "{found:?}");
        }
    }
}
