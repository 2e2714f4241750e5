import pyarrow as pa
import pytest

from nwh.ingest.patterns.mining.encoding import encode
from nwh.warehouse.errors import SourceError


def spelled(encoded):
    return [
        [encoded.items[i] for i in encoded.item[encoded.bounds[s] : encoded.bounds[s + 1]]] for s in range(len(encoded))
    ]


WORDS = [["The", "dog", ",", "the", "dog", "--", "4"], None, [], ["...", "dog"], ["%", "4", "''"]]
TAGS = [["DT", "NN", ",", "DT", "NN", ":", "CD"], None, [], [":", "NN"], ["NN", "#", "''"]]


@pytest.mark.parametrize("chunked", [False, True])
def test_positions_without_letter_or_digit_are_left_out_of_words_and_tags(chunked):
    words, tags = (
        pa.chunked_array([lists[:2], lists[2:]], pa.list_(pa.string())) if chunked else pa.array(lists)
        for lists in (WORDS, TAGS)
    )
    assert spelled(encode(words, words)) == [["The", "dog", "the", "dog", "4"], [], [], ["dog"], ["4"]]
    assert spelled(encode(tags, words)) == [["DT", "NN", "DT", "NN", "CD"], [], [], ["NN"], ["#"]]


def test_a_slice_of_an_arrow_array_is_read_from_its_offset():
    words = pa.array(WORDS)[3:]
    assert spelled(encode(words, words)) == [["dog"], ["4"]]


def test_frequent_items_come_first_and_repeats_are_linked():
    encoded = encode(pa.array(WORDS), pa.array(WORDS))
    assert encoded.items[0] == "dog"
    assert encoded.previous.tolist() == [-1, -1, -1, 1, -1, -1, -1]
    assert encoded.last.tolist() == [True, False, True, True, True, True, True]


def test_tags_that_do_not_match_the_words_are_refused_by_sentence():
    with pytest.raises(SourceError, match="sentence 3"):
        encode(pa.array([*TAGS[:3], ["NN"], TAGS[4]]), pa.array(WORDS))
    with pytest.raises(SourceError, match="as many tags"):
        encode(pa.array(TAGS[:2]), pa.array(WORDS))


def test_no_sentences():
    empty = pa.array([], pa.list_(pa.string()))
    assert len(encode(empty, empty)) == 0
