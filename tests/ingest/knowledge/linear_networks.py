"""Networks that RelP makes linear, written out in float64: what a change of one neuron does in them, without autograd.

Attention patterns are those that transformers returns; all else is computed here from the models' tensors.
"""

from __future__ import annotations

import torch
from torch.nn.functional import gelu, silu


class LinearNetwork:
    """One prompt through one model. The first run notes norms' sizes, gates and factors; later ones use them again.

    direct: whether projections that read the residual stream see what they saw in the first run.
    """

    def __init__(self, model, prompt, direct=False):
        self.prompt, self.direct, self.noted, self.again = prompt, direct, [], None
        self.p = {name: tensor.double() for name, tensor in model.module.state_dict().items()}
        self.config = model.module.config
        before = self.config._attn_implementation
        model.module.set_attn_implementation("eager")
        ids = torch.tensor([prompt.input_ids])
        with torch.no_grad():
            self.patterns = [a[0].double() for a in model.module(input_ids=ids, output_attentions=True).attentions]
        model.module.set_attn_implementation(before)
        self.values = [None] * len(self.patterns)
        self.delta = (-1, 0, 0.0)
        self.probability = self.run()
        self.values = [values.clone() for values in self.values]

    def changed(self, layer, neuron, by):
        """Return the answer's probability with one neuron at the answer position changed by an amount."""
        self.delta, self.again = (layer, neuron, by), iter(self.noted)
        return self.run()

    def slope(self, layer, neuron, eps=1e-4):
        """Return the probability's derivative by a neuron, from central differences."""
        return (self.changed(layer, neuron, eps) - self.changed(layer, neuron, -eps)) / (2 * eps)

    def run(self):
        log = self.logits(torch.tensor(self.prompt.input_ids)).log_softmax(1)
        return sum(log[self.prompt.position + j, t] for j, t in enumerate(self.prompt.answer_ids)).exp().item()

    def constant(self, value):
        if self.again is not None:
            return next(self.again)
        self.noted.append(value)
        return value

    def read(self, x):
        return self.constant(x) if self.direct else x

    def norm(self, x, name, centred=True, eps=1e-12, plus=0):
        x = x - x.mean(1, keepdim=True) if centred else x
        x = x / self.constant((x.square().mean(1, keepdim=True) + eps).sqrt()) * (self.p[f"{name}.weight"] + plus)
        return x + self.p[f"{name}.bias"] if centred else x

    def gate(self, x, act):
        return x * self.constant(act(x) / x)

    def linear(self, x, name):
        y = x @ self.p[f"{name}.weight"].T
        return y + self.p[f"{name}.bias"] if f"{name}.bias" in self.p else y

    def ffn(self, layer, values):
        values, (at, neuron, by) = values.clone(), self.delta
        self.values[layer] = values[self.prompt.position].clone()
        if at == layer:
            values[self.prompt.position, neuron] += by
        return values

    def attend(self, layer, v):
        """v: [tokens, key heads, width] -> [tokens, heads x width]."""
        pattern = self.patterns[layer]
        v = v.repeat_interleave(len(pattern) // v.shape[1], 1)
        return torch.einsum("hqk,khd->qhd", pattern, v).flatten(1)


class NeoX(LinearNetwork):
    def logits(self, ids):
        h, eps, heads = self.p["gpt_neox.embed_in.weight"][ids], self.config.layer_norm_eps, 4
        for i in range(3):
            at = f"gpt_neox.layers.{i}."
            a, m = (
                self.read(self.norm(h, f"{at}{n}", eps=eps)) for n in ("input_layernorm", "post_attention_layernorm")
            )
            v = self.linear(a, f"{at}attention.query_key_value").view(len(ids), heads, 3, -1)[:, :, 2]
            m = self.ffn(i, self.gate(self.linear(m, f"{at}mlp.dense_h_to_4h"), gelu))
            h = h + self.linear(self.attend(i, v), f"{at}attention.dense") + self.linear(m, f"{at}mlp.dense_4h_to_h")
        return self.linear(self.norm(h, "gpt_neox.final_layer_norm", eps=eps), "lm_head")


class GPT2(LinearNetwork):
    def conv(self, x, name):
        return x @ self.p[f"{name}.weight"] + self.p[f"{name}.bias"]

    def logits(self, ids):
        h = self.p["transformer.wte.weight"][ids] + self.p["transformer.wpe.weight"][: len(ids)]
        for i in range(3):
            at = f"transformer.h.{i}."
            a = self.read(self.norm(h, f"{at}ln_1", eps=1e-5))
            v = self.conv(a, f"{at}attn.c_attn").view(len(ids), 3, 4, -1)[:, 2]
            h = h + self.conv(self.attend(i, v), f"{at}attn.c_proj")
            m = self.conv(self.read(self.norm(h, f"{at}ln_2", eps=1e-5)), f"{at}mlp.c_fc")
            h = h + self.conv(self.ffn(i, self.gate(m, lambda x: gelu(x, approximate="tanh"))), f"{at}mlp.c_proj")
        return self.norm(h, "transformer.ln_f", eps=1e-5) @ self.p["transformer.wte.weight"].T


class Llama(LinearNetwork):
    act, plus, sandwich = staticmethod(silu), 0, False

    def rms(self, x, name):
        return self.norm(x, name, centred=False, eps=self.config.rms_norm_eps, plus=self.plus)

    def after(self, x, name):
        return self.rms(x, name) if self.sandwich else x

    def embedded(self, ids):
        return self.p["model.embed_tokens.weight"][ids]

    def logits(self, ids):
        h, before = self.embedded(ids), "pre_feedforward" if self.sandwich else "post_attention"
        for i in range(3):
            at = f"model.layers.{i}."
            v = self.linear(self.read(self.rms(h, f"{at}input_layernorm")), f"{at}self_attn.v_proj")
            a = self.linear(self.attend(i, v.view(len(ids), 2, -1)), f"{at}self_attn.o_proj")
            h = h + self.after(a, f"{at}post_attention_layernorm")
            m = self.read(self.rms(h, f"{at}{before}_layernorm"))
            a, b = self.gate(self.linear(m, f"{at}mlp.gate_proj"), self.act), self.linear(m, f"{at}mlp.up_proj")
            product = 0.5 * (a * self.constant(b) + self.constant(a) * b)
            m = self.linear(self.ffn(i, product), f"{at}mlp.down_proj")
            h = h + self.after(m, f"{at}post_feedforward_layernorm")
        return self.linear(self.rms(h, "model.norm"), "lm_head")


class Gemma2(Llama):
    act, plus, sandwich = staticmethod(lambda x: gelu(x, approximate="tanh")), 1, True

    def embedded(self, ids):
        return super().embedded(ids) * self.config.hidden_size**0.5

    def logits(self, ids):
        cap = self.config.final_logit_softcapping
        return (super().logits(ids) / cap).tanh() * cap


class Bert(LinearNetwork):
    def logits(self, ids):
        at = "bert.embeddings."
        h = self.p[f"{at}word_embeddings.weight"][ids] + self.p[f"{at}position_embeddings.weight"][: len(ids)]
        h = self.norm(h + self.p[f"{at}token_type_embeddings.weight"][0], f"{at}LayerNorm")
        for i in range(3):
            at = f"bert.encoder.layer.{i}."
            v = self.linear(self.read(h), f"{at}attention.self.value").view(len(ids), 4, -1)
            h = h + self.linear(self.attend(i, v), f"{at}attention.output.dense")
            h = self.norm(h, f"{at}attention.output.LayerNorm")
            m = self.ffn(i, self.gate(self.linear(self.read(h), f"{at}intermediate.dense"), gelu))
            h = self.norm(h + self.linear(m, f"{at}output.dense"), f"{at}output.LayerNorm")
        h = self.gate(self.linear(h, "cls.predictions.transform.dense"), gelu)
        return self.linear(self.norm(h, "cls.predictions.transform.LayerNorm"), "cls.predictions.decoder")


NETWORKS = {"bert-gelu": Bert, "gpt_neox": NeoX, "gpt2": GPT2, "llama": Llama, "gemma2": Gemma2}
