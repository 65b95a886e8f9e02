"""The Beam job: elements, transforms, options and what it reports. Only `transforms` and `combine` load Beam."""
