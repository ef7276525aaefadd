"""What scripts/bench.py measures: workloads, each with its peers and metrics, and groups of rows of one operator."""
import dataclasses

OURS_ON_ONE = "backflow-1-thread"  # a peer: what our other threads are worth
SEPARATE_PHASES = "separate phases"  # a peer: our backward and update, one after the other
ONEDNN = "bare convolutions"  # a peer: what oneDNN needs for the network's convolutions, with nothing around them
TRIAD = "triad"  # a peer: the time that memory needs for the operator's bytes; measured in our own process
PLAIN = "plain calls"  # a peer: write() and fsync(), or read(), of the same bytes; measured in our own process
BEFORE = "before"  # a peer: the same program of another build, with --before
PER_OPERATION = ("forward_ns_per_op", "backward_ns_per_op")
NO_PEER = "none"  # of predictions, which nobody else makes
METRICS = ("step_us", *PER_OPERATION, "peak_mb")


@dataclasses.dataclass
class Workload:
    peers: tuple
    metrics: tuple
    operations: int = 1  # those that the time per operation is divided by
    program: str = "bench_workloads"  # ours
    pytorch: str = "torch_workloads.py"  # in bench/peers
    tolerance: float = 1e-4  # relative, of float32 losses after a few steps
    compared: int | None = None  # of the values of a check: the first ones alone
    floor: bool = False  # values that are small next to the first are held against the first
    seconds: float = 1  # of the seconds that a turn takes
    shares_data: bool = True  # whether peers read what our side has written

    def rows(self):
        """Every metric with the peers that have it."""
        for metric in self.metrics:
            for peer in self.peers:
                if metric == "step_us" or peer != ONEDNN:
                    yield metric, peer

    def value(self, metric, answer):
        """A metric in the answer to `time` or `peak`."""
        key, scale = {
            "step_us": ("step_us", 1),
            "forward_ns_per_op": ("forward_us", 1000 / self.operations),
            "backward_ns_per_op": ("backward_us", 1000 / self.operations),
            "peak_mb": ("peak_mb", 1),
        }[metric]
        return answer[key] * scale


def large(*peers, tolerance=1e-5):
    """An operator on a large tensor."""
    return Workload(("pytorch", *peers), ("step_us",), program="bench_operators", pytorch="torch_operators.py",
                    tolerance=tolerance, floor=True, seconds=0.1, shares_data=False)


def tiny():
    """A thousand calls of an operator on eight elements."""
    return Workload(("libtorch",), ("forward_ns_per_op",), 1000, program="bench_operators", tolerance=1e-5, floor=True,
                    seconds=0.1, shares_data=False)


def on_disk():
    """A file of 1 GB in the folder of temporary files."""
    return Workload((PLAIN,), ("step_us",), program="bench_files", tolerance=0, seconds=4, shares_data=False)


WORKLOADS = {
    "linreg": Workload(("pytorch", "libtorch"), ("step_us",)),
    "chain1000": Workload(("libtorch",), PER_OPERATION, 1000),
    "tensmul": Workload(("libtorch",), PER_OPERATION, 1000),
    "wide1000": Workload(("libtorch",), PER_OPERATION, 2000),
    "mlp": Workload(("pytorch",), ("step_us", "peak_mb")),
    "mlp_step_graph": Workload((SEPARATE_PHASES,), ("step_us", "peak_mb"), program="bench_step_graph"),
    "towers8": Workload(("pytorch",), ("step_us", "peak_mb")),
    "lenet": Workload(("pytorch",), ("step_us", "peak_mb")),
    "inception": Workload(("pytorch",), ("step_us", "peak_mb")),
    # In float32 PyTorch's third loss already differs by 2e-4 from its own in float64, the second by 1e-5.
    "resnet18": Workload(("pytorch", ONEDNN), ("step_us", "peak_mb"), seconds=2, compared=2),
    "resnet18_winograd": Workload(("pytorch",), ("step_us", "peak_mb"), seconds=2, compared=2),
    "branches8": Workload((OURS_ON_ONE,), ("backward_ns_per_op",), 32),
}

GROUPS = {
    "elementwise": {
        "add": large(TRIAD),
        "mul": large(TRIAD),
        "relu": large(TRIAD),
        "relu_backward": large(TRIAD),
        "exp": large(),
        "tanh": large(),
        "sigmoid": large(),
        "gelu": large(),
        "where": large(),
        "tiny_add": tiny(),
        "tiny_mul": tiny(),
        "tiny_add_number": tiny(),
        "tiny_relu": tiny(),
        "tiny_exp": tiny(),
        "tiny_tanh": tiny(),
        "tiny_gelu": tiny(),
        "tiny_where": tiny(),
    },
    "chains": {
        "gelu": large(),
        "gelu_64k": large(),
        "mish": large(),
        "mish_64k": large(),
        "lstm": large(),
        "lstm_64k": large(),
    },
    "reductions": {
        "sum": large(TRIAD),
        "sum_dim0": large(),
        "sum_dim1": large(),
        "sum_dim2": large(),
        "softmax": large(),
        "var_mean": large(),
        "cumsum_dim0": large(tolerance=1e-4),  # of running sums in float32
        "cumsum_dim1": large(tolerance=1e-4),
        "max": large(),
        "argmax": large(),
        "tiny_sum": tiny(),
        "tiny_softmax": tiny(),
    },
    "indexing": {
        "transpose_copy": large(),
        "cat_dim0": large(),
        "cat_dim1": large(),
        "gather": large(),
        "index_select": large(),
        "scatter_add": large(),
        "masked_fill": large(),
    },
    "files": {
        "checkpoint_write": on_disk(),
        "checkpoint_read": on_disk(),
        "safetensors_map": on_disk(),
    },
    "inference": {
        "linear_8": large(tolerance=1e-4),  # of sums of 1024 products in float32
        "linear_32": large(tolerance=1e-4),
    },
}

for group, rows in GROUPS.items():
    WORKLOADS.update({f"{group}.{row}": workload for row, workload in rows.items()})

# Workloads of bench_cores: the group "cores", whose rows are predicted speed-ups on these numbers of threads.
CORES = ("resnet18", "inception", "lenet", "mlp", "towers8", "resnet18_batch1")
PREDICTED = {f"predicted_speedup_{threads}": threads for threads in (16, 64)}
