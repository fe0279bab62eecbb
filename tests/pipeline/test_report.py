"""The rendered page: self-contained, escaped, complete, and honest about what is missing."""

import re
import time
from html.parser import HTMLParser

import numpy as np
import pytest

from pipeline.report.inputs import ReportInputs
from pipeline.report.render import INPUTS_FILE, REPORT_FILE, render_report, write_report
from pipeline.report.summary import read_inputs
from tests.pipeline.report_inputs import DEMO_EXPERTS, DEMO_TASKS, HOSTILE, make_inputs

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Parses a page, checks that its tags nest, and keeps tags, attributes and text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        """All text, white space as single spaces."""
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def inputs():
    """A whole blessed run."""
    return make_inputs()


@pytest.fixture(scope="module")
def page(inputs):
    """Its page."""
    return Page(render_report(inputs))


def test_the_page_fetches_nothing_and_runs_nothing(inputs):
    text = render_report(inputs)
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    fetching = {"src", "srcset", "action", "poster", "data", "background"}
    assert not [a for a in page.attributes if a[1] in fetching or a[1].startswith("on")]
    assert all(value.startswith("#") for _, name, value in page.attributes if name == "href")
    assert not re.search(r"url\(|@import|https?:", text)
    assert ("meta", "content") in {(tag, name) for tag, name, _ in page.attributes}
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text


def test_every_part_of_the_run_is_on_the_page(page):
    for expected in (
        "demo · gate report · 2026-11-22 08:41 UTC",
        "2026-01-01 00:00 UTC",
        "Blessed and pushed as version 1795336959",
        "Candidate: DSelect‑k, k = 2 of 8 experts",
        "Baseline: Top‑k, k = 2 of 8 experts",
        "4 of 8 experts are used, 1.9 a task; serving skips 4.",
        "Experts in common over experts in use",
        "the weights of epoch 7 were kept",
        "8 checks, 0 failed",
        "80,000 examples",
        "✓ balances",
        "bad_timestamp",
        "None: the examples' statistics fit the schema.",
        "0.1.0+3f9c2ab17d10",
        "No task uses experts 1, 3, 6, 7",
        "click + bad_click + long_watch",
        "44 to under 57",
        "best reachable",
    ):
        assert expected in page.text, expected
    for section in ("verdict", "gates", "comparison", "training", "calibration", "slices"):
        assert ("section", "id", section) in page.attributes


def test_the_same_run_renders_the_same_bytes(inputs):
    assert render_report(inputs) == render_report(inputs.model_copy())


def test_hostile_names_stay_text():
    tasks = {f"{HOSTILE}{n}": ("classification", f"{HOSTILE}g") for n in range(3)}
    counts = make_inputs(num_rows=800).counts.model_dump(mode="json")
    counts |= {
        "dead_letters": {HOSTILE: 3},
        "missing": {HOSTILE: 1},
        "unreadable": {HOSTILE: HOSTILE},
    }
    inputs = make_inputs(
        tasks=tasks,
        experts={task: (number,) for number, task in enumerate(tasks)},
        num_rows=800,
        name=HOSTILE,
        anomalies=[{"feature": HOSTILE, "reason": HOSTILE, "description": HOSTILE}],
        lineage={
            "run_id": HOSTILE,
            "config_yaml": HOSTILE,
            "data": {HOSTILE: HOSTILE},
            "tfx": HOSTILE,
            "artifacts": [{HOSTILE: HOSTILE}],
        },
        counts=counts,
        pushed={"version": HOSTILE, "path": HOSTILE},
    )
    text = render_report(inputs)
    assert "<script" not in text
    assert "<img" not in text
    page = Page(text)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert HOSTILE in page.text, "shown as it is, and no template runs inside it"


def test_a_refused_run_says_why_and_that_nothing_was_pushed():
    inputs = make_inputs(refused=True, truth=None)
    page = Page(render_report(inputs))
    assert "Refused: nothing was pushed" in page.text
    assert inputs.figures.verdict.failures[0].message in page.text
    assert "✕ fails" in page.text
    assert "▼ worse" in page.text
    assert "best reachable" not in page.text
    assert ("header", "class", "refused") in page.attributes


