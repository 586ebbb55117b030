//! Twelve questions to a study, in our SQL and in DuckDB's.

use super::content::trace_id;

/// One question. DuckDB's text is the same where it can be; its tables are Parquet files of ours.
pub struct Question {
    pub name: &'static str,
    pub ours: String,
    pub theirs: String,
    /// Rows of the answer.
    pub rows: usize,
}

fn same(name: &'static str, rows: usize, sql: &str) -> Question {
    Question { name, ours: sql.to_owned(), theirs: sql.to_owned(), rows }
}

fn differing(name: &'static str, rows: usize, ours: &str, theirs: &str) -> Question {
    Question { name, ours: ours.to_owned(), theirs: theirs.to_owned(), rows }
}

/// Tables that the questions need.
pub const TABLES: [&str; 5] = ["models", "packets", "attributes", "attack_scores", "epochs"];

/// Jensen-Shannon distance by hand: histograms of both sides, their shares, the two sums.
const THEIR_JSD: &str = "\
WITH counts AS (
    SELECT class, position, ip_length,
        count(*) FILTER (WHERE NOT synthetic) AS a, count(*) FILTER (WHERE synthetic) AS b
    FROM packets GROUP BY class, position, ip_length
), shares AS (
    SELECT class, position,
        a / sum(a) OVER (PARTITION BY class, position) AS p, b / sum(b) OVER (PARTITION BY class, position) AS q
    FROM counts
)
SELECT class, position, sqrt(sum(
    CASE WHEN p > 0 THEN 0.5 * p * log2(2 * p / (p + q)) ELSE 0 END
    + CASE WHEN q > 0 THEN 0.5 * q * log2(2 * q / (p + q)) ELSE 0 END)) AS distance
FROM shares GROUP BY class, position";

/// The area under the ROC curve by hand: from the sum of the members' mean ranks.
const THEIR_AUC: &str = "\
WITH ranked AS (
    SELECT model_id, member,
        rank() OVER (PARTITION BY model_id ORDER BY score)
            + (count(*) OVER (PARTITION BY model_id, score) - 1) / 2.0 AS place
    FROM attack_scores
)
SELECT model_id,
    (sum(place) FILTER (WHERE member) - count(*) FILTER (WHERE member) * (count(*) FILTER (WHERE member) + 1) / 2.0)
        / (count(*) FILTER (WHERE member) * count(*) FILTER (WHERE NOT member)) AS auc
FROM ranked GROUP BY model_id";

const LIRA: &str = "\
WITH looked AS (
    SELECT class, epsilon, trace_id, role, member, loss,
        avg(CASE WHEN role = 'shadow' AND member THEN loss END) OVER (PARTITION BY epsilon, trace_id) AS mean_in,
        avg(CASE WHEN role = 'shadow' AND NOT member THEN loss END) OVER (PARTITION BY epsilon, trace_id) AS mean_out
    FROM attributes WHERE generator = 'netssm' AND class = 'windows'
)
SELECT class, epsilon, trace_id, member, loss - mean_in AS from_in, loss - mean_out AS from_out
FROM looked WHERE role = 'target' ORDER BY mean_out - loss DESC NULLS LAST, trace_id LIMIT 100";

pub fn questions() -> Vec<Question> {
    let one_trace = format!(
        "SELECT position, ip_length, data FROM packets WHERE trace_id = {} ORDER BY position",
        trace_id(3, 4321)
    );
    vec![
        same(
            "scores_by_model_and_epsilon",
            60,
            "SELECT generator, class, epsilon, member, count(*) AS n, avg(score) AS score FROM attack_scores \
             WHERE generator <> 'netshare' AND class IN ('windows', 'mac', 'webex') \
             GROUP BY generator, class, epsilon, member",
        ),
        differing(
            "auc_by_model",
            900,
            "SELECT model_id, auc(score, member) AS auc FROM attack_scores GROUP BY model_id",
            THEIR_AUC,
        ),
        same(
            "joined_to_models",
            12,
            "SELECT m.guarantee, s.role, m.epsilon_spent, s.member, avg(s.score) AS score FROM attack_scores s \
             JOIN models m ON m.model_id = s.model_id WHERE m.epsilon_spent > 1.5 OR m.guarantee = 'none' \
             GROUP BY m.guarantee, s.role, m.epsilon_spent, s.member",
        ),
        same(
            "most_exposed_traces",
            20,
            "SELECT trace_id, avg(score) AS exposure, count(*) AS models FROM attack_scores WHERE member \
             GROUP BY trace_id ORDER BY exposure DESC, trace_id LIMIT 20",
        ),
        same(
            "loss_percentiles_by_epoch",
            20,
            "SELECT epoch, percentile_cont(0.1) WITHIN GROUP (ORDER BY member_loss) AS low, \
             percentile_cont(0.9) WITHIN GROUP (ORDER BY member_loss) AS high FROM epochs GROUP BY epoch",
        ),
        same(
            "median_loss_by_epsilon",
            10,
            "SELECT epsilon, member, median(loss) AS loss FROM attributes GROUP BY epsilon, member",
        ),
        differing(
            "length_distance_by_position",
            60,
            "SELECT class, position, jsd(ip_length, synthetic) AS distance FROM packets GROUP BY class, position",
            THEIR_JSD,
        ),
        differing(
            "length_entropy_by_class",
            6,
            "SELECT class, entropy_bits(ip_length) AS bits FROM packets GROUP BY class",
            "SELECT class, entropy(ip_length) AS bits FROM packets GROUP BY class",
        ),
        same("one_trace", 10, &one_trace),
        same(
            "distinct_traces",
            18,
            "SELECT generator, class, count(DISTINCT trace_id) AS traces FROM attributes GROUP BY generator, class",
        ),
        same("likelihood_ratio", 100, LIRA),
        differing(
            "mean_of_vectors",
            5,
            "SELECT epsilon, avg(list_mean(vector)) AS mean FROM attributes GROUP BY epsilon",
            "SELECT epsilon, avg(list_avg(vector)) AS mean FROM attributes GROUP BY epsilon",
        ),
    ]
}
