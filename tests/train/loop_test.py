"""What surrounds the steps of a run: schedules, averages, early stopping, the best checkpoint, groups of parameters, what a
run starts from; and that all of it goes on from a dump bit for bit.

usage: loop_test.py [NAME...]  runs the tests of these names, or all.
"""
import json

from program import config_text, errors, main, metrics, newest, run, write_data

# A bit of everything that remembers something.
LOOP = """
[schedule]
name = "plateau"
metric = "accuracy"
patience = 0
factor = 0.5
unit = "step"
warmup = 5
[evaluation]
every_steps = 4
[early_stopping]
patience = 100
[ema]
decay = 0.9
warmup = true
"""
ADAMW = """name = "adamw"
lr = 0.02
weight_decay = 0.1
[[optimizer.groups]]
match = ["*.bias"]
weight_decay = 0
lr_factor = 0.5"""


def write_config(folder, rest="", name="small.toml", model='name = "mlp"\nhidden = [4]', optimizer=ADAMW):
    data = write_data(folder / "data")
    path = folder / name
    path.write_text(config_text(data, model=model, optimizer=optimizer, rest=rest))
    return path


def contents(path):
    """All tensors of a dump, by group and name, and what it says of its place."""
    import h5py
    with h5py.File(path) as file:
        tensors = {f"{group}/{name}": data[()].tobytes() for group in file if group != "versions"
                   for name, data in file[group].items()}
        return tensors, {key: file.attrs[key] for key in ("step", "epoch", "sampler_epoch", "sampler_position")}


def losses(out):
    return [(line["step"], line["loss"], line["lr"]) for line in metrics(out, "step")]


def check_resume(folder, config, *args, ranks=0):
    """A run that goes on from each of its dumps ends with the same bits, steps and evaluations."""
    common = ["--set", "train.epochs=3", "--set", "checkpoint.every_steps=7", "--set", "checkpoint.keep_last=100", *args]
    whole = folder / "whole"
    run("train", config, "--out", whole, *common, ranks=ranks)
    for start in (whole / "checkpoints/step-000000007.h5", whole / "checkpoints/step-000000014.h5"):
        out = folder / start.stem
        run("train", config, "--out", out, "--resume", start, *common, ranks=ranks)
        assert contents(newest(out)) == contents(newest(whole)), start
        done = len(losses(out))
        assert done and losses(out) == losses(whole)[-done:]
        evaluations = [{k: v for k, v in line.items()} for line in metrics(out, "eval")]
        assert evaluations == metrics(whole, "eval")[-len(evaluations):]
    return whole


def test_a_run_that_goes_on_from_a_dump_remembers_all(folder):
    config = write_config(folder, LOOP + "[checkpoint]\nbest = \"loss\"\n")
    whole = check_resume(folder, config)
    tensors, _ = contents(newest(whole))
    assert {"trained/0.weight", "loop/plateau.best", "loop/early_stopping.loss.bad", "loop/best.loss.best"} <= set(tensors)
    assert len({lr for _, _, lr in losses(whole)}) > 5  # warm-up, and at least one plateau


def test_a_run_on_two_ranks_goes_on_so_too(folder):
    config = write_config(folder, LOOP)
    for name, extra in (("plain", []), ("shared", ["--set", "distributed.shard_optimizer=true"]),
                        ("half", ["--set", "distributed.compression=bf16"]),
                        ("same", ["--set", "distributed.reduction=reproducible", "--set", "distributed.shards=4"])):
        (folder / name).mkdir()
        check_resume(folder / name, config, *extra, ranks=2)


def test_a_reproducible_run_has_the_same_loop_on_any_number_of_ranks(folder):
    config = write_config(folder, LOOP)
    common = ["--set", "distributed.reduction=reproducible", "--set", "distributed.shards=4"]
    for ranks in (0, 2):
        run("train", config, "--out", folder / str(ranks), *common, ranks=ranks)
    one, two = (folder / name for name in ("0", "2"))
    assert contents(newest(one)) == contents(newest(two))
    assert metrics(one, "eval") == metrics(two, "eval")


def test_learning_rates_follow_the_schedule(folder):
    config = write_config(folder, '[schedule]\nname = "polynomial"\n')
    run("train", config, "--out", folder / "run", "--set", "optimizer.lr=0.12")
    got = [lr for _, _, lr in losses(folder / "run")]  # two epochs of six steps
    assert all(abs(lr - 0.12 * (1 - t / 12)) < 1e-12 for t, lr in enumerate(got)) and len(got) == 12, got


