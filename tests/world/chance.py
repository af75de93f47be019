"""All chance of one run, from one seed: a generator for each concern, so that none moves another's."""

from __future__ import annotations

import random


class Chance:
    """Named generators of one seed.

    >>> Chance(7).of("kafka").random() == Chance(7).of("kafka").random()
    True
    >>> Chance(7).of("kafka").random() == Chance(7).of("disk").random()
    False
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._made: dict[str, random.Random] = {}

    def of(self, concern: str) -> random.Random:
        if concern not in self._made:
            self._made[concern] = random.Random(f"{self._seed}/{concern}")  # it must repeat
        return self._made[concern]
