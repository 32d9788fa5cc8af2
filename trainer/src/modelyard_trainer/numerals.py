"""Numbers in English words and in digits. Generated, not collected: the rules of the language are the data.

Pure: equal seeds give equal pairs.
"""

import random

ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
LARGEST_EXPONENT = 6
PAIRS, HELD_OUT, SEED = 4500, 500, 2026


def in_words(number: int) -> str:
    """`305012` is `three hundred and five thousand and twelve`, below a million."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f" {ONES[number % 10]}" if number % 10 else "")
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    head, rest = f"{in_words(number // size)} {name}", number % size
    if not rest:
        return head
    return f"{head}{' and' if rest < 100 else ''} {in_words(rest)}"


def pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Different numbers, as many of each length, in a random order."""
    draw = random.Random(seed)  # noqa: S311 (no secret)
    chosen: dict[int, None] = {}
    while len(chosen) < count:
        chosen.setdefault(draw.randrange(10 ** draw.randint(1, LARGEST_EXPONENT)))
    return [(in_words(number), str(number)) for number in chosen]


def held_out() -> list[tuple[str, str]]:
    """Pairs that are never trained on."""
    return pairs(PAIRS + HELD_OUT, SEED)[PAIRS:]
