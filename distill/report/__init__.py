"""The report: what runs and bundles hold, as one HTML page and one Markdown file that need nothing beside them.

subject     what a run or bundle holds, and why it lacks the rest
on_test     kernels between a support and test images, kept with the run; measure computes them
sections/   from subjects to the blocks of `document`
html        blocks as a page; markdown: blocks as text with pictures
"""