def test_a_run_without_progress_stops_early(folder):
    config = write_config(folder, "[early_stopping]\npatience = 3\n")
    out = folder / "run"
    done = run("train", config, "--out", out, "--set", "optimizer.lr=0", "--set", "train.epochs=20")
    assert "stopped early after step 24: no better loss than" in done.stdout, done.stdout
    assert len(metrics(out, "eval")) == 4 and metrics(out, "final")[0]["steps"] == 24
    # It stays so, until it is told to have more patience.
    again = run("train", config, "--out", out, "--set", "optimizer.lr=0", "--set", "train.epochs=20", "--resume", "auto")
    assert "stopped early after step 24" in again.stdout, again.stdout
    run("train", config, "--out", out, "--set", "optimizer.lr=0", "--set", "train.epochs=20", "--resume", "auto",
        "--set", "early_stopping.patience=4")
    assert metrics(out, "final")[-1]["steps"] == 30


def test_the_best_model_is_kept(folder):
    config = write_config(folder, "[checkpoint]\nkeep_last = 1\nbest = \"loss\"\n")
    out = folder / "run"
    done = run("train", config, "--out", out, "--set", "train.epochs=12", "--set", "optimizer.lr=0.3")
    evaluations = metrics(out, "eval")
    best = min(evaluations, key=lambda line: line["loss"])
    final = metrics(out, "final")[0]
    assert (final["best_loss"], final["best_step"]) == (best["loss"], best["step"])
    assert f"after {best['step']} steps: checkpoints/best.h5" in done.stdout, done.stdout
    assert sorted(p.name for p in (out / "checkpoints").iterdir()) == ["best.h5", "step-000000072.h5"]
    assert json.loads(run("evaluate", out / "checkpoints/best.h5").stdout)["test_loss"] == best["loss"]
    # A run that goes on from before the best one makes its own.
    run("train", config, "--out", folder / "short", "--set", "train.epochs=1", "--set", "optimizer.lr=0.3")
    (folder / "short/checkpoints/best.h5").write_bytes((out / "checkpoints/best.h5").read_bytes())
    warned = run("train", config, "--out", folder / "short", "--resume", "auto", "--set", "train.epochs=2",
                 "--set", "optimizer.lr=0.3")
    assert "best.h5" in warned.stderr and (folder / "short/checkpoints/best.h5.old").exists(), warned.stderr
    run("train", config, "--out", folder / "short", "--overwrite", "--set", "train.epochs=1")
    assert not (folder / "short/checkpoints/best.h5.old").exists()


def test_metrics_do_not_depend_on_the_number_of_ranks(folder):
    config = write_config(folder, "[task]\ntop_k = [2]\n")
    run("train", config, "--out", folder / "run", "--set", "train.eval_batch_size=3")
    dump = newest(folder / "run")
    alone = run("evaluate", dump).stdout
    for ranks in (2, 3, 5):  # of seven batches, the last with two samples
        assert run("evaluate", dump, ranks=ranks).stdout == alone
    result = json.loads(alone)
    assert {"test_loss", "test_accuracy", "test_top2", "test_precision", "test_recall", "test_f1"} <= set(result)
    table = run("evaluate", dump, "--table").stdout
    assert "class  samples  predicted  precision  recall      f1" in table, table
    confusion = metrics(folder / "run", "confusion")[-1]
    assert confusion["split"] == "test" and confusion["classes"] == ["0", "1", "2"]
    matrix = confusion["matrix"]
    assert [sum(row) for row in matrix] == [7, 7, 6]
    assert sum(matrix[i][i] for i in range(3)) / 20 == result["test_accuracy"]