def test_a_run_that_left_nothing_still_has_a_page():
    page = Page(render_report(ReportInputs(name="empty")))
    for expected in (
        "Not evaluated",
        "No gate weights: the run did not train",
        "No epoch was recorded",
        "No model was exported",
        "The ingestion left no counts",
        "The statistics were not validated",
    ):
        assert expected in page.text


@pytest.mark.parametrize(
    "missing",
    ["candidate", "baseline", "export", "figures", "counts", "anomalies", "truth", "pushed"],
)
def test_any_document_may_be_missing(inputs, missing):
    Page(render_report(inputs.model_copy(update={missing: None})))


def test_undefined_metrics_are_a_dash_with_the_reason():
    inputs = make_inputs(num_rows=800)
    document = inputs.figures.model_dump(mode="json")
    like = document["tasks"]["like"]
    nothing = {"value": None, "lower": None, "upper": None}
    like["metrics"]["auc"] |= dict.fromkeys(("candidate", "baseline", "difference"), nothing)
    like["unmeasured"] = {"auc": "it needs a positive and a negative example"}
    document["tasks"]["share"]["calibration"] = {"candidate": [], "baseline": []}
    page = Page(render_report(make_inputs(num_rows=800, figures=document)))
    assert "it needs a positive and a negative example" in page.text
    assert "– not compared" in page.text
    assert not re.search(r"\b(None|nan|inf)\b", page.text.replace("None: the examples", ""))


def test_a_gate_by_example_has_no_heatmap_but_a_page(inputs):
    record = inputs.candidate.model_dump()
    record |= {"gate": {"kind": "dselect_k", "experts_per_task": 2, "per_example": True}}
    record |= {"gate_weights": {}, "steps": []}
    export = inputs.export.model_dump()
    export["tasks"] = {name: {**task, "weights": None} for name, task in export["tasks"].items()}
    changed = ReportInputs.model_validate(
        inputs.model_dump() | {"candidate": record, "export": export}
    )
    page = Page(render_report(changed))
    assert "k = 2 of 8 experts, per example" in page.text
    assert "Candidate: weights while training" not in page.text


def test_skipped_experts_are_crossed_out_in_every_row(page):
    skipped = [a for a in page.attributes if a[1:] == ("class", "skipped")]
    headers, cells = ([a for a in skipped if a[0] == tag] for tag in ("th", "td"))
    baseline = make_inputs().baseline
    used = {np.flatnonzero(rows[-1])[i] for rows in baseline.gate_weights.values() for i in (0, 1)}
    assert len(headers) == 4 + 8 - len(used)
    assert len(cells) == len(headers) * len(DEMO_TASKS)


def test_charts_and_heatmaps_can_be_read_without_seeing_colours(page):
    roles = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "role")]
    labels = [v for tag, name, v in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert len(roles) == len(labels) > 20
    assert any("binary at step" in label for label in labels)
    assert page.tags.count("caption") == page.tags.count("table")
    assert ".74" in page.words or ".83" in page.words


def test_many_tasks_and_experts_stay_a_page_of_a_few_megabytes():
    random = np.random.default_rng(1)
    tasks = {f"task_{n}": ("classification", f"group_{n // 32}") for n in range(128)}
    experts = {task: tuple(random.choice(128, 2, replace=False).tolist()) for task in tasks}
    inputs = make_inputs(num_experts=128, tasks=tasks, experts=experts, num_rows=400)
    start = time.process_time()
    text = render_report(inputs)
    assert time.process_time() - start < 10
    assert len(text) < 5_000_000
    assert "116 more tasks" in Page(text).text


def test_the_report_can_be_rendered_again_from_its_folder(inputs, tmp_path):
    write_report(inputs, tmp_path / "report")
    assert (tmp_path / "report" / REPORT_FILE).read_text() == render_report(inputs)
    assert (tmp_path / "report" / INPUTS_FILE).is_file()
    assert render_report(read_inputs(tmp_path / "report")) == render_report(inputs)
    assert set(DEMO_EXPERTS) == set(inputs.export.tasks)
