"""Peer: PyTorch on the CPU. WORKLOAD THREADS [DATA], then commands on standard input as bench/harness.h says.

By hand: echo 'time 2' | python3 bench/peers/torch_workloads.py mlp 2
DATA is the folder that our side wrote its initial parameters and its batch to.
"""
import json
import pathlib
import statistics
import sys
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import nn


class Regression:
    """Linear regression on three points by gradient descent."""

    def __init__(self, data):
        self.x = torch.tensor([[1.0], [2.0], [3.0]])
        self.y = torch.tensor([[2.0], [4.0], [6.0]])
        self.w = torch.zeros(1, 1, requires_grad=True)
        self.b = torch.zeros(1, requires_grad=True)

    def forward(self):
        return ((self.x @ self.w + self.b - self.y) ** 2).mean()

    def backward(self, loss):
        loss.backward()

    def update(self):
        with torch.no_grad():
            self.w.sub_(0.01 * self.w.grad)
            self.b.sub_(0.01 * self.b.grad)
        self.w.grad.zero_()
        self.b.grad.zero_()


class Classifier:
    """A model that is trained on one batch with cross-entropy, and SGD with momentum."""

    def __init__(self, data, dtype=torch.float32):
        self.model = self.make()
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(load(data, name))
        self.model.to(dtype)
        self.x = load(data, "x").to(dtype)
        self.t = load(data, "t")
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)

    def forward(self):
        return F.cross_entropy(self.model(self.x), self.t)

    def backward(self, loss):
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()

    def update(self):
        self.optimizer.step()


class Mlp(Classifier):
    def make(self):
        return nn.Sequential(nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))


class TowersModule(nn.Module):
    """Towers over one input, summed."""

    def __init__(self):
        super().__init__()
        self.t = nn.ModuleList(nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(),
                                             nn.Linear(256, 256)) for _ in range(8))
        self.out = nn.Linear(256, 10)

    def forward(self, x):
        return self.out(sum(t(x) for t in self.t))


class Towers(Classifier):
    def make(self):
        return TowersModule()


class LeNetModule(nn.Module):
    """Two convolutions and two linear layers."""

    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 32, 3, padding=1)
        self.c2 = nn.Conv2d(32, 64, 3, padding=1)
        self.f1 = nn.Linear(64 * 7 * 7, 128)
        self.f2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.c1(x)), 2)
        x = F.max_pool2d(F.relu(self.c2(x)), 2)
        return self.f2(F.relu(self.f1(x.flatten(1))))


class LeNet(Classifier):
    def make(self):
        return LeNetModule()


class InceptionBlock(nn.Module):
    """Four branches over one input, their channels one after the other."""

    def __init__(self, channels):
        super().__init__()
        self.b1 = nn.Conv2d(channels, 32, 1)
        self.b2a = nn.Conv2d(channels, 32, 1)
        self.b2b = nn.Conv2d(32, 48, 3, padding=1)
        self.b3a = nn.Conv2d(channels, 16, 1)
        self.b3b = nn.Conv2d(16, 32, 5, padding=2)
        self.b4 = nn.Conv2d(channels, 16, 1)

    def forward(self, x):
        return torch.cat([F.relu(self.b1(x)), F.relu(self.b2b(F.relu(self.b2a(x)))),
                          F.relu(self.b3b(F.relu(self.b3a(x)))), F.relu(self.b4(F.max_pool2d(x, 3, 1, 1)))], 1)


class Inception(Classifier):
    def make(self):
        return nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), InceptionBlock(64), InceptionBlock(128),
                             nn.MaxPool2d(2), InceptionBlock(128), InceptionBlock(128), nn.AdaptiveAvgPool2d(1),
                             nn.Flatten(), nn.Linear(128, 10))


class BasicBlock(nn.Module):
    """Two convolutions with batch normalization, and a shortcut around them; torchvision's names."""

    def __init__(self, channels, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = nn.Identity()
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.downsample(x))


class ResNet18Module(nn.Module):
    """For small images: a 3x3 convolution, four stages of two blocks."""

    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        for i in range(4):
            out = width << i
            setattr(self, f"layer{i + 1}", nn.Sequential(BasicBlock(out if i == 0 else out // 2, out, 1 if i == 0 else 2),
                                                        BasicBlock(out, out, 1)))
        self.fc = nn.Linear(8 * width, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class ResNet18(Classifier):
    WIDTH = 64

    def make(self):
        return ResNet18Module(self.WIDTH)


class SmallResNet18(ResNet18):
    """For comparisons alone."""

    WIDTH = 8


WORKLOADS = {"linreg": Regression, "mlp": Mlp, "towers8": Towers, "lenet": LeNet, "inception": Inception,
             "resnet18": ResNet18, "resnet18_winograd": ResNet18, "resnet18_small": SmallResNet18}


def load(data, name):
    import numpy

    return torch.from_numpy(numpy.load(pathlib.Path(data) / f"{name}.npy"))


def step(workload):
    begin = perf_counter()
    loss = workload.forward()
    forward = perf_counter()
    workload.backward(loss)
    backward = perf_counter()
    workload.update()
    return loss, forward - begin, backward - forward


class Training:
    """A workload as `serve` takes it: every check starts from the same values.

    What is timed is made when it is first needed: then that of the check is gone, and is not in the peak.
    """

    def __init__(self, make, data):
        self.make = make
        self.data = data
        self.workload = None

    def step(self):
        if self.workload is None:
            self.workload = self.make(self.data)
        return step(self.workload)[1:]

    def check(self):
        return self.losses(3)

    def losses(self, steps, *dtype):
        fresh = self.make(self.data, *dtype)
        return [step(fresh)[0].item() for _ in range(steps)]


def time_steps(workload, seconds):
    """As in harness.h: at least one step, and what a step frees is in its time."""
    whole, forward, backward = [], [], []
    start = end = perf_counter()
    while end - start < seconds or not whole:
        begin = perf_counter()
        times = workload.step()
        end = perf_counter()
        whole.append(end - begin)
        forward.append(times[0])
        backward.append(times[1])
    median = {"step_us": whole, "forward_us": forward, "backward_us": backward}
    return {"steps": len(whole), **{name: statistics.median(values) * 1e6 for name, values in median.items()}}


def peak_megabytes():
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024


def serve(workload):
    """Answers the driver's commands until there are no more."""
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "check":
            answer = {"values": workload.check()}
        elif command == "losses":
            dtype = {"f32": torch.float32, "f64": torch.float64}[arguments[1]]
            answer = {"values": workload.losses(int(arguments[0]), dtype)}
        elif command == "time":
            answer = time_steps(workload, float(arguments[0]))
        elif command == "peak":
            answer = {"peak_mb": peak_megabytes()}
        else:
            sys.exit(f"unknown command '{line.strip()}': need check, losses, time or peak")
        print(json.dumps(answer), flush=True)


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in WORKLOADS:
        sys.exit(f"usage: torch_workloads.py {'|'.join(WORKLOADS)} THREADS [DATA]")
    torch.set_num_threads(int(sys.argv[2]))
    data = sys.argv[3] if len(sys.argv) > 3 else None
    serve(Training(WORKLOADS[sys.argv[1]], data))


if __name__ == "__main__":
    main()