def test_frozen_parameters_stay(folder):
    groups = 'lr = 0.1\n[[optimizer.groups]]\nmatch = ["0.*"]\nfrozen = true'
    config = write_config(folder, "", optimizer=groups)
    run("train", config, "--out", folder / "none", "--set", "train.epochs=0")
    for ranks in (0, 2):
        out = folder / str(ranks)
        run("train", config, "--out", out, "--set", "optimizer.momentum=0.9", ranks=ranks)
        before, after = contents(newest(folder / "none"))[0], contents(newest(out))[0]
        assert before["parameters/0.weight"] == after["parameters/0.weight"]
        assert before["parameters/2.weight"] != after["parameters/2.weight"]
        assert "optimizer/2.weight.momentum_buffer" in after and "optimizer/0.weight.momentum_buffer" not in after
    # Thawed for the rest of the run.
    run("train", config, "--out", folder / "thawed", "--resume", newest(folder / "0"), "--set", "train.epochs=3",
        "--set", "optimizer.momentum=0.9", "--set", "optimizer.groups.0.frozen=false")
    assert contents(newest(folder / "thawed"))[0]["parameters/0.weight"] != before["parameters/0.weight"]


def test_a_run_starts_from_what_fits_in_a_file(folder):
    config = write_config(folder)
    other = write_config(folder, name="other.toml", model='name = "mlp"\nhidden = [4, 5]')
    run("train", config, "--out", folder / "first")
    start = newest(folder / "first")
    done = run("train", other, "--out", folder / "second", "--init", start, "--set", "train.epochs=0")
    assert f"start from {start}: 2 tensors loaded" in done.stdout, done.stdout
    assert "missing in the file (2): 4.weight, 4.bias" in done.stdout, done.stdout
    assert "mismatched (2): 2.weight: f32[5, 4], in the file f32[3, 4]" in done.stdout, done.stdout
    first, second = contents(start)[0], contents(newest(folder / "second"))[0]
    assert first["parameters/0.weight"] == second["parameters/0.weight"]
    whole = run("train", config, "--out", folder / "third", "--init", start, "--set", "train.epochs=0", ranks=2)
    assert "4 tensors loaded, all that there are" in whole.stdout, whole.stdout
    assert {k: v for k, v in contents(newest(folder / "third"))[0].items() if k.startswith("parameters")} == \
        {k: v for k, v in first.items() if k.startswith("parameters")}
    strict = errors(run("train", other, "--out", folder / "fourth", "--init", start, "--set", "init.strict=true", expect=2))
    assert "'strict' in [init]: start from" in strict[0], strict
    assert not (folder / "fourth").exists()
    none = errors(run("train", config, "--init", folder / "none.h5", expect=2))
    assert "'file' in [init]: no such file" in none[0], none
    # What a run starts from is no matter to one that goes on, nor to an evaluation.
    moved = start.rename(folder / "moved.h5")
    run("train", config, "--out", folder / "third", "--resume", "auto", "--set", "train.epochs=1")
    run("evaluate", newest(folder / "third"))
    assert moved.exists()


def test_steps_without_epochs_take_as_many_as_they_need(folder):
    data = write_data(folder / "data")
    text = config_text(data).replace("epochs = 2\n", "max_steps = 20\n")
    (folder / "steps.toml").write_text(text)
    done = run("train", folder / "steps.toml", "--out", folder / "run")
    assert "epoch 4/4: loss" in done.stdout and len(losses(folder / "run")) == 20, done.stdout


def write_synthetic(folder, data, rest="", hidden="[16]", name="task.toml"):
    path = folder / name
    path.write_text(f"""name = "task"
seed = 1
[data]
format = "synthetic"
{data}
[model]
name = "mlp"
hidden = {hidden}
[optimizer]
name = "adam"
lr = 0.01
[train]
epochs = 4
batch_size = 50
{rest}""")
    return path


def test_every_task_learns_and_is_evaluated_alike_on_any_number_of_ranks(folder):
    regression = 'generator = "regression"\nsamples = 1000\ntest_samples = 210\nfeatures = 4'
    spirals = 'generator = "spirals"\nsamples = 600\ntest_samples = 210\nclasses = 2'
    for name, data, rest, metric in (("mse", regression, "", "r2"), ("huber", regression, '[task]\nloss = "huber"', "r2"),
                                     ("classes", spirals, "[task]\nlabel_smoothing = 0.1", "f1"),
                                     ("itself", spirals, '[task]\nname = "autoencoder"', "mse")):
        config = write_synthetic(folder, data, rest, name=f"{name}.toml")
        out = folder / name
        run("train", config, "--out", out)
        first, *_, last = metrics(out, "eval")
        assert last["loss"] < first["loss"] and metric in last, (name, first, last)
        result = json.loads(run("evaluate", newest(out)).stdout)
        assert all(result["test_" + key] == last[key] for key in ("loss", metric))
        assert json.loads(run("evaluate", newest(out), "--set", "train.eval_batch_size=1000", ranks=2).stdout) == result
        run("train", config, "--out", folder / (name + "2"), ranks=2)
        other = metrics(folder / (name + "2"), "eval")[-1]
        assert abs(other["loss"] - last["loss"]) < 1e-4 * max(1, abs(last["loss"])), (name, other, last)


