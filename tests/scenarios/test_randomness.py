import numpy as np
import pytest

from monitor.scenarios.randomness import layers, stream


def test_a_stream_hangs_on_its_name_its_numbers_and_the_seed_alone():
    draws = [
        stream(seed, name, *numbers).random()
        for seed in (1, 2)
        for name in ("wrong", "background")
        for numbers in ((), (0,), (1,), (0, 1))
    ]
    assert len(set(draws)) == len(draws)
    assert stream(1, "wrong", 4).random() == stream(1, "wrong", 4).random()


def test_layers_add_up_to_the_scale_and_a_smaller_scale_is_the_beginning_of_a_larger_one():
    for scale in (0.001, 0.5, 1, 1.5, 3, 7.25):
        shares = layers(scale)
        assert np.isclose(sum(shares), scale)
        assert all(share == 1 for share in shares[:-1])


@pytest.mark.parametrize("scale", [0, -1, 101, float("nan")])
def test_a_scale_that_means_nothing_is_refused(scale):
    with pytest.raises(ValueError, match="scale"):
        layers(scale)
