"""The layers a network is made of, as frozen data. A kind of layer is one file here and one row below."""

from kerneldistill.kernels.layers.activation import Activation as Activation
from kerneldistill.kernels.layers.avg_pool import AvgPool as AvgPool
from kerneldistill.kernels.layers.concat import Concat as Concat
from kerneldistill.kernels.layers.conv import Conv as Conv
from kerneldistill.kernels.layers.dense import Dense as Dense
from kerneldistill.kernels.layers.flatten import Flatten as Flatten
from kerneldistill.kernels.layers.global_avg_pool import GlobalAvgPool as GlobalAvgPool
from kerneldistill.kernels.layers.global_self_attention import GlobalSelfAttention as GlobalSelfAttention
from kerneldistill.kernels.layers.layer_norm import LayerNorm as LayerNorm
from kerneldistill.kernels.layers.positional_embedding import PositionalEmbedding as PositionalEmbedding
from kerneldistill.kernels.layers.residual import Residual as Residual
from kerneldistill.kernels.layers.sum import Sum as Sum
