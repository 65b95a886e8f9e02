"""The report: what runs and bundles hold, as one HTML page and one Markdown file that need nothing beside them.

report_entry       what a run or bundle holds, and why it lacks the rest
kernels_on_test    kernels between a support and test images, kept with the run; compute_kernels makes them
sections/          from entries to the blocks of `document`
html, markdown     blocks as a page, and as text with pictures
"""
