"""Exact NNGP and NTK kernels of infinitely wide networks, differentiable in the images. Knows no data set or label.

networks    the architectures, as frozen data        activations, layers    what each does to a covariance
finite      the same networks of finite width        hermite                any other elementwise function
gram        kernel matrices of arrays of images      engine                 the same over a mesh of devices
levels, bands, features, tile                        the mathematics of the bands (read in this order)
"""
