#!/usr/bin/env python3
"""How good bench/scaling_model.py is: predicted beside measured steps, on 1, 2 and 4 ranks of this machine, and on two hosts
that a relay joins, at three delays.

bench/validate_scaling.py [--bin DIR] [--json FILE] [--only local|relay] [--steps N] [--config NAME...]

What is predicted comes from the trace of one rank and the speed of the network alone:
  - the trace is that of a rank in company: as many single ranks train beside it as the job has, on the cores that there are;
  - the memory's part is measured with bench_all_reduce, which sums 1 and 25 MB; the relay's with packets and streams both ways;
  - no core is to spare, where ranks and their communication threads are more than the cores.
Needs an idle machine, and root for the relay. --json FILE writes all that docs/scaling.md says of ranks, with predictions
for larger clusters; scripts/bench_tables.py makes its tables and plot of bench/results/ranks.json.
"""
import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "scripts"), str(ROOT / "bench")]
from hosts import TwoHosts, enter_new_namespaces, set_up_network  # noqa: E402
from scaling_model import ALGORITHMS, Network, predict, speedup_of, typical_profile  # noqa: E402

CONFIGS = {"mlp": 128, "lenet": 64, "towers": 64}  # and the samples of each rank
DELAYS_US = (100, 1000, 5000)
CORES = len(os.sched_getaffinity(0))


