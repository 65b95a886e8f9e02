"""Estimate what a run will take, before it runs: `kdistill plan`.

dataset_size   the sizes of a data set, prepared or not     machine   devices and memory, this one's or another's
workload       chunks, entries and operations of a run      memory    bytes at the peak, part by part
calibration    seconds per entry, from a few tiles          plan      all of it together, and what cannot fit
"""
