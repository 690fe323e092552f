"""A short run of `make fuzz`: no body brings a 5xx, an error or an open file."""

import logging

import pytest
from fuzz.fuzz_bodies import run


@pytest.mark.parametrize("seed", range(4))
def test_no_body_is_answered_by_an_error_of_ours(seed):
    logger = logging.getLogger("poorwsgi")
    level = logger.level
    try:
        assert sum(1 for _ in run(seed, 400)) == 400
    finally:
        logger.setLevel(level)
