"""Tiny model: a Llama of 39,000 random parameters with its own tokenizer, as a GGUF file that a real server can load.

`python -m tests.fakes.tiny_model FILE [TEXT]`. It writes Dutch words in no order, as long as chance wills; or always TEXT.
Nothing is downloaded.
"""

import sys
from pathlib import Path

import gguf
import numpy as np

CONTEXT = 4096
TEXT = "de het een van en in is dat op te zijn met voor niet aan er om ook als dan maar bij nog uit wordt naar heeft"
WORDS = TEXT.split()
DIMENSIONS, LAYERS, HEADS, INNER = 32, 2, 4, 64
BIAS = 4.0
TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"


def write_tiny_model(path: Path, *, says: str = "", seed: int = 7) -> None:
    """Write the model; the same seed gives the same file."""
    words = [f"▁{word}" for word in WORDS] + ([says] if says else [])
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *words]
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2, *[gguf.TokenType.BYTE] * 256]
    kinds += [gguf.TokenType.NORMAL] * (len(tokens) - len(kinds))
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(DIMENSIONS)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(DIMENSIONS // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([float(-number) for number in range(len(tokens))])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(TEMPLATE)
    for name, values in _weights(len(tokens), bool(says), np.random.default_rng(seed)).items():
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _weights(n_tokens: int, says_one_text: bool, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Random weights; the first dimension is the same for all tokens, so that it weighs in for words and against bytes."""

    def drawn(*shape: int) -> np.ndarray:
        return random.normal(0, 0.3, shape)

    embedding, output = drawn(n_tokens, DIMENSIONS), drawn(n_tokens, DIMENSIONS)
    embedding[:, 0] = 5.0
    output[:, 0] = -BIAS
    output[260:, 0] = BIAS / 2
    # The end is as likely as a word: about one token in thirty.
    output[2, 0] = BIAS / 2
    if says_one_text:
        # The last token follows on any other, and the end follows on it, which the second dimension tells.
        output[-1, 0], embedding[:, 1], embedding[-1, 1], output[2, 1] = 20.0, 0.0, 10.0, 20.0
    weights = {"token_embd.weight": embedding, "output.weight": output, "output_norm.weight": np.ones(DIMENSIONS)}
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights[f"blk.{layer}.{name}.weight"] = drawn(DIMENSIONS, DIMENSIONS) * 0.1
        weights[f"blk.{layer}.ffn_gate.weight"] = drawn(INNER, DIMENSIONS) * 0.1
        weights[f"blk.{layer}.ffn_up.weight"] = drawn(INNER, DIMENSIONS) * 0.1
        weights[f"blk.{layer}.ffn_down.weight"] = drawn(DIMENSIONS, INNER) * 0.1
        weights[f"blk.{layer}.attn_norm.weight"] = weights[f"blk.{layer}.ffn_norm.weight"] = np.ones(DIMENSIONS)
    return weights


if __name__ == "__main__":
    write_tiny_model(Path(sys.argv[1]), says=sys.argv[2] if len(sys.argv) > 2 else "")
