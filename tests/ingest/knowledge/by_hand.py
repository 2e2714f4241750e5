"""Tiny models of every family, prompts for them, and what a plain hook on transformers' own forward gives."""

from __future__ import annotations

import torch

from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.models import load
from tests.ingest.models.conftest import save_model, save_tokenizer


def tiny_model(case, folder):
    save_model(folder, case.config, case.head)
    save_tokenizer(folder)
    return load(str(folder), head=True, device="cpu")


def tiny_prompts(model):
    """Two lengths, several positions; where the model can, answers of several tokens."""
    draw = torch.Generator().manual_seed(0)

    def tokens(n):
        return tuple(torch.randint(5, 26, (n,), generator=draw).tolist())

    prompts = []
    for index, length in enumerate((7, 5, 7, 7)):
        answer = tokens((1, 3, 1, 2)[index])
        if model.family.objective == "mlm":
            prompts.append(PromptInput(index, "c", tokens(length), (2, 0, 6, 3)[index], answer[:1]))
        elif model.family.objective == "clm":
            prompts.append(PromptInput(index, "c", tokens(length) + answer[:-1], length - 1, answer))
        else:
            position = (2, 0, 2, 1)[index]
            prompts.append(PromptInput(index, "c", tokens(length), position, answer, tokens(position + len(answer))))
    return prompts


def logits_by_hand(model, prompt, change, n=1):
    """Run n copies of a prompt; change(layer, values [n, d_ffn]) gives the values at the answer position.

    Returns logits, [n, tokens, vocabulary], and the first copy's values after the change, [n_layers, d_ffn].
    """
    family = model.family.of_answers()
    blocks = family.blocks_of(model.base)
    tokens = len(prompt.decoder_ids or prompt.input_ids)
    layers, seen = iter(range(len(blocks))), []

    def hook(_, args):
        values = args[0].reshape(n, tokens, -1).clone()
        values[:, prompt.position] = change(next(layers), values[:, prompt.position])
        seen.append(values[0, prompt.position].detach())
        return (values.view(args[0].shape),)

    handles = [down.register_forward_pre_hook(hook) for down in {family.down_of(block) for block in blocks}]
    inputs = {"decoder_input_ids": torch.tensor([prompt.decoder_ids] * n)} if prompt.decoder_ids else {}
    try:
        return model.module(input_ids=torch.tensor([prompt.input_ids] * n), **inputs).logits, torch.stack(seen)
    finally:
        for handle in handles:
            handle.remove()


def probability_by_hand(prompt, logits):
    """Return the product of the answer tokens' probabilities, [rows]."""
    log = logits.log_softmax(2)
    return sum(log[:, prompt.position + j, token] for j, token in enumerate(prompt.answer_ids)).exp()


def score_by_hand(model, prompt, change=lambda layer, values: values):
    """Return the answer's probability, its first token's rank, and the values at the answer position."""
    with torch.no_grad():
        logits, values = logits_by_hand(model, prompt, change)
    at = logits[0, prompt.position]
    return probability_by_hand(prompt, logits).item(), 1 + int((at > at[prompt.answer_ids[0]]).sum()), values


def path(model, prompt, layer, alphas, start=0.0):
    """Return gradient x (values - start), [alphas, d_ffn], and probability, [alphas], of one layer by a plain hook."""
    whole = score_by_hand(model, prompt)[2][layer]
    rows = (start + torch.as_tensor(alphas).float()[:, None] * (whole - start)).requires_grad_()
    change = lambda at, current: rows if at == layer else current  # noqa: E731
    logits, _ = logits_by_hand(model, prompt, change, n=len(rows))
    probability = probability_by_hand(prompt, logits)
    return torch.autograd.grad(probability.sum(), rows)[0] * (whole - start), probability.detach()


def state(model):
    """Return what a pass changes about a model's modules while it runs."""
    modules = list(model.module.modules())
    hooks = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules)
    replaced = sum("forward" in vars(module) or "_attn" in vars(module) for module in modules)
    attention = {module.config._attn_implementation for module in modules if hasattr(module, "config")}
    return hooks, replaced, attention
