//! The printed script under Slurm itself: a controller and two nodes on this machine.

use super::{Place, SPEC};
use crate::common::{Finish, run_ok, skip};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Slurm's daemons; they end with it.
struct Slurm {
    daemons: Vec<Child>,
    settings: String,
}

impl Drop for Slurm {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn is_there(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

fn daemon(program: &str, arguments: &[&str], settings: &str) -> Child {
    let mut command = Command::new(program);
    command.args(arguments).env("SLURM_CONF", settings).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null()).spawn().unwrap()
}

/// Ports that nothing listens on.
fn ports() -> [u16; 3] {
    let held = [0; 3].map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

impl Slurm {
    fn new(folder: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let host = host.trim().split('.').next().unwrap_or_default();
        let at = |name: &str| folder.join(name).to_string_lossy().into_owned();
        for name in ["munge", "state"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
            std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        let key = syntrace::base::Seed::from_system().unwrap().to_bytes();
        std::fs::write(folder.join("munge/key"), key.repeat(4)).unwrap();
        std::fs::set_permissions(folder.join("munge/key"), std::fs::Permissions::from_mode(0o600)).unwrap();
        let [controller, first, second] = ports();
        let text = format!(
            "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={controller}\nAuthType=auth/munge\n\
             AuthInfo=socket={munge}\nCredType=cred/munge\nSlurmUser=root\nSlurmdUser=root\nStateSaveLocation={state}\n\
             SlurmdSpoolDir={spool}-%n\nSlurmctldPidFile={state}/ctld.pid\nSlurmdPidFile={state}/%n.pid\n\
             SlurmctldLogFile={state}/ctld.log\nSlurmdLogFile={state}/%n.log\nProctrackType=proctrack/linuxproc\n\
             TaskPlugin=task/none\nSelectType=select/linear\nSwitchType=switch/none\nMpiDefault=none\nReturnToService=2\n\
             NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={first} CPUs=1 State=UNKNOWN\n\
             NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={second} CPUs=1 State=UNKNOWN\n\
             PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n",
            munge = at("munge/socket"),
            state = at("state"),
            spool = at("spool"),
        );
        let settings = at("slurm.conf");
        std::fs::write(&settings, text).unwrap();
        let files = [("--socket=", "socket"), ("--key-file=", "key"), ("--pid-file=", "pid"), ("--log-file=", "log")];
        let mut munge: Vec<String> =
            files.iter().map(|(option, name)| format!("{option}{}", at(&format!("munge/{name}")))).collect();
        munge.extend([format!("--seed-file={}", at("munge/seed")), "--force".to_owned(), "--foreground".to_owned()]);
        let munge: Vec<&str> = munge.iter().map(String::as_str).collect();
        let mut slurm = Self { daemons: vec![daemon("munged", &munge, &settings)], settings: settings.clone() };
        slurm.wait("munge", || folder.join("munge/socket").exists());
        slurm.daemons.push(daemon("slurmctld", &["-D"], &settings));
        for node in ["n1", "n2"] {
            slurm.daemons.push(daemon("slurmd", &["-D", "-N", node], &settings));
        }
        slurm.wait("two idle nodes", || slurm.ask("sinfo", &["-h", "-N", "-t", "idle"]).lines().count() == 2);
        slurm
    }

    fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).env("SLURM_CONF", &self.settings).finish().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn wait(&self, what: &str, until: impl Fn() -> bool) {
        let started = Instant::now();
        while !until() {
            assert!(started.elapsed() < Duration::from_secs(120), "no {what}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

#[test]
fn under_slurm_the_script_makes_the_study_of_one_machine() {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !root || !["munged", "slurmctld", "slurmd", "sbatch"].into_iter().all(is_there) {
        return skip("slurm", format_args!("the script for Slurm is not run under Slurm: not here, or not root"));
    }
    let place = Place::new(SPEC);
    run_ok(&["run", &place.at("whole"), &place.spec, "--quiet"]);
    let slurm = Slurm::new(&place.path("slurm"));
    for count in ["1", "4"] {
        let study = place.at(&format!("study {count}.redb"));
        let script = place.path(&format!("go-{count}.sh"));
        let text = run_ok(&["plan", &study, &place.spec, "--shards", count, "--as", "slurm"]);
        std::fs::write(&script, text).unwrap();
        let output = Command::new("bash").arg(&script).env("SLURM_CONF", &slurm.settings).finish().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        slurm.wait("end of the jobs", || slurm.ask("squeue", &["-h"]).is_empty());
        let logs = std::fs::read_dir(place.path(&format!("study {count}.shares"))).unwrap().flatten();
        let logs: Vec<String> = logs.filter_map(|log| std::fs::read_to_string(log.path()).ok()).collect();
        assert!(Path::new(&study).exists(), "{}", logs.join("\n"));
        place.assert_same("whole", &format!("study {count}.redb"));
        run_ok(&["verify", &study]);
    }
}
