"""Every command that reads data has the same options for it, in the same words, and hands them on."""

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from isotropy.cli import reading
from isotropy.cli.app import app

VERBS = get_command(app).commands
READING = sorted(verb for verb, command in VERBS.items() if any(one.name == "path" for one in command.params))


def options_of(verb):
    """Return the options of a command by the names of its parameters."""
    return {one.name: one for one in VERBS[verb].params if one.param_type_name == "option"}


def test_the_commands_that_read_data_are_those_that_are_known():
    assert READING == ["compare", "embed", "finetune", "fit", "predict", "probe", "search"]


@pytest.mark.parametrize("verb", READING)
def test_a_command_that_reads_data_has_all_options_of_its_kind(verb):
    has = set(options_of(verb))
    assert set(reading.AS_THE_RUN) <= has
    labelled = {"label_key", "test_key", "test_label_key", "split", "task"}
    assert labelled <= has if "label" in has else not labelled & has
    learnt = set(reading.ALL) - set(reading.LABELLED)
    assert learnt <= has if verb in ("fit", "compare") else not learnt & has


@pytest.mark.parametrize("name", sorted({*reading.ALL, "device"}))
def test_an_option_is_the_same_everywhere(name):
    found = {verb: options_of(verb)[name] for verb in READING if name in options_of(verb)}
    if name == "label":  # a network learns one label, and any number of them are evaluated
        del found["finetune"]
    assert len({(one.help, one.multiple, str(one.default), *one.opts) for one in found.values()}) == 1, name


@pytest.mark.parametrize("verb", READING)
def test_what_is_given_reaches_the_command(verb, monkeypatch, tmp_path):
    from importlib import import_module

    heard = {}
    # Whether paths are there is looked up before anything is loaded.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    for name in ("a.npz", "b.npz"):
        (tmp_path / name).touch()
    # The command's second argument is its data, of those that read beside a run.
    place = 0 if verb in ("fit", "compare") else 1
    monkeypatch.setattr(
        import_module(f"isotropy.cli.{verb}"), verb, lambda *given, **_: heard.update(data=given[place])
    )
    arguments = ["a.npz", "b.npz"] if place == 0 else ["run", "a.npz", "b.npz"]
    arguments += ["--out", "here.csv"] if verb in ("embed", "predict") else []
    given = {"--channels": "last", "--na": "?", "--key": "X", "--rate": "50", "--channel-column": "axis"}
    result = CliRunner().invoke(app, [verb, *arguments, *(part for pair in given.items() for part in pair)])
    assert result.exit_code == 0, result.output
    assert heard["data"] == {
        "path": ["a.npz", "b.npz"], "channels": "last", "na": ["?"], "key": "X", "rate": 50.0, "channel_column": "axis",
    }  # fmt: skip
    if "size" in options_of(verb):
        CliRunner().invoke(app, [verb, arguments[0], "--size", "48x96", "--channels", "4", "--kind", "zip=text"])
        assert heard["data"] == {"path": "a.npz", "size": [48, 96], "channels": 4, "kinds": ["zip=text"]}
