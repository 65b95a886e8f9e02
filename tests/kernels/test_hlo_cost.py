"""What is counted in a compiled program: loops by their turns, slices as slices, exchanges between devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kerneldistill.kernels.hlo_cost import Cost, Program
from tests.helpers.kernels import engine, images
from tests.helpers.networks import CASES

# A program as a TPU's compiler writes it: a loop whose turns stand in its condition, one array beside the core, one
# that is read in parts.
ON_TPU = """HloModule jit_f, is_scheduled=true

%fused (param_0: f32[10,8,100], param_1: s32[]) -> f32[8,100] {
  %param_0 = f32[10,8,100]{2,1,0:T(8,128)} parameter(0)
  %param_1 = s32[]{:T(128)} parameter(1)
  %zero = s32[]{:T(128)} constant(0)
  %slice = f32[1,8,100]{2,1,0:T(8,128)} dynamic-slice(%param_0, %param_1, %zero, %zero), dynamic_slice_sizes={1,8,100}
  %flat = f32[8,100]{1,0:T(8,128)} bitcast(%slice)
  ROOT %sum = f32[8,100]{1,0:T(8,128)} add(%flat, %flat)
}

%body (given: (s32[], f32[10,8,100])) -> (s32[], f32[10,8,100]) {
  %given = (s32[]{:T(128)}, f32[10,8,100]{2,1,0:T(8,128)}) parameter(0)
  %turn = s32[]{:T(128)} get-tuple-element(%given), index=0
  %all = f32[10,8,100]{2,1,0:T(8,128)} get-tuple-element(%given), index=1
  %one = s32[]{:T(128)S(6)} constant(1)
  %next = s32[]{:T(128)S(6)} add(%turn, %one)
  %kept = f32[8,100]{1,0:T(8,128)S(1)} fusion(%all, %turn), kind=kLoop, calls=%fused
  %summed = f32[8,100]{1,0:T(8,128)} all-reduce(%kept), replica_groups={{0,1}}, to_apply=%fused
  ROOT %after = (s32[]{:T(128)}, f32[10,8,100]{2,1,0:T(8,128)}) tuple(%next, %all)
}

%condition (given: (s32[], f32[10,8,100])) -> pred[] {
  %given.1 = (s32[]{:T(128)}, f32[10,8,100]{2,1,0:T(8,128)}) parameter(0)
  %turn.1 = s32[]{:T(128)S(6)} get-tuple-element(%given.1), index=0
  %end = s32[]{:T(128)S(6)} constant(10)
  ROOT %less = pred[]{:T(512)S(6)} compare(%turn.1, %end), direction=LT
}

ENTRY %main (x: f32[10,8,100]) -> (s32[], f32[10,8,100]) {
  %x = f32[10,8,100]{2,1,0:T(8,128)} parameter(0)
  %start = s32[]{:T(128)} constant(0)
  %begin = (s32[]{:T(128)}, f32[10,8,100]{2,1,0:T(8,128)}) tuple(%start, %x)
  ROOT %loop = (s32[]{:T(128)}, f32[10,8,100]{2,1,0:T(8,128)}) while(%begin), condition=%condition, body=%body
}
"""


def counted(function, *shapes: tuple[int, ...]) -> Cost:
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return Program(jax.jit(function).lower(*arguments).compile().as_text()).cost


def test_the_turns_of_a_tpus_loop_stand_in_its_condition() -> None:
    found = Program(ON_TPU).cost
    assert found.flops == 10 * 8 * 100
    assert (found.exchanges, found.exchanged) == ({"all-reduce": 10}, 10 * 8 * 100 * 4)
    # A turn reads one of ten planes, padded to 128 lanes, keeps it beside the core, and writes the sum.
    assert found.bytes == pytest.approx(10 * 2 * 8 * 128 * 4, rel=0.01)


def test_an_unknown_number_of_turns_is_no_guess() -> None:
    with pytest.raises(ValueError, match="the turns of loop loop are not known"):
        _ = Program(ON_TPU.replace("constant(10)", "parameter(1)")).cost


def test_loops_within_loops_are_multiplied() -> None:
    def nested(x: jax.Array) -> jax.Array:
        return lax.fori_loop(0, 5, lambda _, y: lax.fori_loop(0, 7, lambda _, z: z * 1.5, y), x)

    assert counted(nested, (64, 64)).flops == 35 * 64 * 64


def test_a_product_of_matrices_counts_two_an_element() -> None:
    assert counted(lambda x, y: x @ y, (8, 16), (16, 32)).flops == 2 * 8 * 16 * 32


def test_what_is_sliced_counts_as_its_slices() -> None:
    def sums(x: jax.Array) -> jax.Array:
        return lax.map(lambda i: lax.dynamic_index_in_dim(x, i, keepdims=False) + 1.0, jnp.arange(100))

    found = counted(sums, (100, 4096))
    assert 2 * 100 * 4096 * 4 <= found.bytes < 5 * 100 * 4096 * 4


def test_a_step_exchanges_once() -> None:
    own = engine(CASES["conv_net, mean"][0], (4, 4, 2), dtype=np.float32)
    x = images(3, (4, 4, 2), np.float32)
    rows = own.support_features(x)
    parts = own._nothing(rows)
    found = Program(own._pullback_images.lower(x, parts).compile().as_text()).cost
    assert found.exchanges == {"all-reduce": 1}
    assert found.exchanged == x.nbytes
    assert Program(own._k_ts.lower(rows, own.target_features(x)).compile().as_text()).cost.exchanges == {}


def test_a_kernel_of_ours_tells_its_operations() -> None:
    told = 'backend_config={"custom_call_config":{"cost_estimate":{"flops":"821248","bytes_accessed":"1"}}}'
    text = f"""HloModule fused

ENTRY main (x: f32[8,128]) -> f32[8,128] {{
  %x = f32[8,128]{{1,0:T(8,128)}} parameter(0)
  ROOT %y = f32[8,128]{{1,0:T(8,128)}} custom-call(%x, %x), custom_call_target="tpu_custom_call", {told}
}}
"""
    assert Program(text).cost[:2] == (821248, 3 * 8 * 128 * 4)


@pytest.mark.parametrize(
    ("sizes", "labels", "summed"),
    [
        # A product over 32 x 32 x 3 pixels, and the outer product that is its pullback, as a TPU gets them.
        (("1024,32,32,3", "10,32,32,3", "1024,10,1,1"), "b0f1_o0i1->bf01", 3072),
        (("10,3,1,1", "32,7,3,10", "3,32,7,3"), "fb01_0o1i->b0f1", 10),
    ],
)
def test_a_product_may_be_written_as_a_convolution(sizes: tuple[str, ...], labels: str, summed: int) -> None:
    first, second, found = (f"f32[{each}]" for each in sizes)
    text = f"""HloModule jit_f

ENTRY %main (x: {first}, y: {second}) -> {found} {{
  %x = {first} parameter(0)
  %y = {second} parameter(1)
  ROOT %z = {found} convolution(%x, %y), window={{size=32x3}}, dim_labels={labels}
}}
"""
    out = np.prod([int(n) for n in sizes[2].split(",")])
    assert Program(text).cost.flops == 2 * out * summed
