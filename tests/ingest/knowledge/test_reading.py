"""How prompts become tokens: against ids looked up by hand in tokenizers whose vocabulary is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nwh.ingest.knowledge.attributions import AttributionSettings
from nwh.ingest.knowledge.reading import read_prompts, unrelated_prompt
from nwh.ingest.models import load
from nwh.ingest.prompts.stored import PromptRow
from nwh.warehouse.errors import ModelError, UsageError
from tests.ingest.tiny_language_models import save_causal, save_masked, save_t5


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    return load(str(save_masked(tmp_path_factory.mktemp("models") / "masked")), head=True, device="cpu")


@pytest.fixture(scope="module")
def t5(tmp_path_factory):
    return load(str(save_t5(tmp_path_factory.mktemp("models") / "t5")), head=True, device="cpu")


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    def loaded(**around):
        folder = tmp_path_factory.mktemp("models") / "causal"
        return load(str(save_causal(folder, **around)), head=True, device="cpu")

    return loaded


def mlm(text, answer, concept=None, prompt_id=0):
    return PromptRow(prompt_id, "mlm", concept or answer, text, answer)


def clm(text, answer, concept=None, prompt_id=0):
    return PromptRow(prompt_id, "clm", concept or answer, text, answer)


def one(model, row, **options):
    """Return what a model reads for one prompt, or the reason why it does not."""
    found = read_prompts(model, [row], min_prompts=1, **options)
    assert len(found.inputs) + sum(map(len, found.left_out.values())) == 1
    return found.inputs[0] if found.inputs else next(iter(found.left_out))


def ids(model, *tokens):
    found = model.tokenizer.convert_tokens_to_ids(list(tokens))
    assert model.tokenizer.unk_token_id not in found
    return tuple(found)


# -- masked models ----------------------------------------------------------------------------------------------


def test_the_answers_token_gives_way_to_the_mask(masked):
    prompt = one(masked, mlm("[MASK] is the capital of france.", "Paris"))
    assert prompt.input_ids == ids(masked, "[CLS]", "[MASK]", "is", "the", "capital", "of", "france", ".", "[SEP]")
    assert (prompt.position, prompt.answer_ids, prompt.decoder_ids) == (1, ids(masked, "paris"), ())
    assert (prompt.prompt_id, prompt.concept) == (0, "Paris")


def test_a_masked_prompt_is_what_the_tokenizer_makes_of_its_own_mask(masked):
    text = "we see the [MASK] of italy, a big city"
    prompt = one(masked, mlm(text, "capital"))
    assert list(prompt.input_ids) == masked.tokenizer(text.replace("[MASK]", masked.tokenizer.mask_token))["input_ids"]


def test_pieces_of_an_inflected_word_stay(masked):
    prompt = one(masked, mlm("the [MASK]s lies in italy", "rome"))
    assert prompt.input_ids == ids(masked, "[CLS]", "the", "[MASK]", "##s", "lies", "in", "italy", "[SEP]")
    assert (prompt.position, prompt.answer_ids) == (2, ids(masked, "rome"))


@pytest.mark.parametrize(
    ("text", "answer", "why"),
    [
        ("the [MASK] is old", "romes", "not one token"),  # rome ##s
        ("the [MASK] is old", "big city", "not one token"),
        ("the [MASK] is old", "zanzibar", "not in the model's vocabulary"),
        ("big [MASK]ies lies in italy", "cit", "joins their answer"),  # cities is a token of its own
        ("the old[MASK] is big", "rome", "not one token"),  # old ##rome: a piece, not the word
        ("the " * 31 + "[MASK]", "rome", "longer than the model's window of 32"),
    ],
)
def test_masked_prompts_that_cannot_be_asked(masked, text, answer, why):
    assert why in one(masked, mlm(text, answer))


def test_the_window_counts_special_tokens(masked):
    assert len(one(masked, mlm("the " * 29 + "[MASK]", "rome")).input_ids) == masked.window == 32
    assert "longer" in one(masked, mlm("the " * 30 + "[MASK]", "rome"))


def test_capitals_matter_to_a_cased_model_alone(masked, tmp_path):
    cased = load(str(save_masked(tmp_path / "cased", cased=True)), head=True, device="cpu")
    capital = mlm("[MASK] is big", "Rome", "rome")
    assert one(cased, capital).answer_ids == ids(cased, "Rome")
    assert one(masked, capital).answer_ids == ids(masked, "rome")
    assert "not in the model's vocabulary" in one(cased, mlm("[MASK] is big", "Paris"))


def test_a_masked_model_reads_no_causal_prompts_and_scores_one_token(masked):
    assert "cannot read prompts that end before" in one(masked, clm("the capital of italy is", "rome"))
    with pytest.raises(UsageError, match="--answer all is for causal and T5 models"):
        read_prompts(masked, [], answer="all")
    with pytest.raises(UsageError, match="use first or all"):
        AttributionSettings(answer="some")


def test_a_tokenizer_without_a_mask_is_named(masked, tmp_path):
    folder = save_masked(tmp_path / "maskless")
    config = folder / "tokenizer_config.json"
    config.write_text(config.read_text().replace('"mask_token": "[MASK]"', '"mask_token": null'))
    with pytest.raises(ModelError, match="maskless has no mask token"):
        one(load(str(folder), head=True, device="cpu"), mlm("[MASK] is big", "rome"))


# -- causal models ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bos", "eos"), [(False, False), (True, False), (False, True), (True, True)])
def test_a_causal_answer_is_what_one_blank_and_the_answer_add(causal, bos, eos):
    model = causal(bos=bos, eos=eos)
    prompt = one(model, clm("x capital of italy is", "rome"))
    start = ("<|begin|>",) if bos else ()
    want = ids(model, *start, "x", "Ġcapital", "Ġof", "Ġitaly", "Ġis")
    assert prompt.input_ids == want
    assert prompt.position == len(want) - 1
    assert prompt.answer_ids == ids(model, "Ġrome")


def test_answers_of_several_tokens(causal):
    model = causal(bos=True)
    row = clm("x capital of italy is", "rome city")
    assert "not one token" in one(model, row)
    prompt = one(model, row, answer="all")
    head = ids(model, "<|begin|>", "x", "Ġcapital", "Ġof", "Ġitaly", "Ġis")
    assert prompt.input_ids == (*head, *ids(model, "Ġrome"))
    assert prompt.position == len(head) - 1
    assert prompt.answer_ids == ids(model, "Ġrome", "Ġcity")


def test_the_first_token_stands_for_the_answer_of_a_concept_of_its_own(causal):
    model = causal()
    readable = read_prompts(model, [clm("x capital of italy is", "rome city", "the eternal city")], min_prompts=1)
    assert [prompt.answer_ids for prompt in readable.inputs] == [ids(model, "Ġrome")]
    assert any("1 prompts have answers of several tokens: the first" in note for note in readable.notes())


@pytest.mark.parametrize(
    "text", ["x capital of italy is [MASK].", "x capital of italy is [MASK]", 'x capital of italy is [MASK]!"']
)
def test_a_masked_prompt_serves_a_causal_model_where_the_mask_ends_it(causal, text):
    model = causal()
    assert one(model, mlm(text, "rome")) == one(model, clm("x capital of italy is", "rome"))


@pytest.mark.parametrize("text", ["[MASK] is big", "x [MASK]s", "x [MASK] is", "[MASK].", "x see(the-[MASK])"])
def test_a_mask_elsewhere_does_not(causal, text):
    assert "text after [MASK]" in one(causal(), mlm(text, "rome"))


def test_prompts_longer_than_a_causal_window(causal):
    model = causal()
    assert len(one(model, clm("x" + " the" * 63, "rome")).input_ids) == model.window == 64
    assert "longer" in one(model, clm("x" + " the" * 64, "rome"))
    assert "longer" in one(model, clm("x" + " the" * 63, "rome city"), answer="all")


def test_an_answer_that_the_tokenizer_joins_with_the_prompt_is_left_out(tmp_path):
    """A BPE without pre-tokenization, in which ` a` + ` b` are one token."""
    from tokenizers import Tokenizer, models

    folder = save_causal(tmp_path / "joining")
    path = folder / "tokenizer.json"
    vocabulary = {"<|end|>": 0, "<|begin|>": 1, "a": 2, "b": 3, " ": 4, "a ": 5, "a b": 6, "c": 7}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("a", " "), ("a ", "b")]))
    tokenizer.save(str(path))
    model = load(str(folder), head=True, device="cpu")
    assert "joins their answer" in one(model, clm("ca", "b"))
    assert one(model, clm("ab", "b"), answer="all").answer_ids == (4, 3)


# -- T5 ---------------------------------------------------------------------------------------------------------


def test_t5_gets_its_sentinel_in_the_place_of_the_answer(t5):
    prompt = one(t5, mlm("the capital of [MASK] is rome", "italy"))
    assert prompt.input_ids == ids(t5, "▁the", "▁capital", "▁of", "<extra_id_0>", "▁is", "▁rome", "</s>")
    assert (prompt.decoder_ids, prompt.position) == (ids(t5, "<pad>", "<extra_id_0>"), 1)
    assert prompt.answer_ids == ids(t5, "▁italy")


def test_t5_continues_a_causal_prompt_behind_a_sentinel(t5):
    prompt = one(t5, clm("the capital of italy is", "big rome"), answer="all")
    assert prompt.input_ids == ids(t5, "▁the", "▁capital", "▁of", "▁italy", "▁is", "<extra_id_0>", "</s>")
    assert prompt.decoder_ids == ids(t5, "<pad>", "<extra_id_0>", "▁big")
    assert (prompt.position, prompt.answer_ids) == (1, ids(t5, "▁big", "▁rome"))


def test_t5_takes_several_masked_tokens_at_once(t5):
    row = mlm("we see [MASK] in italy", "the capital")
    assert "not one token" in one(t5, row)
    prompt = one(t5, row, answer="all")
    assert prompt.input_ids == ids(t5, "▁we", "▁see", "<extra_id_0>", "▁in", "▁italy", "</s>")
    assert prompt.decoder_ids == ids(t5, "<pad>", "<extra_id_0>", "▁the")
    assert prompt.answer_ids == ids(t5, "▁the", "▁capital")


# -- data sets --------------------------------------------------------------------------------------------------


def test_concepts_need_enough_prompts_that_the_model_can_read(masked):
    rows = [mlm(f"we see [MASK] {word}", "rome", prompt_id=i) for i, word in enumerate(["in", "of", "is", "do"])]
    rows += [mlm(f"we see [MASK] {word}", "cairo", prompt_id=10 + i) for i, word in enumerate(["in", "of", "is"])]
    rows += [mlm("we see [MASK] " + "in " * 40, "cairo", prompt_id=20), clm("x", "tokyo", prompt_id=21)]
    found = read_prompts(masked, rows, min_prompts=4)
    assert [prompt.prompt_id for prompt in found.inputs] == [0, 1, 2, 3]
    assert sum(map(len, found.left_out.values())) == len(rows) - 4
    notes = list(found.notes())
    assert any("3 prompts of 1 concepts left out: their concept has fewer than 4" in note for note in notes)
    assert any("1 prompts of 1 concepts left out: they are longer" in note for note in notes)
    assert "tokyo: 1 prompts left out: a masked model cannot" in "\n".join(found.listing())
    assert len(read_prompts(masked, rows, min_prompts=3).inputs) == 7


def test_many_prompts_at_once_are_read_as_one_by_one(masked, monkeypatch):
    from nwh.ingest.knowledge import reading

    rows = [
        mlm(
            f"{'big ' * (i % 9)}[MASK] is {'old ' * (i % 5)}{'s' * (i % 2)}",
            ["rome", "cairo", "nowhere"][i % 3],
            prompt_id=i,
        )
        for i in range(50)
    ]
    singly = [one(masked, row) for row in rows]
    monkeypatch.setattr(reading, "_CHUNK", 7)
    found = read_prompts(masked, rows, min_prompts=1)
    assert found.inputs == [each for each in singly if not isinstance(each, str)]
    assert len(found.inputs) > 20


def test_the_unrelated_prompt_is_read_whatever_its_words_are(masked, causal, t5):
    wide = replace(masked, window=64)
    prompt = unrelated_prompt(wide)
    assert prompt.input_ids[prompt.position] == masked.tokenizer.mask_token_id
    assert prompt.position == 2  # [CLS] the [MASK] ,
    with pytest.raises(UsageError, match="more than the window of masked"):
        unrelated_prompt(replace(masked, window=10))
    model = replace(causal(eos=True), window=500)
    prompt = unrelated_prompt(model)
    text = model.tokenizer.decode(prompt.input_ids)
    assert text.startswith("what small, often metal")
    assert text.endswith("mechanisms?")
    assert prompt.position == len(prompt.input_ids) - 1
    prompt = unrelated_prompt(t5)
    assert prompt.input_ids[1] == ids(t5, "<extra_id_0>")[0]
    assert prompt.position == 1
