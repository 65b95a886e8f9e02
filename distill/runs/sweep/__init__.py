"""Run many cases from one file: `kdistill sweep`.

cases          read the file: grids and single cases      directories   each case's run directory and its progress
subprocesses   run one case in its own process            index         one table of all, with KIP's kip.csv columns
loop           run all cases                              forecast      predict what `loop` would do, and for how long
"""