def test_labels_of_a_table_are_learned_one_by_one(folder):
    rows = ["a,b,both,neither"] + [f"{a},{b},{int(a > 0 and b > 0)},{int(a < 0 and b < 0)}"
                                   for a in range(-10, 11, 1) for b in range(-10, 11, 1) if a and b]
    (folder / "table.csv").write_text("\n".join(rows) + "\n")
    config = write_synthetic(folder, "", "")
    text = config.read_text().replace('format = "synthetic"\n', f"""format = "csv"
train_file = "{folder}/table.csv"
target_columns = ["both", "neither"]
target = "labels"
validation = 0.2
""")
    config.write_text(text)
    out = folder / "run"
    run("train", config, "--out", out, "--set", "train.epochs=20")
    last = metrics(out, "eval")[-1]
    assert last["split"] == "validation" and last["accuracy"] > 0.9 and last["exact_match"] > 0.8, last
    assert "validation_f1" in metrics(out, "final")[0]
    table = run("evaluate", newest(out), "--table").stdout
    assert "\nboth " in table and "\nneither " in table, table


def test_a_gan_trains_two_models_on_any_number_of_ranks(folder):
    gan = 'name = "dcgan"\nlatent = 4\nfeatures = 4'
    optimizer = 'name = "adam"\nlr = 0.01\nbetas = [0.5, 0.9]\n[[optimizer.groups]]\nmatch = ["discriminator.*"]\nlr_factor = 0.5'
    config = write_config(folder, '[task]\nname = "gan"\n[ema]\ndecay = 0.5\n', model=gan, optimizer=optimizer)
    for name, ranks, extra in (("alone", 0, []), ("two", 2, []), ("shared", 2, ["--set", "distributed.shard_optimizer=true"])):
        (folder / name).mkdir()
        whole = check_resume(folder / name, config, *extra, ranks=ranks)
        step, last = metrics(whole, "step")[-1], metrics(whole, "eval")[-1]
        assert step["discriminator_loss"] > 0
        assert {"loss", "discriminator_loss", "real_accuracy", "fake_accuracy"} <= set(last)
        tensors = contents(newest(whole))[0]
        assert any(n.startswith("optimizer/generator.") for n in tensors) and \
            any(n.startswith("optimizer/discriminator.") for n in tensors)
    for extra, words in (("distributed.reduction=reproducible", "'reduction' in [distributed]: need \"fast\""),
                         ("train.micro_batches=2", "'micro_batches' in [train]: need 1"),
                         ("task.name=auto", "'name' in [task] is \"auto\" for the model \"dcgan\": need \"gan\"")):
        assert words in errors(run("train", config, "--out", folder / "no", "--set", extra, expect=2))[0]


def test_mistakes_are_found_before_anything_is_written(folder):
    config = write_config(folder)
    for extra, words in ((["early_stopping.patience=2", "early_stopping.metric=acuracy"],
                          "'metric' in [early_stopping] is \"acuracy\", no metric of the task \"classification\""),
                         (["checkpoint.best=r2"], "'best' in [checkpoint] is \"r2\""),
                         (["schedule.name=plateau", "schedule.metric=x"], "'metric' in [schedule] is \"x\""),
                         (["schedule.warmup=3"], "'warmup' in [schedule] takes 18 steps, the run has 12"),
                         (["task.name=regression"], "'name' in [task] is \"regression\", the targets of the data are class"),
                         (["task.name=gan"], "'name' in [task] is \"gan\" for the model \"mlp\""),
                         (["optimizer.groups.0.match=['none']"], "'match' in [optimizer.groups.0]: takes no parameter"),
                         (["ema.decay=1"], "'decay' in [ema] is 1")):
        sets = [part for one in extra for part in ("--set", one)]
        error = errors(run("train", config, "--out", folder / "run", *sets, expect=2))
        assert len(error) == 1 and words in error[0], (words, error)
    assert not (folder / "run").exists()


if __name__ == "__main__":
    main(globals())
