"""Which counts of people are withheld: the small ones, and as many more that the small ones cannot be worked out.

A count of one to nine could point at somebody. Withheld alone it comes back out of a total that stands elsewhere on the page,
minus all the others. So another one goes with it, the next smallest, and nobody is told which of them is the small one.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import TypeVar

FEWEST_PEOPLE = 10
NO_NUMBER = "too few people to show a number, here or in a group whose number could be worked out from it"
NOTHING_SHOWN = "A count under ten stands behind it, or could be worked out from it, so no number is shown."

K = TypeVar("K", bound=Hashable)


def withheld(counts: Mapping[K, int], last: K | None = None, already: Collection[K] = ()) -> set[K]:
    """Return the parts of a whole whose counts are not shown.

    Parameters
    ----------
    counts : mapping of a part to int
        All parts of one whole, whose total is taken to be known.
    last : optional
        A part that goes only if no other is left: without the reference group, with which all others are compared, nothing is
        left to show.
    already : collection, optional
        Parts that are withheld for another reason; they hide each other as well.

    Returns
    -------
    set
        Empty if no count is from one to nine and no part is withheld already. Otherwise at least two parts, as far as there are
        two, of which each may be ten or more by all that the total and the shown parts tell.

    Notes
    -----
    Cox 1980, Suppression methodology and statistical disclosure control: complementary suppression of one table with its margin.

    Examples
    --------
    >>> sorted(withheld({"a": 7, "b": 155, "c": 338}))
    ['a', 'b']
    >>> sorted(withheld({"a": 3, "b": 4, "c": 20, "d": 500})), withheld({"a": 20, "b": 500, "c": 0})
    (['a', 'b', 'c'], set())
    >>> sorted(withheld({"a": 7, "b": 155, "c": 338}, last="b"))
    ['a', 'c']
    """
    gone = {part for part, count in counts.items() if 0 < count < FEWEST_PEOPLE or part in already}
    if not gone:
        return gone
    large = (part for part, count in counts.items() if count >= FEWEST_PEOPLE and part not in gone)
    for part in sorted(large, key=lambda part: (part == last, counts[part], str(part))):
        # Each of the withheld holds at least one, so the largest that one of them can be is the sum without the others' ones.
        if len(gone) > 1 and sum(counts[one] for one in gone) - (len(gone) - 1) >= FEWEST_PEOPLE:
            break
        gone.add(part)
    return gone
