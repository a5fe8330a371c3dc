"""The layers that chapters 2, 5, 6 and 7 share; this room knows nothing of data.

`attention`, `recurrent` and `convolution` are NumPy, for reading: each function is one equation.
`attention_torch` trains. Every layer is held equal to `torch.nn` by a test. Import the module you
need, such as `from avrec_lib.nn import attention`; the NumPy ones never load torch.
"""
