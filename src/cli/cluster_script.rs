//! Scripts that run a plan in shares on somebody's cluster: prologue, array, finish. We schedule nothing ourselves.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// For whom a script is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Scheduler {
    /// A script for bash that calls `sbatch`.
    Slurm,
    /// A Snakefile.
    Snakemake,
    /// Jobs for `kubectl apply`.
    Kubernetes,
    /// A line of JSON for each command, with what comes before it: for HyperQueue and others.
    Jsonl,
}

/// What a script is about.
struct Steps {
    program: String,
    study: String,
    spec: String,
    /// Folder of the shares' files.
    shares: String,
    count: usize,
    /// Of the prologue, of each share, and of the run after the merge.
    seconds: Vec<f64>,
}

/// Prints a script to standard output. Paths in it are absolute.
pub(super) fn print(scheduler: Scheduler, study: &Path, spec: &str, seconds: Vec<f64>) -> Result<()> {
    let steps = Steps::new(study, spec, seconds)?;
    let text = match scheduler {
        Scheduler::Slurm => steps.slurm(),
        Scheduler::Snakemake => steps.snakemake(),
        Scheduler::Kubernetes => steps.kubernetes(),
        Scheduler::Jsonl => steps.jsonl(),
    };
    text.lines().for_each(|line| say!("{line}"));
    Ok(())
}

const SLURM: &str = r##"#!/bin/bash
# Runs @SPEC_NAME@ in @COUNT@ shares: prologue, array, finish. Give it to bash where `sbatch` is; options for all three steps
# (--time, --cpus-per-task, --mem, --partition) can follow: `bash go.sh --time=4:00:00 --cpus-per-task=16 --mem=32G`.
# Asked to stop (time is up, preempted), a step stores what it has and goes back into the queue. A share that fails for good
# holds up nothing: the finish takes over what it stored, and does the rest.
set -euo pipefail
study=@STUDY@
spec=@SPEC@
shares=@SHARES@
program=${SYNTRACE:-@PROGRAM@}
mkdir -p "$shares"

# In each step: run the program, hand on signals, and requeue where it says that it can go on (130) or that another
# process has the file (75).
step='
run() {
    local code=0 now
    "$program" run "$@" --quiet ${SLURM_CPUS_PER_TASK:+--threads "$SLURM_CPUS_PER_TASK"} &
    child=$!
    trap "asked=1; kill -USR1 $child 2>/dev/null" USR1 TERM
    # A signal ends `wait`, not the program; 127: it was waited for.
    asked=1
    while [ "$asked" = 1 ]; do
        asked=0 now=0
        wait "$child" || now=$?
        if [ "$now" != 127 ]; then code=$now; fi
    done
    if [ "$code" = 130 ] || [ "$code" = 75 ]; then
        if [ "$code" = 75 ]; then sleep 30; fi
        # The id of a task; that of its job alone may be that of the whole array.
        scontrol requeue "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"
        sleep 60
    fi
    return "$code"
}'
submit() {  # submit NAME LOG OPTIONS... < what the step does
    local name=$1 log=$2
    shift 2
    {
        printf '#!/bin/bash\nstudy=%q spec=%q shares=%q program=%q\n%s\n' "$study" "$spec" "$shares" "$program" "$step"
        cat
    } | sbatch --parsable --job-name="$name" --output="$shares/$log" \
        --open-mode=append --requeue --signal=B:USR1@60 --kill-on-invalid-dep=yes "$@" | cut -d ';' -f 1
}

