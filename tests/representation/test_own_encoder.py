"""A run whose encoder is a class of the user's own is loaded by the class's name, where its module was imported."""

import subprocess
import sys

import numpy as np
import pytest
from torch import nn

import isotropy
from isotropy import SelfSupervisedEncoder, encoders
from isotropy.cli import main
from isotropy.encoders import Encoder
from isotropy.errors import UserError

MODULE = """
from torch import nn
from isotropy.encoders import Encoder

class Small(Encoder):
    modality = "table"

    def __init__(self, numeric, width=8):
        super().__init__()
        self.width = width
        self.layer = nn.Linear(numeric, width)

    def forward(self, x):
        return self.layer(x).tanh()
"""
ROWS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
TINY = {"train.batch_size": 16, "encoder.width": 5}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Train with an encoder of a module in the working folder; return the class and the run's embeddings."""
    (tmp_path / "own_networks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_networks", raising=False)
    *_, finished = isotropy.train(
        ROWS, method="simclr", encoder="own_networks:Small", settings=TINY, epochs=1, out="run"
    )  # fmt: skip
    yield sys.modules["own_networks"].Small, finished.representation.transform(ROWS)
    sys.modules.pop("own_networks", None)


def test_a_class_whose_module_is_imported_needs_not_be_passed(own):
    assert np.array_equal(isotropy.load("run").transform(ROWS), own[1])
    np.save("rows.npy", ROWS)
    load = "import numpy as np, isotropy; np.save('z.npy', isotropy.load('run').transform(np.load('rows.npy')))"
    subprocess.run([sys.executable, "-c", f"import own_networks; {load}"], check=True)
    assert np.allclose(np.load("z.npy"), own[1], atol=1e-5)


def test_loading_imports_no_module_unless_it_is_asked_to(own, tmp_path, capsys):
    np.save("rows.npy", ROWS)
    with open("own_networks.py", "a") as file:
        file.write("open('executed', 'w').close()\n")
    sys.modules.pop("own_networks")
    with pytest.raises(UserError, match="model.json: encoder 'own_networks:Small' is code of the module") as said:
        isotropy.load("run")
    assert "\n" not in str(said.value) and "isotropy --import own_networks" in str(said.value)
    for verb in (
        ["embed", "run", "rows.npy", "--out", "z.npy"],
        ["diagnose", "run"],
        ["fit", "rows.npy", "--init", "run"],
    ):
        with pytest.raises(SystemExit):
            main(verb)
        assert "reading a file executes nothing" in capsys.readouterr().err
    assert not (tmp_path / "executed").exists() and not (tmp_path / "z.npy").exists()
    main(["--import", "own_networks", "embed", "run", "rows.npy", "--out", "z.npy"])
    assert np.array_equal(np.load("z.npy"), own[1])
    with pytest.raises(SystemExit):
        main(["--import", "no_such_module", "diagnose", "run"])
    assert "--import no_such_module: cannot be imported" in capsys.readouterr().err


def test_a_class_that_is_gone_is_named_and_the_network_can_be_passed(own, tmp_path, monkeypatch):
    kind, right = own
    (tmp_path / "own_networks.py").unlink()
    monkeypatch.delitem(sys.modules, "own_networks")
    with pytest.raises(UserError, match=r"'own_networks:Small' is code of the module 'own_networks'") as said:
        isotropy.load("run")
    assert "\n" not in str(said.value)
    assert np.array_equal(isotropy.load("run", kind(3, 5)).transform(ROWS), right)


def test_what_cannot_be_named_is_custom():
    class Inner(Encoder):
        width = 3
        arguments = {}

    assert encoders.spec(Inner()) == encoders.spec(encoders.wrap(nn.Linear(3, 2), width=2)) == {
        "name": "custom", "arguments": {},
    }  # fmt: skip
    with pytest.raises(UserError, match="pass it when loading"):
        encoders.from_spec(encoders.spec(Inner()))
    with pytest.raises(UserError, match="'collections:Counter' is no subclass"):
        encoders.build("collections:Counter", "table", {})


def test_lazy_modules_follow_the_seed_and_are_loaded(tmp_path):
    def made():
        model = isotropy.SelfSupervisedEncoder(
            "simclr", encoder=nn.LazyLinear(5), epochs=1, batch_size=20, random_state=3, embedding="learned"
        )
        return model.fit(ROWS)

    first, second = made(), made()
    assert np.array_equal(first.transform(ROWS), second.transform(ROWS))
    first.save(tmp_path)
    assert np.array_equal(isotropy.load(tmp_path, nn.LazyLinear(5)).transform(ROWS), first.transform(ROWS))


def test_another_network_than_the_trained_one_is_refused(tmp_path):
    SelfSupervisedEncoder(encoder=nn.Linear(3, 4), epochs=1).fit(ROWS).representation_.save(tmp_path / "made")
    for other, what in (
        (
            nn.Linear(5, 4),
            r"'module.weight' has shape \(4, 3\), the network needs \(4, 5\): give the network as it was",
        ),
        (nn.Sequential(nn.Linear(3, 4)), "only the network has 'module.0.bias': give the network as it was trained"),
        ("mlp", r"model.json: a network of your own is a torch module \(nn.Module\), not str"),
    ):
        with pytest.raises(UserError, match=what):
            isotropy.load(tmp_path / "made", encoder=other)