def training(options, name, ranks, out, trace):
    """The command of a training with as many samples on each rank, and one evaluation at the end."""
    settings = [f"train.batch_size={CONFIGS[name] * ranks}", f"train.max_steps={options.steps}", "train.epochs=1000"]
    command = [options.bin / "backflow", "train", ROOT / f"configs/fashion_mnist_{name}.toml", "--threads", 1, "--quiet",
               "--overwrite", "--out", out, *(["--trace", "--trace-steps", min(50, options.steps // 2)] if trace else [])]
    for setting in settings:
        command += ["--set", setting]
    return list(map(str, command))


def seconds_of_step(out, samples):
    lines = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    times = [samples / line["samples_per_second"] for line in lines if line["event"] == "step"]
    return statistics.median(times[len(times) // 5:])


def profile_in_company(options, folder, name, company):
    """The typical step of one of so many single ranks that train side by side."""
    jobs = [subprocess.Popen(training(options, name, 1, folder / f"alone{i}", True), stdout=subprocess.DEVNULL)
            for i in range(company)]
    assert all(job.wait() == 0 for job in jobs)
    return typical_profile(folder / "alone0/trace.json")


def all_reduce_times(options, launcher):
    """What bench_all_reduce measures of ours: {bytes: (seconds, seconds of processor on a rank)}"""
    done = subprocess.run([*map(str, launcher), str(options.bin / "bench_all_reduce"), "2"], capture_output=True, text=True, check=True)
    found = {}
    for line in map(json.loads, done.stdout.splitlines()):
        size, ranks = line["name"].removeprefix("allreduce_").split("mb_")
        found[int(size) << 20] = (line["ours"]["median_us"] * 1e-6, line["ours"]["processor_us"] * 1e-6 / int(ranks))
    return found


def shared_memory(times):
    """A network whose sums within a node take these times."""
    (small, (t_small, _)), (large, (t_large, p_large)) = sorted(times.items())
    bandwidth = (large - small) / (t_large - t_small)
    latency = max(1e-6, t_small - small / bandwidth)
    return Network(latency=1, bandwidth=1, ranks_a_node=1 << 20, memory=bandwidth, memory_latency=latency, call=0,
                   processor=p_large / large)


def compared(options, folder, name, ranks, launcher):
    """The least of several profiles and of as many measured times of a step, by turns."""
    profiles, times = [], []
    for _ in range(options.repeat):
        profiles.append(profile_in_company(options, folder, name, ranks))
        command = [*map(str, launcher), *training(options, name, ranks, folder / "run", False)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(seconds_of_step(folder / "run", CONFIGS[name] * ranks))
    return min(profiles, key=lambda profile: profile.step), min(times)


def on_this_machine(options, folder):
    for name in options.config:
        for ranks in (1, 2, 4):
            launcher = [ROOT / "scripts/mpirun.sh", "-n", ranks]
            network = Network(1, 1)
            if ranks > 1:
                network = dataclasses.replace(shared_memory(all_reduce_times(options, launcher)), spare_core=CORES >= 2 * ranks)
            profile, measured = compared(options, folder, name, ranks, launcher)
            yield name, f"{ranks} ranks, memory", profile, predict(profile, ranks, network, ALGORITHMS["hierarchical"]), measured


def over_the_relay(options, folder):
    for name in options.config:
        for delay in DELAYS_US:
            with TwoHosts(folder, options.bin / "network_relay", delay, options.mbit) as hosts:
                link = hosts.measured()
                # A byte that one rank sends the other one sends too, and what both take is taken from two cores.
                network = Network(latency=link.round_trip_ms * 0.5e-3, bandwidth=link.mbit * 1e6 / 8, call=20e-6,
                                  processor=link.processor, spare_core=CORES >= 4)
                profile, measured = compared(options, folder, name, 2, hosts.mpirun(1))
            yield name, f"2 hosts, {delay} us", profile, predict(profile, 2, network, ALGORITHMS["hierarchical"]), measured


# Of the larger clusters: nodes of 4 ranks with 16 cores each, as bench_cores predicts them for its like of the workload.
LIKE = {"mlp": "mlp", "lenet": "lenet", "towers": "towers8"}
RANKS_A_NODE, CORES_A_RANK = 4, 16
NETWORKS = {"InfiniBand, 200 Gbit/s, 2 us": (2e-6, 25e9), "Ethernet, 25 Gbit/s, 10 us": (10e-6, 3.125e9)}


def curves(options, folder):
    """{network: {workload: {ranks: efficiency}}}"""
    found = {network: {} for network in NETWORKS}
    for name in options.config:
        speedup = speedup_of(ROOT / "bench/results/cores.json", LIKE[name], CORES_A_RANK)
        profile = profile_in_company(options, folder, name, 1).faster(speedup)
        for label, (latency, bandwidth) in NETWORKS.items():
            network = Network(latency, bandwidth, RANKS_A_NODE, memory=20e9)
            found[label][name] = {2**i: predict(profile, 2**i, network, ALGORITHMS["best"]).efficiency for i in range(13)}
    return found


def circumstances():
    model = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return {"date": datetime.date.today().isoformat(), "machine": model, "cores": CORES, "load": round(os.getloadavg()[0], 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--only", choices=("local", "relay"))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=3, help="times that everything is measured, of which the least counts")
    parser.add_argument("--config", nargs="*", default=list(CONFIGS), choices=CONFIGS)
    parser.add_argument("--mbit", type=int, default=200, help="a second over the relay, which takes most of two cores for 1,000")
    options = parser.parse_args()
    enter_new_namespaces("scaling")
    network = set_up_network("10.77.1.1")
    os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    record = {**circumstances(), "mbit": options.mbit, "rows": []}
    print("workload  where              alone, ms  predicted, ms  measured, ms  predicted / measured")
    with tempfile.TemporaryDirectory(prefix="backflow-scaling-") as folder:
        for part in (on_this_machine, over_the_relay):
            if options.only == ("relay" if part is on_this_machine else "local"):
                continue
            for name, where, profile, result, measured in part(options, pathlib.Path(folder)):
                print(f"{name:9} {where:18} {profile.step * 1e3:9.2f}  {result.step * 1e3:13.2f}  {measured * 1e3:12.2f}  "
                      f"{result.step / measured:20.2f}", flush=True)
                record["rows"].append({"workload": name, "where": where, "alone_ms": profile.step * 1e3, "predicted_ms": result.step * 1e3,
                             "measured_ms": measured * 1e3, "ratio": result.step / measured})
        if options.json:
            record["curves"] = curves(options, pathlib.Path(folder))
            options.json.write_text(json.dumps(record, indent=1) + "\n")
    os.close(network)


if __name__ == "__main__":
    main()
