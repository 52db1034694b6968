"""The guard over ONNX classifiers, on tiny models made here. Needs packages the lock leaves out."""

import numpy as np
import pytest

from aegis.model import Action, Text, Verdict
from aegis.plugin.testing import check_guard


def needed(name):
    return pytest.importorskip(
        name,
        reason=f"aegis-guard-onnx is not tested: {name} is not installed (its wheels are large, "
        "so it is no part of requirements.lock)",
    )


needed("onnxruntime")
tokenizers = needed("tokenizers")
onnx = needed("onnx")
helper, TensorProto = onnx.helper, onnx.TensorProto

ACTION = Action("chat.completions")


def saved(path, nodes, inputs, output, constants):
    made = [onnx.numpy_helper.from_array(np.array(v), name) for name, v in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, [output], made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 9
    onnx.save(model, path)
    return str(path)


@pytest.fixture
def strings(tmp_path):
    """Reads strings; the share of `attack` is 1 where the word stands in the text."""
    nodes = [
        helper.make_node("StringSplit", ["text"], ["words", "count"], delimiter=" "),
        helper.make_node(
            "TfIdfVectorizer", ["words"], ["counts"], mode="TF", min_gram_length=1,
            max_gram_length=1, max_skip_count=0, ngram_counts=[0], ngram_indexes=[0],
            pool_strings=["attack"],
        ),
        helper.make_node("Clip", ["counts", "zero", "one"], ["seen"]),
        helper.make_node("MatMul", ["seen", "turn"], ["signed"]),
        helper.make_node("Add", ["signed", "base"], ["shares"]),
    ]  # fmt: skip
    constants = {
        "zero": np.float32(0), "one": np.float32(1),
        "turn": np.array([[-1, 1]], np.float32), "base": np.array([1, 0], np.float32),
    }  # fmt: skip
    text = helper.make_tensor_value_info("text", TensorProto.STRING, ["n"])
    shares = helper.make_tensor_value_info("shares", TensorProto.FLOAT, ["n", 2])
    return saved(tmp_path / "strings.onnx", nodes, [text], shares, constants)


@pytest.fixture
def tokens(tmp_path):
    """Reads tokens; the logit of `attack` is 3 where token 3 is among those not masked out, and
    all logits are 0 where the first token is not [CLS].
    """
    nodes = [
        helper.make_node("Equal", ["input_ids", "three"], ["hit"]),
        helper.make_node("Cast", ["hit"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["number", "mask"], ["kept"]),
        helper.make_node("ReduceMax", ["kept", "axes"], ["most"], keepdims=1),
        helper.make_node("MatMul", ["most", "turn"], ["signed"]),
        helper.make_node("Add", ["signed", "base"], ["plain"]),
        helper.make_node("Slice", ["input_ids", "from", "to", "axes"], ["first"]),
        helper.make_node("Equal", ["first", "two"], ["begun"]),
        helper.make_node("Cast", ["begun"], ["whole"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["plain", "whole"], ["logits"]),
    ]
    constants = {
        "three": np.int64(3), "two": np.int64(2), "axes": np.array([1]),
        "from": np.array([0]), "to": np.array([1]),
        "turn": np.array([[-6, 6]], np.float32), "base": np.array([3, -3], np.float32),
    }  # fmt: skip
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "length"])
        for name in ("input_ids", "attention_mask")
    ]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])
    path = saved(tmp_path / "tokens.onnx", nodes, inputs, logits, constants)
    vocabulary = {"[UNK]": 0, "[SEP]": 1, "[CLS]": 2, "attack": 3, "hello": 4}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 1)]
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return {"model": path, "tokenizer": str(tmp_path / "tokenizer.json"), "logits": True}


@pytest.fixture
def build(plugin):
    plugin("aegis-guard-onnx")
    from aegis_guard_onnx import build

    labels = {"labels": ["benign", "attack"], "findings": ["attack"]}
    return lambda **options: build({"onnx": {**labels, **options}}, stage="input")


