"""Two network namespaces as two hosts: training over TCP between them, and the network itself, whose delay and rate are
those that were asked for.

usage: netns_test.py [NAME...]  runs the tests of these names, or all; exit code 77 where they cannot run.
"""
import os
import pathlib
import sys

SOURCE = pathlib.Path(os.environ["BACKFLOW_SOURCE"])
sys.path += [str(SOURCE / "tests/train"), str(SOURCE / "scripts")]
from hosts import TwoHosts, enter_new_namespaces, needs, set_up_network, skip  # noqa: E402
from program import BACKFLOW, config_text, main, metrics, ranks_at, run, run_command, without_warnings, write_data  # noqa: E402

RELAY = pathlib.Path(os.environ["BACKFLOW_BIN"]) / "network_relay"


def test_the_network_has_the_delay_and_the_rate_that_were_asked_for(folder):
    for delay_us, mbit in ((1000, 1000), (5000, 200)):
        with TwoHosts(folder, RELAY, delay_us, mbit) as hosts:
            link = hosts.measured()
        print(f"  {delay_us} us, {mbit} Mbit/s: {link}")
        # On a busy machine it may be slower, so that only these hold at all times.
        assert link.round_trip_ms >= 2e-3 * delay_us, link
        assert link.mbit <= 1.01 * mbit, link


def test_two_hosts_train_over_tcp_what_one_does(folder):
    config = folder / "small.toml"
    data = write_data(folder / "data", train=200)
    config.write_text(config_text(data, 'name = "mlp"\nhidden = [300]', rest='dtype = "float64"'))
    train = ["train", config, "--threads", 1, "--out"]
    run(*train, folder / "one", ranks=4)
    with TwoHosts(folder, RELAY, 200, 1000) as hosts:
        before = hosts.bytes_from_a()
        said = run_command([*hosts.mpirun(2), BACKFLOW, *map(str, train), str(folder / "two")]).stdout
        sent, received = (after - b for after, b in zip(hosts.bytes_from_a(), before))
    assert ranks_at(said, "host-a") == [0, 1] and ranks_at(said, "host-b") == [2, 3], said
    one, two = (metrics(folder / name, "step") for name in ("one", "two"))
    assert len(one) == len(two) == 40
    worst = max(abs(a["loss"] - b["loss"]) / abs(a["loss"]) for a, b in zip(one, two))
    assert worst <= 1e-12, worst
    # The sum over the hosts has to pass each way, in each step.
    gradients = 8 * (64 * 300 + 300 + 300 * 3 + 3)
    print(f"  {sent / 40:,.0f} and {received / 40:,.0f} bytes a step over the network, gradients of {gradients:,} bytes")
    assert min(sent, received) >= 40 * gradients, (sent, received)


def test_a_mistake_is_told_in_one_line_on_two_hosts(folder):
    with TwoHosts(folder, RELAY, 200, 1000) as hosts:
        done = run_command([*hosts.mpirun(2), BACKFLOW, "trian"], 2)
    assert len(without_warnings(done.stderr)) == 1 and "did you mean 'train'?" in done.stderr, done.stderr


if __name__ == "__main__":
    needs(root=True, programs=["unshare", "nsenter", "mpirun"], package="util-linux")
    if not pathlib.Path("/dev/net/tun").exists():
        skip("need /dev/net/tun, for a network with a delay")
    enter_new_namespaces("netns-test")
    set_up_network("10.77.1.1")
    main(globals())
