//! The rows of the `utility` and `importances` tables.

/// What a downstream model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// The class of a trace: operating system or video-conferencing application (paper section 4.2.1).
    Classification,
    /// The same from few real traces, with synthetic ones added.
    Augmentation,
    /// The next packet's length from the ten before (section 4.2.2).
    NextLength,
}

impl Task {
    /// Name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Augmentation => "augmentation",
            Self::NextLength => "next_length",
        }
    }
}

/// What a downstream model learnt from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainedOn {
    /// Synthetic traces of the target models.
    Synthetic,
    /// The real traces that the target models were trained on: the baseline.
    Members,
    /// A share of these.
    Share,
    /// A share of these and all synthetic traces.
    ShareAndSynthetic,
    /// Nothing: the most frequent class, the floor of classification.
    Majority,
    /// Nothing: the last packet's length, the floor of regression.
    LastValue,
}

impl TrainedOn {
    /// Name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Synthetic => "synthetic",
            Self::Members => "members",
            Self::Share => "members_share",
            Self::ShareAndSynthetic => "members_share_and_synthetic",
            Self::Majority => "majority",
            Self::LastValue => "last_value",
        }
    }
}

/// Measures of a downstream model on held-out real traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UtilityMetric {
    /// Share of traces whose class is right.
    Accuracy,
    /// How much more that is than without the synthetic traces.
    AccuracyGain,
    /// Mean of the classes' F1.
    MacroF1,
    /// Harmonic mean of precision and recall of a class; 0 where both are 0.
    F1,
    /// Share of the traces classified as the class that belong to it; 0 where none is classified so.
    Precision,
    /// Share of the class's traces that are classified as it.
    Recall,
    /// Median over test traces of the trace's mean absolute error, bytes.
    MedianMae,
    /// Mean over test traces of the same, bytes.
    MeanMae,
    /// Mean loss over the last epoch of training: bytes squared (`nbeats paper`) or bytes (`nbeats small`).
    TrainLoss,
}

impl UtilityMetric {
    /// Name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::AccuracyGain => "accuracy_gain",
            Self::MacroF1 => "macro_f1",
            Self::F1 => "f1",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::MedianMae => "median_mae",
            Self::MeanMae => "mean_mae",
            Self::TrainLoss => "train_loss",
        }
    }
}

/// One measure: a row of the `utility` table.
#[derive(Debug, Clone, PartialEq)]
pub struct UtilityRow {
    /// Task.
    pub task: Task,
    /// What the model learnt from.
    pub trained_on: TrainedOn,
    /// Downstream model with its settings (`random_forest`, `nbeats small, whole windows`).
    pub learner: String,
    /// Measure.
    pub metric: UtilityMetric,
    /// Class that it is about; `None` over all classes.
    pub class: Option<String>,
    /// Value; `None` where there is nothing to learn from or to test on.
    pub value: Option<f64>,
    /// Ends of its 95 % interval over test traces and, of classifiers, over seeds.
    pub interval: Option<(f64, f64)>,
    /// Traces learnt from.
    pub n_train: u64,
    /// Traces tested on.
    pub n_test: u64,
    /// Share of the members that was learnt from, where it is not all or none.
    pub real_share: Option<f64>,
}

/// What a classifier used: a row of the `importances` table.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportanceRow {
    /// Task.
    pub task: Task,
    /// What the model learnt from.
    pub trained_on: TrainedOn,
    /// Header field.
    pub field: &'static str,
    /// Packet position from 0.
    pub position: u32,
    /// Share of the decrease in impurity; sums to 1 over a model.
    pub importance: f64,
}