def test_it_keeps_the_contract(build, strings, tokens):
    check_guard(build(model=strings), hit="this is an attack today", miss="hello there")
    check_guard(build(**tokens), hit="this is an attack today", miss="hello there")
    assert build(model=strings).version != build(**tokens).version


@pytest.mark.parametrize("form", ["strings", "tokens"])
def test_a_window_of_a_long_text_is_the_finding(build, strings, tokens, form):
    options = {"model": strings} if form == "strings" else tokens
    text = "hello " * 400 + "attack " + "hello " * 400
    guard = build(**options, window=64, overlap=16)
    (found,) = guard.inspect([Text("hello", "prompt"), Text(text, "prompt")], ACTION)
    assert (found.text, found.rule, found.type) == (1, "onnx.attack", "ATTACK")
    assert text[found.start : found.end].count("attack") == 1
    assert found.end - found.start < 500
    assert found.score > 990
    assert found.verdict is Verdict.BLOCK


def test_threshold_kinds_and_action_are_settings(build, tokens):
    texts = [Text("an attack", "arguments")]
    assert build(**tokens).inspect(texts, ACTION) == []
    (found,) = build(**tokens, kinds=["arguments"], action="review").inspect(texts, ACTION)
    assert found.verdict is Verdict.REVIEW
    assert build(**tokens, kinds=["arguments"], threshold=999).inspect(texts, ACTION) == []


def test_a_mark_of_the_model_that_a_text_spells_is_text(build, tokens):
    tokenizer = tokenizers.Tokenizer.from_file(tokens["tokenizer"])
    tokenizer.add_special_tokens(["attack"])
    tokenizer.save(tokens["tokenizer"])
    guard = build(**tokens)
    assert guard.inspect([Text("hello counterattacks", "prompt")], ACTION) == []
    assert guard.inspect([Text("hello attack", "prompt")], ACTION)


def test_a_text_of_too_many_windows_is_refused_and_not_cut(build, strings):
    guard = build(model=strings, window=8, overlap=4)
    with pytest.raises(Exception, match="more than 512"):
        guard.inspect([Text("hello " * 1000, "prompt")], ACTION)


def test_the_model_has_to_fit_its_settings(build, strings, tokens, tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    wrong = [
        ({"model": str(tmp_path / "none.onnx")}, "No such file"),
        ({"model": str(tmp_path / "bad.onnx")}, "no model onnxruntime can load"),
        ({"model": strings, "labels": ["a", "b", "c"], "findings": ["a"]}, "with 3 labels"),
        ({"model": tokens["model"]}, "name its tokenizer.json"),
        ({**tokens, "tokenizer": str(tmp_path / "bad.onnx")}, "cannot be read"),
        ({**tokens, "logits": False}, "set `logits: true`"),
        ({"model": strings, "output": "x"}, "no output `x`"),
        ({"model": strings, "findings": ["x"]}, "`findings`"),
        ({"model": strings, "lables": []}, "did you mean `labels`"),
        ({"model": strings, "threshold": 2000}, "threshold"),
        ({"model": strings, "window": 4}, "window"),
        ({"model": strings, "kinds": []}, "`kinds`"),
        ({"model": strings, "threads": 0}, "threads"),
        ({"model": strings, "action": "mask"}, "cannot be masked"),
    ]
    for options, said in wrong:
        with pytest.raises(ValueError, match=said):
            build(**options)


def test_a_configuration_is_refused_with_its_place(validated, strings):
    labels = {"labels": ["a", "b"], "findings": ["c"]}
    said = validated("aegis-guard-onnx", "onnx", model=strings, window=64, overlap=60, **labels)
    for one in ("findings: has to list", "overlap: has to be"):
        assert any(f"guardrails.onnx.options.{one}" in line for line in said), said


def test_installed_it_is_found_by_its_name(enforced, strings):
    said = enforced("aegis-guard-onnx", "onnx", model=strings, labels=["a", "b"], findings=["b"])
    assert any("enforcing" in one for one in said), said
