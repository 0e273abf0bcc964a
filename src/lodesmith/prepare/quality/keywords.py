"""How far a text is stuffed with keywords, by where the same few words keep coming back.

A page is stuffed by putting phrases for search engines between its clauses, into lists, without
marks one after another, or in the place of its nouns. Any phrase comes back in a good text too,
but there words of grammar bind it, and it shares its clause. `native/keywords.c` counts what stands
otherwise; each share is held against what hardly any good text reaches, and the sum of
those is the measure: at 1 it is full of one of them, or half full of two.

A text made from a few forms (reports, product pages, tables in sentences) says all of it again and
again, and so do its words of grammar, each beside the same others. Where those come back, repeated
phrases say nothing of keywords, unless one word has most of the text; other rules judge
repetition.

It needs no list of keywords, and Chinese need not be cut into the words that its writer meant: a
phrase is cut the same way each time. The first three copies of anything are free.
"""

from lodesmith.native.naturalness import Keywords

# Shares of a text, ours. They were chosen so that one in 500 good English texts of thirteen kinds,
# and one in 100 Chinese ones of nine, most of those tables of manuals, exceed a sum of 1.
_MAX_BETWEEN, _MAX_LISTED, _MAX_DENSE, _MAX_STRETCHED = 0.04, 0.3, 0.2, 0.05
_FREE_COPIES = 3
# Of pairs of a word of grammar and another those that come back: .1 or less in nine of ten good and
# of ten stuffed texts, .5 in texts of a few forms. Below the first share a text is no such, above
# the second it is.
_FREE_FORM, _ALL_FORM = 0.2, 0.4
_MIN_BOUND = 0.01  # of a text: fewer such pairs tell nothing


def measure_stuffing(found: Keywords, num_parts: int) -> float:
    """Return how far a text is stuffed: 0 for most, 1 for what hardly any good one reaches.

    Args:
        found: where keywords stand.
        num_parts: of the text, above zero: Chinese characters and words of other scripts.

    >>> one = Keywords(between=40, clauses_between=12, listed=0, clauses_listed=0, dense=0,
    ...                dense_copies=0, stretched=0, bound=300, bound_again=9)
    >>> round(measure_stuffing(one, 1000), 2)
    0.75
    """
    own = _share_of_own_words(found, num_parts)
    dense = _without_free(found.dense, found.dense_copies) / _MAX_DENSE
    others = (
        _without_free(found.between, found.clauses_between) / _MAX_BETWEEN,
        _without_free(found.listed, found.clauses_listed) / _MAX_LISTED,
        found.stretched / _MAX_STRETCHED,
    )
    of_one_word = max(dense * own, dense - num_parts)  # a page on nothing else, whatever its form
    return (sum(others) * own + of_one_word) / num_parts


def _share_of_own_words(found: Keywords, num_parts: int) -> float:
    """Return 1 for a text that is said in words of its own, 0 for one of a few forms."""
    if found.bound < _MIN_BOUND * num_parts:
        return 1.0
    again = found.bound_again / found.bound
    return min(max((_ALL_FORM - again) / (_ALL_FORM - _FREE_FORM), 0.0), 1.0)


def _without_free(num_parts: int, copies: int) -> float:
    return num_parts * max(copies - _FREE_COPIES, 0) / max(copies, 1)
