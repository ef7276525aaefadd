"""Files of torch.save(), written here byte by byte: pickles that call functions, and tensors that reach out of their storage."""
import functools
import io
import pathlib
import struct
import zipfile

from mutate import npz

CORPUS = pathlib.Path(__file__).resolve().parent.parent.parent / "tests/fuzz/corpus/torch"
MAGIC = bytes.fromhex("8a0a6cfc9c46f920 6aa850192e".replace(" ", ""))
FUNCTIONS = [("os", "system"), ("posix", "system"), ("nt", "system"), ("subprocess", "getoutput"), ("subprocess", "call"),
             ("builtins", "eval"), ("builtins", "exec"), ("__builtin__", "eval"), ("builtins", "getattr"), ("builtins", "__import__"),
             ("runpy", "_run_code"), ("importlib", "import_module"), ("torch", "load"), ("torch.hub", "load"), ("pickle", "loads"),
             ("torch._utils", "_rebuild_tensor_v3"), ("collections", "Counter"), ("collections.OrderedDict", "__init__"),
             ("torch.serialization", "load"), ("numpy.core.multiarray", "_reconstruct"), ("torch", "FloatStorage\nos system"),
             ("webbrowser", "open"), ("pty", "spawn"), ("timeit", "timeit"), ("torch.jit.unsupported_tensor_ops", "execWrapper")]


def text(word):
    raw = word.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value):
    if -2**31 <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(16, "little", signed=True)
    return b"\x8a\x10" + raw


def sequence(values):
    return b"(" + b"".join(number(value) for value in values) + b"t"


def glob(module, name):
    return f"c{module}\n{name}\n".encode()


def tensor(offset=0, sizes=(2, 2), strides=(2, 1), count=4, key="0", storage="FloatStorage"):
    stored = b"(" + text("storage") + glob("torch", storage) + text(key) + text("cpu") + number(count) + b"tQ"
    hooks = glob("collections", "OrderedDict") + b")R"
    return (glob("torch._utils", "_rebuild_tensor_v2") + b"(" + stored + number(offset) + sequence(sizes) + sequence(strides) + b"\x89"
            + hooks + b"tR")


def dictionary(**values):
    return b"\x80\x02}(" + b"".join(text(name) + value for name, value in values.items()) + b"u."


def archive(pickled, data=struct.pack("<4f", 1, 2, 3, 4), method=zipfile.ZIP_STORED):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method, compresslevel=1) as made:
        made.writestr("archive/data.pkl", pickled)
        made.writestr("archive/data/0", data)
        made.writestr("archive/version", b"3\n")
    return target.getvalue()


def legacy(pickled, data=struct.pack("<4f", 1, 2, 3, 4)):
    system = b"\x80\x02}(" + text("protocol_version") + number(1001) + text("little_endian") + b"\x88" + text("type_sizes") + b"}u."
    keys = b"\x80\x02](" + text("0") + b"e."
    return b"\x80\x02" + MAGIC + b"\x80\x02" + number(1001) + b"." + system + pickled + keys + struct.pack("<q", len(data) // 4) + data


def bases(kind, folder, tool):
    del folder, tool
    if kind == "legacy":
        return [("PyTorch's", (CORPUS / "old.pt").read_bytes())]
    return [(name, (CORPUS / name).read_bytes()) for name in ("zip.pt", "checkpoint.pt")] + [("made here", archive(dictionary(w=tensor())))]


def calls(rng, marker):
    """A function is called with a command, by one of the ways that pickle has."""
    module, name = rng.choice(FUNCTIONS)
    command = rng.choice([f"touch {marker}", f"__import__('os').system('touch {marker}')"])
    function = rng.choice([glob(module, name), text(module) + text(name) + b"\x93"])
    call = rng.choice([
        function + b"(" + text(command) + b"tR",                           # REDUCE
        b"(" + text(command) + f"i{module}\n{name}\n".encode(),             # INST
        b"(" + function + text(command) + b"o",                            # OBJ
        function + b"(" + text(command) + b"t\x81",                        # NEWOBJ
        function + b"(" + text(command) + b"t}\x92",                       # NEWOBJ_EX
        glob("collections", "OrderedDict") + b")R}(" + text("__setstate__") + function + b"ub",  # BUILD
        text(command) + b"Q",                                              # a persistent id
        b"\x82\x01" + b"(" + text(command) + b"tR",                        # EXT1
    ])
    return rng.choice([b"\x80\x02" + call + b".", dictionary(w=tensor(), x=call), dictionary(w=call), dictionary(x=call, w=tensor())])


def lying(rng, marker):
    """Tensors that their storages do not hold; sizes and strides that overflow."""
    del marker
    return dictionary(w=rng.choice([
        tensor(sizes=(2, 3)), tensor(offset=1), tensor(offset=-1), tensor(offset=2**62), tensor(sizes=(2**40, 2)), tensor(sizes=(2**62, 4)),
        tensor(sizes=(-1, -4)), tensor(strides=(2**62, 2**62)), tensor(strides=(-2, 1)), tensor(count=2**60), tensor(count=-1),
        tensor(count=2**62, sizes=(2**31, 2**31), strides=(0, 0)), tensor(key="7"), tensor(key="../../etc/passwd"), tensor(count=3),
        tensor(storage="DoubleStorage", sizes=(4,), strides=(1,)), tensor(storage="UntypedStorage"), tensor(sizes=(2, 2, 2)), tensor(strides=(1,)),
        tensor(sizes=(1,) * 65, strides=(1,) * 65)]))


def deep(rng, marker):
    """What costs a naive reader its stack or its memory."""
    del marker
    return rng.choice([b"\x80\x02" + b"(" * 300000 + b".", b"\x80\x02" + b"]" * 200000 + b"a" * 199999 + b".",
                       b"\x80\x02" + b")" + b"\x85" * 200000 + b".", b"\x80\x02X" + struct.pack("<I", 2**32 - 1) + b"a.",
                       b"\x80\x02\x8b" + struct.pack("<I", 2**31 - 1) + b"1.", b"\x80\x02N" + b"2" * 200000 + b"(t.",
                       b"\x80\x02]" + b"q\x00h\x00h\x00\x86" * 60 + b".", b"\x80\x02N" + b"r" + struct.pack("<I", 2**32 - 1) + b".",
                       b"\x80\xff.", b"\x80\x02.", b"", b"\x80\x02" + b"0" * 10])


@functools.lru_cache
def bomb():
    return archive(dictionary(w=tensor()), bytes(300 << 20), zipfile.ZIP_DEFLATED)


CRAFTS = [calls, calls, calls, lying, lying, deep]


def craft(kind, content, rng, marker):
    if kind == "torch" and rng.random() < 0.3:
        return "sizes", npz.sizes(content, rng, marker), "same"
    change = rng.choice(CRAFTS)
    pickled = change(rng, marker)
    if kind == "legacy":
        return change.__name__, legacy(pickled), "error"
    if rng.random() < 0.1:
        return "bomb", bomb(), "error"
    return change.__name__, archive(pickled, method=rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])), "error"
