//! The statements of the paper that a study can check. `paper_evidence` in `schema/views.sql` has the
//! cases of each; the margins named here are the numbers there.

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
const ABOVE_CHANCE: &str = "a case is a learnt attack (mlp, ocsvm) on one target: holds where the whole interval of its AUC is above 0.5; fails where it is below 0.6 and not above 0.5; else open";

/// The rule of a claim that an attack does not work.
const AT_CHANCE: &str = "a case is a learnt attack (mlp, ocsvm) on one target: holds where the whole interval of its AUC is below 0.6 and not above 0.5; fails where it is above 0.5; else open";

/// The rule of a claim that DP changes nothing.
const SAME_AUC: &str = "a case is a learnt attack on one target with DP beside the same attack without: holds where the AUCs differ by at most 0.05; fails where their intervals do not meet; else open";

/// The rule of a claim about the generalization gap without DP.
const GAP_LARGE: &str =
    "a case is a class: holds where the relative gap at the last epoch, averaged over shadows, is above 5 %";

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
        "a case is a model that recorded it: holds where its images' entropy is below 1.61 bits (MNIST)",
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
        "a case is a target with DP: holds where the median variance of its fields is at least 90 % below that of its members",
        Some("99.46 % less"),
    ),
    takeaway(
        "noise_error",
        "3.5.2",
        "netdiffusion predicts the noise about as well with DP as without",
        "a case is a target with DP beside the one without: holds where the last errors differ by at most 10 % of the one without",
        None,
    ),
    takeaway(
        "jsd_steady",
        "4.1",
        "average JSD of netdiffusion, netshare and netdpsyn hardly depends on the budget",
        "a case is a generator and dataset with at least two regimes: holds where its average JSDs lie within 0.05",
        Some("ranges of 0.01 to 0.04"),
    ),
    takeaway(
        "jsd_netssm",
        "4.1",
        "the fidelity of netssm falls as more noise is added",
        "a case is a dataset: holds where the average JSD at the smallest epsilon is above that without DP by more than 0.05; fails where it is below it by more; else open",
        Some("0.48 to 0.75 (os), 0.70 to 0.82 (vca)"),
    ),
    takeaway(
        "dp_fidelity",
        "4.1",
        "DP does not necessarily lower fidelity: some budget is as good as no DP",
        "a case is a generator and dataset: holds where an average JSD with DP is at most 0.02 above that without",
        None,
    ),
    takeaway(
        "numeric_netdiffusion",
        "4.1",
        "numeric fields of netdiffusion are closer to real ones without DP",
        "a case is a dataset and budget: holds where the average scaled Wasserstein distance without DP is smaller",
        None,
    ),
    takeaway(
        "easy_and_hard",
        "4.2.1",
        "real traffic tells operating systems apart surely, applications less so",
        "one case: holds where the forest trained on real traces has a higher accuracy on `os` than on `vca`",
        Some("1.00 and 0.76"),
    ),
    takeaway(
        "dp_accuracy_os",
        "4.2.1",
        "DP improves or leaves unchanged the accuracy of every OS classifier",
        "a case is a generator and budget on `os`: holds where accuracy with DP is no lower than without by two standard errors",
        None,
    ),
    takeaway(
        "vca_is_poor",
        "4.2.1",
        "synthetic traffic trains poor VCA classifiers",
        "a case is a generator and regime on `vca`: holds where accuracy is at least 0.1 below that of training on real traces",
        Some("at most 0.46 against 0.76"),
    ),
    takeaway(
        "fidelity_is_not_utility",
        "4.2.1",
        "low fidelity does not imply poor utility",
        "a case is a dataset: holds where one generator and regime has a higher accuracy than another with an average JSD lower by more than 0.02",
        None,
    ),
    takeaway(
        "dp_regression",
        "4.2.2",
        "for some budget a regressor trained on DP traffic is at least as good as one without",
        "a case is a generator and class: holds where a median MAE with DP is at most that without",
        None,
    ),
    takeaway(
        "real_regression",
        "4.2.2",
        "regressors trained on real traffic outperform all trained on synthetic traffic",
        "a case is a generator, regime and class: holds where the median MAE of training on real traces is smaller",
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
        "a case is a class and budget: holds where the relative gap at the last epoch, averaged over shadows, is at most 5 %",
        Some("below 5 % for netdiffusion, near 0 for netssm"),
    ),
    takeaway(
        "copies_without_dp",
        "4.3",
        "without DP netssm puts out values very close to or exactly as in the ground truth, with DP less",
        "a case is a class and budget: holds where the share of synthetic header values that the members do not have is larger with DP",
        None,
    ),
];
