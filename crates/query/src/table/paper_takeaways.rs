//! The statements of the paper that a study can check. `paper_evidence` in `schema/paper.sql` has the
//! cases of each; the margins named here are the numbers there. A rule decides by intervals, so that a study too
//! small for it cannot tell; a generator is the one that its training and lineage say it is (`model_kinds`).

/// One statement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Takeaway {
    pub name: &'static str,
    pub section: &'static str,
    pub statement: &'static str,
    pub rule: &'static str,
    pub number: Option<&'static str>,
}

const fn takeaway(
    name: &'static str,
    section: &'static str,
    statement: &'static str,
    rule: &'static str,
    number: Option<&'static str>,
) -> Takeaway {
    Takeaway { name, section, statement, rule, number }
}

/// The rule of a claim that an attack works.
const ABOVE_CHANCE: &str = "a case is a learnt attack (mlp, ocsvm), its AUC the mean over the classes of a dataset: holds where the whole interval lies above 0.5 and the AUC is 0.55 or more; fails where the interval lies below 0.55; else open";

/// The rule of a claim that an attack does not work.
const AT_CHANCE: &str = "a case is a learnt attack (mlp, ocsvm), its AUC the mean over the classes of a dataset: holds where the whole interval lies below 0.55; fails where it lies above 0.5; else open";

/// The rule of a claim that DP changes nothing.
const SAME_AUC: &str = "a case is a learnt attack and budget beside the same attack without DP, means over the classes of a dataset: holds where the whole interval of the difference lies within 0.05; fails where it lies beyond; else open";

/// The rule of a claim about the generalization gap without DP.
const GAP_LARGE: &str = "a case is a class: holds where the whole interval of the gap at the last epoch, the mean over shadows, lies above 5 % of the member loss (0.2 standard deviations of single losses where the loss is a GAN critic's, which has no zero); fails where it lies below; else open";

