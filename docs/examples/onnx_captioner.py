"""An image-to-text model as it is usually exported to ONNX: an encoder, a decoder for the first word, one for the rest.

The file names and the names of inputs and outputs are those that `optimum-cli export onnx` gives a vision-encoder-decoder
with a GPT-2 decoder. Sentences are decoded by the same beam search as the built-in captioner's: one step a token for
the whole batch, what was computed for earlier tokens is kept, finished photos leave.
"""

import json
from functools import partial

import numpy as np

from core.heads.beam import Search, beam_search
from worker.runtimes.choose import load_runtime


class OnnxCaptioner:
    def __init__(self, folder, manifest, runtime, encoders):
        settings = manifest.settings
        self.manifest, self.streams = manifest, runtime.streams
        self._see = runtime  # manifest.graph, encoder_model.onnx
        self._first = load_runtime(folder / "decoder_model.onnx")
        self._next = load_runtime(folder / "decoder_with_past_model.onnx")
        self._mean, self._std = (np.array(settings[name], np.float32) for name in ("mean", "std"))
        self._start, self._end = settings["start"], settings["end"]
        vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        self._tokens = {at: token for token, at in vocabulary.items()}
        self._own = [f"{n}.decoder.{part}" for n in range(settings["layers"]) for part in ("key", "value")]
        self._photo = [f"{n}.encoder.{part}" for n in range(settings["layers"]) for part in ("key", "value")]

    def predict(self, requests):
        """For each request (pixels uint8 [height, width, 3]) its sentences, best first: [(text, score), ...]."""
        pixels = np.stack([request.input for request in requests]).astype(np.float32) / 255
        pixels = ((pixels - self._mean) / self._std).transpose(0, 3, 1, 2)
        states = self._see.run({"pixel_values": pixels}, ("last_hidden_state",))["last_hidden_state"]
        groups, found = {}, {}
        for at, request in enumerate(requests):  # only photos that ask for the same search are decoded together
            options = request.options
            search = Search(options.beam_size, options.max_words, options.beam_size, start=self._start, end=self._end)
            groups.setdefault(search, []).append(at)
        for search, group in groups.items():
            step = partial(self._step, {"states": np.repeat(states[group], search.beam_size, axis=0)})
            found.update(zip(group, beam_search(step, len(group), search)))
        return [[self._sentence(one) for one in found[at]] for at in range(len(requests))]

    def render(self, raw, options):
        """As the task `caption` answers; see docs/plug-in-captioner.md."""
        sentences = [{"text": text, "score": round(score, 6)} for text, score in raw]
        more = {"candidates": sentences[: options.candidates]} if options.candidates > 1 else {}
        return {**sentences[0], "model": self.manifest.id, **more}

    def _step(self, memory, tokens, parents, photos, position):
        """Log probabilities [photos, beams, tokens] of what follows `tokens` [photos, beams]; see core/heads/beam.py."""
        ids = {"input_ids": tokens.reshape(-1, 1).astype(np.int64)}
        if position == 0:
            wanted = [f"present.{name}" for name in self._own + self._photo]
            out = self._first.run({**ids, "encoder_hidden_states": memory.pop("states")}, ["logits", *wanted])
        else:  # what is remembered follows the beams: row r goes on from row rows[r] of the step before
            rows = (photos[:, None] * tokens.shape[1] + parents).ravel()
            memory.update({name: kept[rows] for name, kept in memory.items()})
            wanted = [f"present.{name}" for name in self._own]
            past = {f"past_key_values.{name}": kept for name, kept in memory.items()}
            out = self._next.run({**ids, **past}, ["logits", *wanted])
        memory.update({name.removeprefix("present."): out[name] for name in wanted})
        logits = out["logits"][:, -1].astype(np.float64)
        logits -= logits.max(axis=-1, keepdims=True)
        scores = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        return scores.reshape(*tokens.shape, -1)

    def _sentence(self, hypothesis):
        """Tokens as text (GPT-2 marks a space with Ġ; its marks for letters outside ASCII are left as they are)."""
        text = "".join(self._tokens[token] for token in hypothesis.tokens).replace("Ġ", " ").strip()
        return text, float(np.exp(hypothesis.log_probability / (len(hypothesis.tokens) + 1)))
