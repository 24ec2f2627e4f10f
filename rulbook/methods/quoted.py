"""What the source prints beside its own methods: numbers to compare with, and nothing to train."""

from __future__ import annotations

from rulbook.looks import numbered
from rulbook.methods._method import Quoted

dkamformer = Quoted(
    name="dkamformer",
    label="DKAMFormer, as quoted",
    description="A network of others, of which the source quotes RMSE and score.",
    look=numbered(13),
)