prologue=$(submit syntrace-prologue 0.log "$@" <<'STEP'
if [ -e "$study" ]; then set -- --from "$study"; fi
run "$shares/0.redb" "$spec" --shard 0/@COUNT@ "$@"
STEP
)
array=$(submit syntrace-share %a.log --array=1-@COUNT@ --dependency="afterok:$prologue" "$@" <<'STEP'
run "$shares/$SLURM_ARRAY_TASK_ID.redb" "$spec" --shard auto --from "$shares/0.redb"
STEP
)
finish=$(submit syntrace-finish finish.log --dependency="afterok:$prologue,afterany:$array" "$@" <<'STEP'
"$program" merge "$study" "$shares"/*.redb && run "$study" "$spec"
STEP
)
echo "prologue $prologue, shares $array, finish $finish; logs are in $shares"
"##;

const SNAKEMAKE: &str = r##"# Runs @SPEC_NAME@ in @COUNT@ shares: `snakemake -s THIS_FILE --cores 16`, with `--executor slurm --jobs @JOBS@` on a cluster.
# A share that is stopped (exit code 130) goes on where it was; with --keep-going one that fails holds up no other share.
import os

COUNT = @COUNT@
STUDY, SPEC, SHARES, PROGRAM = @STUDY_JSON@, @SPEC_JSON@, @SHARES_JSON@, @PROGRAM_JSON@


rule study:
    input: expand(SHARES + "/{share}.done", share=range(COUNT + 1))
    output: touch(SHARES + "/finished")
    params: study=STUDY, spec=SPEC, program=PROGRAM, files=[f"{SHARES}/{share}.redb" for share in range(COUNT + 1)]
    retries: 3
    shell: "{params.program:q} merge {params.study:q} {params.files:q} && "
           "{params.program:q} run {params.study:q} {params.spec:q} --quiet --threads {threads}"


rule prologue:
    output: touch(SHARES + "/0.done")
    params: spec=SPEC, program=PROGRAM, shares=SHARES, start=["--from", STUDY] if os.path.exists(STUDY) else []
    retries: 3
    shell: "{params.program:q} run {params.shares:q}/0.redb {params.spec:q} --shard 0/@COUNT@ {params.start:q} "
           "--quiet --threads {threads}"


rule share:
    input: SHARES + "/0.done"
    output: touch(SHARES + "/{share,[1-9][0-9]*}.done")
    params: spec=SPEC, program=PROGRAM, shares=SHARES
    retries: 3
    shell: "{params.program:q} run {params.shares:q}/{wildcards.share}.redb {params.spec:q} "
           "--shard {wildcards.share}/@COUNT@ --from {params.shares:q}/0.redb --quiet --threads {threads}"
"##;

const KUBERNETES: &str = r##"# Runs @SPEC_NAME@ in @COUNT@ shares: three jobs that wait for each other by files `N.ended` beside the shares.
# To be set before `kubectl apply -f`: `image` (one that has `syntrace`) and `claimName` (a volume that all pods mount, with
# the spec and the study). Resources of a pod: `resources` of each container. A share that is lost without a word (no memory)
# is written off by a file `N.ended` that is made by hand. Start anew by deleting these files.
@JOBS@"##;

const KUBERNETES_JOB: &str = r##"---
apiVersion: batch/v1
kind: Job
metadata: {name: @NAME@}
spec:
@KIND@  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 30
      volumes: [{name: study, persistentVolumeClaim: {claimName: syntrace}}]
      containers:
        - name: syntrace
          image: syntrace
          volumeMounts: [{name: study, mountPath: @MOUNT@}]
          command: [sh, -c, @COMMAND@]
"##;

impl Steps {
    fn new(study: &Path, spec: &str, seconds: Vec<f64>) -> Result<Self> {
        let study = absolute(study)?;
        let shares = PathBuf::from(format!("{}.shares", study.with_extension("").display()));
        let spec = if spec == "demo" { spec.to_owned() } else { text(&absolute(Path::new(spec))?)? };
        let here = std::env::current_exe();
        let here = here.map_err(|error| Error::internal(format!("cannot find this program: {error}")))?;
        let program = text(&here.with_file_name("syntrace"))?;
        let count = seconds.len().saturating_sub(2);
        Ok(Self { program, study: text(&study)?, spec, shares: text(&shares)?, count, seconds })
    }

    /// A text with its places filled in.
    fn filled(&self, template: &str) -> String {
        let name =
            Path::new(&self.spec).file_name().map_or(self.spec.clone(), |name| name.to_string_lossy().into_owned());
        let json = |text: &str| serde_json::Value::from(text).to_string();
        let parameters = [
            ("@SPEC_NAME@", name),
            ("@COUNT@", self.count.to_string()),
            ("@STUDY@", quoted(&self.study)),
            ("@SPEC@", quoted(&self.spec)),
            ("@SHARES@", quoted(&self.shares)),
            ("@PROGRAM@", quoted(&self.program)),
            ("@STUDY_JSON@", json(&self.study)),
            ("@SPEC_JSON@", json(&self.spec)),
            ("@SHARES_JSON@", json(&self.shares)),
            ("@PROGRAM_JSON@", json(&self.program)),
        ];
        parameters.iter().fold(template.to_owned(), |text, (place, value)| text.replace(place, value))
    }

    fn slurm(&self) -> String {
        self.filled(SLURM)
    }

    fn snakemake(&self) -> String {
        self.filled(SNAKEMAKE).replace("@JOBS@", &self.count.min(100).to_string())
    }

    /// Each pod says by a file how its share ended; one that can go on (130) is started again by its job.
    fn kubernetes(&self) -> String {
        let ended = |number: &str, rest: &str| {
            format!(
                "code=$?; if [ $code != 130 ] && [ $code != 75 ]; then echo $code > \"$shares\"/{number}.ended; fi; {rest}exit $code"
            )
        };
        let start = format!(
            "study={}; spec={}; shares={}; mkdir -p \"$shares\"; ",
            quoted(&self.study),
            quoted(&self.spec),
            quoted(&self.shares)
        );
        let wait = |numbers: &str| {
            format!("for i in {numbers}; do until [ -e \"$shares/$i.ended\" ]; do sleep 10; done; done; ")
        };
        let succeeded = "[ \"$(cat \"$shares\"/0.ended)\" = 0 ] || exit 2; ";
        let prologue = format!(
            "{start}if [ -e \"$study\" ]; then set -- --from \"$study\"; fi; \
             syntrace run \"$shares\"/0.redb \"$spec\" --shard 0/{} \"$@\" --quiet; {}",
            self.count,
            ended("0", "")
        );
        let share = format!(
            "{start}{}{succeeded}i=$((JOB_COMPLETION_INDEX + 1)); \
             syntrace run \"$shares\"/$i.redb \"$spec\" --shard auto --from \"$shares\"/0.redb --quiet; {}",
            wait("0"),
            ended("$i", "")
        );
        let finish = format!(
            "{start}{}{succeeded}syntrace merge \"$study\" \"$shares\"/*.redb && \
             syntrace run \"$study\" \"$spec\" --quiet",
            wait(&format!("$(seq 0 {})", self.count))
        );
        let indexed = format!(
            "  completionMode: Indexed\n  completions: {count}\n  parallelism: {count}\n  backoffLimitPerIndex: 20\n",
            count = self.count
        );
        let again = "  backoffLimit: 20\n";
        let mount = Path::new(&self.study).parent().map_or_else(String::new, |folder| folder.display().to_string());
        let job = |name: &str, kind: &str, command: &str| {
            let json = |text: &str| serde_json::Value::from(text).to_string();
            let job = KUBERNETES_JOB.replace("@NAME@", name).replace("@KIND@", kind);
            job.replace("@MOUNT@", &json(&mount)).replace("@COMMAND@", &json(command))
        };
        let jobs = [
            job("syntrace-prologue", again, &prologue),
            job("syntrace-share", &indexed, &share),
            job("syntrace-finish", again, &finish),
        ];
        self.filled(KUBERNETES).replace("@JOBS@", &jobs.concat())
    }

    fn jsonl(&self) -> String {
        let file = |number: usize| format!("{}/{number}.redb", self.shares);
        let run = |study: &str, more: &[&str]| {
            let start = [self.program.as_str(), "run", study, self.spec.as_str(), "--quiet"];
            start.iter().chain(more).map(|word| (*word).to_owned()).collect::<Vec<String>>()
        };
        let step = |name: String, after: Vec<String>, seconds: f64, command: Vec<String>| {
            let seconds = seconds.round();
            serde_json::json!({ "name": name, "after": after, "seconds": seconds, "command": command }).to_string()
                + "\n"
        };
        let seconds = |place: usize| self.seconds.get(place).copied().unwrap_or(0.0);
        let (prologue, shards) = (file(0), self.count);
        let mut text = step("0".to_owned(), vec![], seconds(0), run(&prologue, &["--shard", &format!("0/{shards}")]));
        for number in 1..=shards {
            let command = run(&file(number), &["--shard", &format!("{number}/{shards}"), "--from", &prologue]);
            text += &step(number.to_string(), vec!["0".to_owned()], seconds(number), command);
        }
        let all = (0..=shards).map(|number| number.to_string()).collect();
        let merge = [self.program.clone(), "merge".to_owned(), self.study.clone()];
        let merge = merge.into_iter().chain((0..=shards).map(file)).collect();
        text += &step("merge".to_owned(), all, 0.0, merge);
        text + &step("finish".to_owned(), vec!["merge".to_owned()], seconds(shards + 1), run(&self.study, &[]))
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::user(format!("`{}`: {error}", path.display())))
}

fn text(path: &Path) -> Result<String> {
    let text = path.to_str().filter(|text| !text.contains(['\n', '"', '$', '`', '\\', '@']));
    text.map(str::to_owned).ok_or_else(|| {
        Error::user(format!("a script cannot hold the path `{}`", path.display()))
            .hint("rename it: no quotes, dollars, backslashes, @ or line ends")
    })
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