/// All statements, in the order of the paper.
pub(super) const TAKEAWAYS: [Takeaway; 22] = [
    takeaway(
        "mia_netshare",
        "3.4",
        "membership inference works on netshare without DP",
        ABOVE_CHANCE,
        Some("precision 0.88 to 0.99"),
    ),
    takeaway(
        "mia_netssm",
        "3.4",
        "membership inference works on netssm without DP",
        ABOVE_CHANCE,
        Some("precision 0.90 to 0.98"),
    ),
    takeaway(
        "mia_netdiffusion",
        "3.4",
        "membership inference on netdiffusion is at chance without DP",
        AT_CHANCE,
        Some("precision 0.49 to 0.50"),
    ),
    takeaway(
        "image_entropy",
        "3.4.2",
        "nPrint images carry far less entropy than photographs",
        "a case is a generator and dataset, the mean over its classes: holds where the whole interval of its images' entropy lies at or below a tenth of what three colours can have (1.585 bits); fails where it lies above; else open. The interval is Student's over classes",
        Some("0.03 bits on average; MNIST 1.61, CIFAR-10 6.96"),
    ),
    takeaway(
        "dp_netssm",
        "3.5",
        "DP brings attacks on netssm down to chance at every budget",
        AT_CHANCE,
        Some("precision and recall at most 0.51"),
    ),
    takeaway(
        "dp_netshare",
        "3.5",
        "DP has little effect on attacks on netshare",
        SAME_AUC,
        Some("precision 0.81 to 0.99 with DP, 0.88 to 0.99 without"),
    ),
    takeaway(
        "dp_netdiffusion",
        "3.5",
        "DP has little effect on attacks on netdiffusion",
        SAME_AUC,
        Some("precision 0.49 to 0.51 with and without"),
    ),
    takeaway(
        "mode_collapse",
        "3.5.1",
        "fields vary far less within synthetic netshare traces under DP than within real ones",
        "a case is a generator and budget, the mean over classes: how far the variance within a trace (median over traces of the mean variance of ranked fields) lies below that of the members: holds where that is at least 90 % and the whole interval lies above half; fails where it lies below 90 %; else open. Held-out traces stand beside it, and the interval is Student's over classes",
        Some("99.46 % less"),
    ),
    takeaway(
        "noise_error",
        "3.5.2",
        "netdiffusion predicts the noise about as well with DP as without",
        "a case is a budget and dataset, over pairs of a model with DP and the same one without: holds where the whole interval of the mean relative change lies within 10 %; fails where it lies beyond; open else, and with fewer than four pairs",
        None,
    ),
    takeaway(
        "jsd_steady",
        "4.1",
        "average JSD of netdiffusion, netshare and netdpsyn hardly depends on the budget",
        "a case is a generator and dataset with at least two regimes: holds where the range of its average JSDs, interval included, is at most 0.05; fails where it is above 0.05 without it; else open. A range of estimates is larger than that of what they estimate",
        Some("ranges of 0.01 to 0.04"),
    ),
    takeaway(
        "jsd_netssm",
        "4.1",
        "the fidelity of netssm falls as more noise is added",
        "a case is a dataset: the average JSD at the smallest epsilon minus that without DP: holds where the whole interval lies above 0 and the difference is 0.05 or more; fails where the interval lies below 0.05; else open",
        Some("0.48 to 0.75 (os), 0.70 to 0.82 (vca)"),
    ),
    takeaway(
        "dp_fidelity",
        "4.1",
        "DP does not necessarily lower fidelity: some budget is as good as no DP",
        "a case is a generator and dataset: the smallest average JSD with DP minus that without: holds where the whole interval lies at most at 0.05; fails where it lies above; else open. The best of several budgets is flattered by the choice",
        None,
    ),
    takeaway(
        "numeric_netdiffusion",
        "4.1",
        "numeric fields of netdiffusion are closer to real ones without DP",
        "a case is a dataset and budget: holds where the average scaled Wasserstein distance without DP is smaller by more than the interval of the difference; fails where it is larger by as much; else open",
        None,
    ),
    takeaway(
        "easy_and_hard",
        "4.2.1",
        "real traffic tells operating systems apart surely, applications less so",
        "one case: holds where the forest trained on real traces has a higher accuracy on `os` than on `vca` by more than the interval of the difference; fails where it is lower by as much; else open",
        Some("1.00 and 0.76"),
    ),
    takeaway(
        "dp_accuracy_os",
        "4.2.1",
        "DP improves or leaves unchanged the accuracy of every OS classifier",
        "a case is a generator and budget on `os`: accuracy with DP minus that without: holds where the whole interval lies at or above -0.05; fails where it lies below; else open",
        None,
    ),
    takeaway(
        "vca_is_poor",
        "4.2.1",
        "synthetic traffic trains poor VCA classifiers",
        "a case is a generator and regime on `vca`: accuracy of training on real traces minus that on synthetic ones: holds where the whole interval lies above 0.1; fails where it lies below; else open",
        Some("at most 0.46 against 0.76"),
    ),
    takeaway(
        "fidelity_is_not_utility",
        "4.2.1",
        "low fidelity does not imply poor utility",
        "a case is a dataset, over pairs of generators and regimes whose average JSDs and accuracies are both told apart by their intervals: holds where at least one pair and 5 % of them have the higher accuracy with the higher JSD; fails where none has, of so many pairs (59) that 5 % would show in 95 % of studies; else open. Its resolution is the share that so many pairs would show",
        None,
    ),
    takeaway(
        "dp_regression",
        "4.2.2",
        "for some budget a regressor trained on DP traffic is at least as good as one without",
        "a case is a generator and class: holds where for some budget the median MAE with DP is surely no more than 10 % above that without; fails where it is surely above for all; else open. The best of several budgets is flattered by the choice",
        None,
    ),
    takeaway(
        "real_regression",
        "4.2.2",
        "regressors trained on real traffic outperform all trained on synthetic traffic",
        "a case is a generator, regime and class: holds where the median MAE of training on real traces is smaller by more than the interval of the difference; fails where it is larger by as much; else open",
        None,
    ),
    takeaway(
        "overfit_without_dp",
        "4.3",
        "models trained without DP overfit",
        GAP_LARGE,
        Some("14.74 % (netshare), 31.66 % (netdiffusion), over 250 % (netssm)"),
    ),
    takeaway(
        "no_overfit_with_dp",
        "4.3",
        "models trained with DP do not overfit",
        "a case is a class and budget: holds where the whole interval of the gap at the last epoch, the mean over shadows, lies at or below 5 % of the member loss (0.2 standard deviations of single losses where the loss is a GAN critic's, which has no zero); fails where it lies above; else open",
        Some("below 5 % for netdiffusion, near 0 for netssm"),
    ),
    takeaway(
        "copies_without_dp",
        "4.3",
        "without DP netssm puts out values very close to or exactly as in the ground truth, with DP less",
        "a case is a generator and budget, the mean over classes: by how much the share of synthetic header values that the members do not have is larger with DP: holds where it is at least 0.05 and the whole interval lies above 0; fails where it lies below 0.05; else open. The interval is Student's over classes",
        None,
    ),
];
