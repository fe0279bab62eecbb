"""A base comes from a folder that somebody names: what is not whole or not sane is refused."""

import json
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warm_rankers import NEW, OLD, Vocabulary, make_config, make_ranker, save, start

from trainer.checkpoints.file import BrokenCheckpointError
from trainer.warm_start.bundle import BASE_FILE, find_base, reading_base
from trainer.warm_start.start import start_from
from transforms.errors import InputError

DOCUMENT = "document.json"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save(make_ranker(make_config()), tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def arrays(path):
    with np.load(path) as found:
        return {name: found[name] for name in found.files if name != DOCUMENT}


@pytest.fixture(scope="module")
def document(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(DOCUMENT))


def write(path, document, arrays):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(DOCUMENT, json.dumps(document))
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as out:
                np.lib.format.write_array(out, array)
    return path


def read(path):
    with reading_base(path) as base:
        for axis in base.layout.labels:
            base.labels(axis)
        return {name: base.read(name) for name in base.layout.weights}


def test_what_is_written_is_read(path, arrays):
    found = read(path)
    assert len(found) > 15
    for name, array in found.items():
        np.testing.assert_array_equal(array, arrays[name], strict=True)


def test_it_is_found_in_what_train_wrote_and_in_a_models_artifact(path, tmp_path):
    assert find_base(path.parent) == path
    artifact = tmp_path / "Format-TFMA"
    artifact.mkdir()
    (artifact / BASE_FILE).touch()
    assert find_base(tmp_path) == artifact / BASE_FILE
    with pytest.raises(InputError, match=r"must be what `gaterank train` wrote"):
        find_base(artifact.parent.parent / "nothing")


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_file_that_breaks_off_is_refused(path, tmp_path_factory, data):
    short = tmp_path_factory.mktemp("short") / BASE_FILE
    short.write_bytes(path.read_bytes())
    os.truncate(short, data.draw(st.integers(0, path.stat().st_size - 1)))
    with pytest.raises(BrokenCheckpointError, match="is no whole"):
        read(short)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_byte_that_is_another_changes_nothing_or_is_noticed(path, arrays, tmp_path_factory, data):
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    changed = tmp_path_factory.mktemp("changed") / BASE_FILE
    changed.write_bytes(content)
    try:
        found = read(changed)
    except BrokenCheckpointError:
        return
    for name, array in found.items():
        np.testing.assert_array_equal(array, arrays[name])


def test_what_is_no_file_of_arrays_is_refused(tmp_path):
    (tmp_path / BASE_FILE).write_text("not a zip")
    with pytest.raises(BrokenCheckpointError, match="is no whole checkpoint"):
        read(tmp_path / BASE_FILE)
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "nothing.npz")


def put(*place, value):
    def change(document):
        for key in place[:-1]:
            document = document[key]
        document[place[-1]] = value

    return change


TABLE = ("weights", "embedding/item")
DOCUMENTS = {
    "another version": (put("version", value=2), "version: Input should be 1"),
    "surplus": (put("code", value="import os"), "code: Extra inputs"),
    "a pickle": (put(*TABLE, "dtype", value="object"), "dtype: Input should be 'float16'"),
    "huge": (put(*TABLE, "shape", value=[2**30, 2**30]), "its arrays must fit into it"),
    "too huge": (put(*TABLE, "shape", value=[2**60, 3]), "shape.0: Input should be less than"),
    "negative": (put(*TABLE, "shape", value=[-1, 3]), "shape.0: Input should be greater than"),
    "other shape": (put(*TABLE, "shape", value=[3, 7]), "embedding/item must be ArraySpec"),
    "no axis": (put(*TABLE, "axes", value=["words of item"]), "each axis of an array must have"),
    "labels": (put("labels", "tasks", "count", value=2), "must be ArraySpec"),
    "hot": (put("temperatures", "gate", value=0.0), "temperatures.gate: Input should be greater"),
    "no temperature": (put("temperatures", value={}), "gate must have a temperature"),
    "surplus array": (
        put("weights", "$x", value={"shape": [1], "dtype": "int64", "axes": ["units"]}),
        "String should match pattern",
    ),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_a_document_that_does_not_fit_is_refused(tmp_path, document, arrays, case):
    change, message = DOCUMENTS[case]
    copy = json.loads(json.dumps(document))
    change(copy)
    path = write(tmp_path / BASE_FILE, copy, arrays)
    with pytest.raises(BrokenCheckpointError, match=message) as raised:
        start(path, make_config())
    assert len(str(raised.value)) < 1000


def place_of(document, axis):
    return f"labels_{list(document['labels']).index(axis):04}"


def test_labels_that_are_not_sane_are_refused(tmp_path, document, arrays):
    place = place_of(document, "words of item")
    ends = f"{place}/ends"
    for changed, message in (
        (arrays[ends][::-1].copy(), "must be cut inside of their text"),
        (arrays[ends] * 0 + arrays[ends][-1], "must be different"),
        (arrays[ends] - 1, "must be cut inside"),
    ):
        path = write(tmp_path / BASE_FILE, document, arrays | {ends: changed})
        with pytest.raises(BrokenCheckpointError, match=message):
            start(path, make_config())


def test_more_labels_than_places_are_refused(tmp_path, document, arrays):
    name = "embedding/item"
    copy = json.loads(json.dumps(document))
    copy["weights"][name]["shape"] = [3, 3]
    path = write(tmp_path / BASE_FILE, copy, arrays | {name: arrays[name][:3]})
    with pytest.raises(BrokenCheckpointError, match="as many labels as places"):
        start(path, make_config(), NEW)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["embedding/item", "gate/z/bias", "heads/bias"])
def test_numbers_that_are_none_are_refused_and_nothing_is_taken(
    tmp_path, document, arrays, name, value
):
    broken = arrays[name].copy()
    broken.flat[0] = value
    path = write(tmp_path / BASE_FILE, document, arrays | {name: broken})
    ranker = make_ranker(make_config(), OLD, seed=2)
    before = ranker.get_weights()
    with pytest.raises(BrokenCheckpointError, match=f"{name} must be finite"):
        start_from(ranker, Vocabulary(OLD), path)
    for a, b in zip(before, ranker.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("codes", [[9, 1, 2, 3], [-2, 1, 2, 3], [0, 1]])
def test_codes_of_no_expert_are_refused(tmp_path, document, arrays, codes):
    copy = json.loads(json.dumps(document))
    copy["weights"]["gate/codes"]["shape"] = [len(codes)]
    path = write(tmp_path / BASE_FILE, copy, arrays | {"gate/codes": np.array(codes)})
    with pytest.raises(BrokenCheckpointError, match="must say the expert of each code"):
        start(path, make_config())
