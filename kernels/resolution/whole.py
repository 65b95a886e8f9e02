"""A resolution whose band is passed whole, where a layer takes all pairs of pixels together: `Layer.takes_bands`.

It is small: attention sees at most `names.MOST_TOKENS` pixels. What stands before it is a resolution of its own, whose
planes are put together by `layers.stack`.
"""

from collections.abc import Callable

import jax
from jax import Array

from kerneldistill.kernels.activations.dual import Factors
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import BothFactors, Pairs, propagate
from kerneldistill.kernels.levels import Level
from kerneldistill.kernels.pair_matrix import band_of, matrix_of, whole_plane
from kerneldistill.kernels.resolution.base import Side


def propagate_whole(level: Level, with_ntk: bool, rows: Side, cols: Side, before: Cov) -> Cov:
    """Compute `base.propagate_resolution`, of sides that are not laid out: factors as images have them."""

    def factors(path: str, cov: Cov) -> tuple[Factors, Factors]:
        return level.activations[path].paired(rows.factors[path], cols.factors[path], level.places[path])

    return _passed(level, with_ntk, before, factors)


def follow_images(level: Level, before: Cov, note: Callable[[str, Array], None]) -> Cov:
    """Pass the band of images with themselves, and note what the layers need of each."""

    def factors(path: str, cov: Cov) -> tuple[Factors, Factors]:
        layer, place = level.activations[path], level.places[path]
        noted = layer.note(cov.nngp, place)
        note(path, noted)
        own = layer.factors(noted)
        return layer.paired(own, own, place)

    return _passed(level, False, before, factors)


def _passed(level: Level, with_ntk: bool, entering: Cov, factors: BothFactors) -> Cov:
    places, joint, leaving = level.places, level.joint, level.leaving
    pairs = Pairs(with_ntk, lambda path: whole_plane(places[path]), factors, places=places.__getitem__)
    cov = propagate(level.layers, entering, pairs).cleaned(whole_plane(leaving))
    if level.ending is not None:
        cov = cov.map(lambda band: band_of(joint.before, matrix_of(leaving, band)))
    return level.end.reduce_stack(jax.vmap(lambda plane: level.end.reduce_plane(plane, joint))(cov), joint)
