"""Beam's options are checked by name and value."""

import pytest

from kerneldistill.pipeline import DataError
from kerneldistill.pipeline.job.options import check_options


def test_the_runner_is_named():
    assert check_options([]) == ("--runner=FnApiRunner",)
    assert check_options(["direct_num_workers=2"]) == ("--runner=FnApiRunner", "--direct_num_workers=2")


def test_dashes_may_be_left_out():
    assert check_options(["runner=PortableRunner", "--job_endpoint=embed", "streaming"]) == (
        "--runner=PortableRunner",
        "--job_endpoint=embed",
        "--streaming",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["job_endpont=embed"], "pipeline option --job_endpont does not exist; did you mean --job_endpoint"),
        (["qqqqqqq=1"], "pipeline option --qqqqqqq does not exist; Beam's documentation"),
        (["runner=DaskRunner"], "runner DaskRunner is refused: it loses"),
        (["runner=apache_beam.runners.dask.dask_runner.DaskRunner"], "is refused: it loses"),
        (["runner=Nonsense"], "runner Nonsense does not exist; allowed: .*FnApiRunner"),
        (["direct_num_workers=many"], "pipeline options are not valid: .*invalid int value: 'many'"),
        (["job_endpoint"], "pipeline options are not valid: .*expected one argument"),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(DataError, match=message):
        check_options(options)


IMAGE = ["environment_type=DOCKER", "environment_config=registry/kerneldistill:0.1.0"]


@pytest.mark.parametrize(
    "options",
    [
        [
            "runner=DataflowRunner",
            "project=project",
            "region=region",
            "temp_location=gs://bucket/tmp",
            "experiments=use_runner_v2",
            "sdk_container_image=registry/kerneldistill:0.1.0",
            "sdk_location=container",
        ],
        ["runner=FlinkRunner", "flink_master=flink:8081", "parallelism=8", *IMAGE],
        ["runner=PortableRunner", "job_endpoint=localhost:8099", *IMAGE],
    ],
    ids=["Dataflow", "Flink", "Spark"],
)
def test_what_the_readme_says_for_clusters_is_known_to_beam(options):
    assert check_options(options) == tuple(f"--{option}" for option in options)
