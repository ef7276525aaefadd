"""A job of a real Slurm of one node, from the installed program: requeued, stopped by a signal, cancelled, submitted again.
It ends with the parameters of a run that nothing interrupted.

Slurm and munge run as root in namespaces of their own, with a configuration of their own, and are gone when the test ends.

usage: slurm_test.py [NAME...]  runs the tests of these names, or all; exit code 77 where they cannot run.
"""
import os
import pathlib
import subprocess
import sys
import time

SOURCE = pathlib.Path(os.environ["BACKFLOW_SOURCE"])
sys.path += [str(SOURCE / "tests/train"), str(SOURCE / "scripts")]
from hosts import enter_new_namespaces, needs, set_up_network  # noqa: E402
from program import config_text, main, metrics, newest, run, run_command, without_warnings, write_data  # noqa: E402

DAEMONS = ["munged", "slurmctld", "slurmd"]

SETTINGS = """
ClusterName=test
SlurmctldHost=node01(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=60
NodeName=node01 NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """munge and the two daemons of Slurm; in a process namespace of the test's own, they end with it."""

    def __init__(self, folder):
        for name in ("state", "spool"):
            (folder / name).mkdir()
        (folder / "slurm.conf").write_text(SETTINGS.format(folder=folder))
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        # Or PMIx makes /tmp/spmix_appdir_UID_JOB.STEP, and a step fails where one of an ended Slurm was left.
        (folder / "mpi.conf").write_text(f"PMIxCliTmpDirBase={folder}\n")
        self.folder = folder
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self.start("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket",
                   f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed")
        wait_until("munge answers", lambda: (folder / "munge.socket").exists())
        self.start("slurmctld", "-D")
        self.start("slurmd", "-D", "-N", "node01")
        wait_until("the node is idle", lambda: "idle" in self.output("sinfo", "-h", "-o", "%T", fails=True), self.logs)

    def start(self, *command):
        with open(self.folder / f"{command[0]}.out", "w") as out:
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.environment)

    def output(self, *command, fails=False):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, env=self.environment)
        assert fails or done.returncode == 0, (command, done.stdout, done.stderr, self.logs())
        return done.stdout.strip()

    def logs(self):
        return "\n".join(f"{path.name}:\n{path.read_text()[-2000:]}" for path in sorted(self.folder.glob("*.log")))

    def state(self, job):
        return self.output("squeue", "-h", "-j", job, "-o", "%T", fails=True)

    def submit(self, script, *arguments, options=()):
        job = self.output("sbatch", "--parsable", "--ntasks=2", f"--chdir={self.folder}", *options, script, *arguments)
        assert job.isdigit(), job
        return job

    def log_of(self, job):
        return (self.folder / f"backflow-{job}.log").read_text()

    def wait_for_steps(self, job, out, least):
        """Until the run has written this many lines, one of every step."""
        lines = out / "metrics.jsonl"
        wait_until(f"{least} lines of {lines}", lambda: lines.exists() and lines.read_text().count("\n") >= least,
                   lambda: self.log_of(job) + self.logs())

    def wait_for_start(self, job, number):
        """Until the job has been started this often. Slurm lets a job that went back wait two minutes. We do not, except
        for the second in which it ended: there it cannot start.
        """
        wait_until(f"job {job} pending", lambda: self.state(job) == "PENDING", lambda: self.log_of(job) + self.logs())
        time.sleep(2)
        self.output("scontrol", "update", f"JobId={job}", "StartTime=now")
        wait_until(f"start {number} of job {job}",
                   lambda: self.log_of(job).count(f"== job {job}, start") == number,
                   lambda: self.log_of(job) + self.logs())

    def wait_for_end(self, job):
        wait_until(f"the end of job {job}", lambda: self.state(job) in ("", "COMPLETED", "CANCELLED", "FAILED"),
                   lambda: self.log_of(job) + self.logs())


def wait_until(what, condition, explain=lambda: "", seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for this: {what}\n{explain()}"
        time.sleep(0.1)


def install(folder):
    """The program and its scripts, in a directory of their own."""
    build = pathlib.Path(os.environ["BACKFLOW_BIN"]).parent
    run_command(["cmake", "--install", str(build), "--component", "program", "--prefix", str(folder)])
    return folder


def test_the_installed_script_starts_the_installed_program(folder):
    prefix = install(folder)
    done = run_command([str(prefix / "bin/mpirun.sh"), "-n", "2", str(prefix / "bin/backflow"), "train", "no.toml"], 2)
    assert without_warnings(done.stderr) == ["backflow: error: no.toml: cannot read: No such file or directory: need a TOML file"]
    assert "--per numa" in run_command([str(prefix / "bin/mpirun.sh"), "--help"]).stdout


def test_a_job_that_is_requeued_stopped_and_cancelled_ends_as_if_it_had_not_been(folder):
    prefix = install(folder)
    config = folder / "small.toml"
    data = write_data(folder / "data", train=600)
    config.write_text(config_text(data, 'name = "mlp"\nhidden = [600, 600]', 'name = "adam"',
                                  "[checkpoint]\nevery_steps = 500").replace("epochs = 2", "epochs = 60"))
    whole, out = folder / "whole", folder / "run"
    run("train", config, "--out", whole, "--threads", 1, ranks=2)

    (folder / "slurm").mkdir()
    slurm = Slurm(folder / "slurm")
    slurm.environment["BACKFLOW"] = str(prefix / "bin/backflow")
    script = prefix / "share/backflow/slurm/train.sbatch"
    arguments = [script, config, out, "--threads", "1"]
    job = slurm.submit(*arguments)
    slurm.wait_for_steps(job, out, 50)
    slurm.output("scontrol", "requeue", job)
    slurm.wait_for_start(job, 2)
    slurm.wait_for_steps(job, out, 300)
    slurm.output("scancel", "--signal=USR1", job)  # what Slurm itself sends some time before the job's time is over
    slurm.wait_for_start(job, 3)
    slurm.wait_for_steps(job, out, 600)
    slurm.output("scancel", job)
    slurm.wait_for_end(job)
    said = slurm.log_of(job)
    assert said.count("resumed after step") == 2 and said.count("stopped by a signal") == 3, said
    assert said.count("back into the queue") == 1, said

    job = slurm.submit(*arguments)
    slurm.wait_for_end(job)
    assert "resumed after step" in slurm.log_of(job) and metrics(out, "final"), slurm.log_of(job) + slurm.logs()
    run("inspect", newest(whole), "--diff", newest(out))

    # Open MPI finds the nodes of a job by itself.
    log = folder / "mpirun.log"
    command = f"{prefix}/bin/mpirun.sh -n 2 {prefix}/bin/backflow trian"
    slurm.output("sbatch", "--wait", "--ntasks=2", f"--output={log}", "--wrap", command, fails=True)
    assert len(without_warnings(log.read_text())) == 1 and "did you mean 'train'?" in log.read_text(), log.read_text()


if __name__ == "__main__":
    needs(root=True, programs=[*DAEMONS, "sbatch", "unshare"], package="slurm-wlm munge")
    enter_new_namespaces("node01")
    set_up_network("10.77.1.1")
    main(globals())
