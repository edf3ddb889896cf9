"""Did you mean …?"""

from __future__ import annotations

from collections.abc import Iterable

SHORT = 3
LONG = 9


def distance(left: str, right: str, limit: int) -> int:
    """Edits (insert, delete, replace, swap of neighbours) between two words; ``limit + 1`` when there are more."""
    if abs(len(left) - len(right)) > limit or len(set(left) ^ set(right)) > 2 * limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(right) + 1))
    for row, letter in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            cost = min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (letter != other))
            if row > 1 and column > 1 and letter == right[column - 2] and left[row - 2] == other:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        before, previous = previous, current
    return min(previous[-1], limit + 1)


def _limit(word: str) -> int:
    """Edits that are a slip; another number is another thing."""
    if len(word) < SHORT or not any(letter.isalpha() for letter in word):
        return 0
    return 1 if len(word) < LONG else 2


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant: other case, swapped words, or one or two letters off; else None."""
    folded = word.upper().replace("-", "_")
    words = sorted(folded.split("_"))
    best: tuple[int, bool, str] | None = None
    for candidate in candidates:
        target = candidate.upper().replace("-", "_")
        limit = _limit(target)
        steps = 1 if sorted(target.split("_")) == words else distance(folded, target, limit)
        if folded == target:
            steps = 0
        elif steps > limit:
            continue
        found = (steps, candidate != word, candidate)
        if best is None or found < best:
            best = found
    return best[2] if best else None
