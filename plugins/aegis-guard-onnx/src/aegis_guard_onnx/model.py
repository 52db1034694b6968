"""The model: texts in, thousandths per label out.

Two forms are known. A model with one input of strings reads texts as they are, one text a row. A
model with inputs of integers reads tokens: `input_ids`, and `attention_mask` and `token_type_ids`
where it asks for them; a `tokenizer.json` says how texts become tokens.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .settings import OnnxOptions

MODEL_BYTES_MAX = 4 << 30
"""Largest model file; larger ones need their weights in files of their own."""

WINDOWS_MAX = 512
"""Most windows of one text; more are refused, not skipped."""

BATCH = 16
"""Windows run at once: enough to be worth it, few enough to fit anywhere."""

STRINGS = "tensor(string)"

FAULTS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    *(
        fault
        for fault in vars(onnxruntime_pybind11_state).values()
        if isinstance(fault, type) and issubclass(fault, Exception)
    ),
)
"""What onnxruntime raises: a type for each kind of fault, without a common root."""


class OnnxError(Exception):
    """The model cannot be used, or a text cannot be read with it."""


class Classifier:
    """One model and, where it reads tokens, its tokenizer. `version` is the hash of its file."""

    def __init__(self, settings: OnnxOptions) -> None:
        """Raises OnnxError where model, tokenizer and settings do not fit one another, OSError
        where the file cannot be read.
        """
        self._settings = settings
        self.version = _digest(Path(settings.model))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = settings.threads
        try:
            self._session = onnxruntime.InferenceSession(
                settings.model, options, providers=["CPUExecutionProvider"]
            )
        except FAULTS as error:
            said = (str(error).splitlines() or [""])[0]
            raise OnnxError(f"is no model onnxruntime can load: {said}") from None
        self._inputs = {one.name: one.type for one in self._session.get_inputs()}
        self._strings = list(self._inputs.values()) == [STRINGS]
        self._tokenizer = None if self._strings else self._read_tokenizer()
        known = {"input_ids", "attention_mask", "token_type_ids"}
        if not self._strings and not {"input_ids"} <= set(self._inputs) <= known:
            raise OnnxError(f"its inputs {sorted(self._inputs)} are neither one text nor tokens")
        # a first run tells whether the labels fit, before anything depends on them
        list(self.windows("What is a ledger?"))

    def _read_tokenizer(self) -> Any:
        path = self._settings.tokenizer
        if not path:
            raise OnnxError("it reads tokens; name its tokenizer.json in `tokenizer`")
        try:
            tokenizer = Tokenizer.from_file(path)
        except Exception as error:
            # the binding raises bare exceptions for files it cannot use
            raise OnnxError(f"its tokenizer `{path}` cannot be read: {error}") from None
        tokenizer.no_padding()
        # a text that spells [SEP] or [PAD] has those letters and not that mark
        tokenizer.encode_special_tokens = True
        # every window gets the marks (such as [CLS]) that the model expects around a text
        tokenizer.enable_truncation(self._settings.window, stride=self._settings.overlap)
        return tokenizer

    def windows(self, text: str) -> Iterator[tuple[int, int, list[int]]]:
        """(start, end, thousandths per label) for each window, in code points of the text.

        Raises OnnxError for a text of too many windows, or where the model fails.
        """
        parts = self._parts(text)
        if len(parts) > WINDOWS_MAX:
            raise OnnxError(
                f"a text of {len(text)} characters makes {len(parts)} windows, more than "
                f"{WINDOWS_MAX}; raise `window` or split the action"
            )
        for first in range(0, len(parts), BATCH):
            batch = parts[first : first + BATCH]
            scores = self._run([feed for _, _, feed in batch])
            for (start, end, _), row in zip(batch, scores, strict=True):
                yield start, end, row

    def _parts(self, text: str) -> list[tuple[int, int, Any]]:
        size, overlap = self._settings.window, self._settings.overlap
        if self._tokenizer is None:
            return [
                (start, min(start + size, len(text)), text[start : start + size])
                for start in _starts(len(text), size, overlap)
            ]
        # lone surrogates are no text to a tokenizer; one character stands for each of them
        clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        whole = self._tokenizer.encode(clean)
        parts = []
        for one in (whole, *whole.overflowing):
            places = [place for place in one.offsets if place[1] > place[0]]
            low = min((place[0] for place in places), default=0)
            high = max((place[1] for place in places), default=len(text))
            parts.append((low, min(high, len(text)), one.ids))
        return parts

    def _run(self, feeds: list[Any]) -> list[list[int]]:
        if self._tokenizer is None:
            (name,) = self._inputs
            shape = self._session.get_inputs()[0].shape
            rows = np.array(feeds, dtype=object)
            given: dict[str, Any] = {name: rows.reshape(-1, 1) if len(shape) == 2 else rows}
        else:
            longest = max(len(ids) for ids in feeds)
            ids = np.array([row + [0] * (longest - len(row)) for row in feeds], dtype=np.int64)
            mask = np.array(
                [[1] * len(row) + [0] * (longest - len(row)) for row in feeds], dtype=np.int64
            )
            every = {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0}
            given = {name: every[name] for name in self._inputs}
        try:
            outputs = self._session.run([self._output()], given)
        except FAULTS as error:
            said = (str(error).splitlines() or [""])[0]
            raise OnnxError(f"the model failed: {said}") from None
        return self._thousandths(np.asarray(outputs[0]), len(feeds))

    def _output(self) -> str:
        names = [one.name for one in self._session.get_outputs()]
        wanted = self._settings.output or names[-1]
        if wanted not in names:
            raise OnnxError(f"it has no output `{wanted}`; known: {', '.join(names)}")
        return wanted

    def _thousandths(self, scores: Any, rows: int) -> list[list[int]]:
        labels = len(self._settings.labels)
        if scores.shape != (rows, labels) or scores.dtype.kind != "f":
            raise OnnxError(
                f"its output has the shape {list(scores.shape)}; with {labels} labels it has to "
                f"be [{rows}, {labels}] numbers"
            )
        if self._settings.logits:
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            scores = scores / scores.sum(axis=1, keepdims=True)
        if not np.isfinite(scores).all() or scores.min() < 0 or scores.max() > 1.001:
            raise OnnxError("its scores are no shares from 0 to 1; set `logits: true` for logits")
        return [[min(1000, round(float(one) * 1000)) for one in row] for row in scores]


def _digest(path: Path) -> str:
    """What a record says about which model judged."""
    if path.stat().st_size > MODEL_BYTES_MAX:
        raise OnnxError(f"is larger than {MODEL_BYTES_MAX} bytes")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _starts(size: int, window: int, overlap: int) -> range:
    """Where windows begin, so that every place is in one and neighbours overlap."""
    return range(0, max(1, size - overlap), window - overlap)
