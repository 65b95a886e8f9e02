"""What a run will take, before it runs: `kdistill plan`.

data        the sizes of a data set, prepared or not     machine     devices and memory, this one's or another's
shape       chunks, entries and operations of a run      memory      bytes at the peak, part by part
calibrate   seconds per entry, from a few tiles          plan        all of it together, and what cannot fit
"""
