"""The stages of a conversion as functions of their input: fit, split, order, plan, write a shard, describe.

`local` drives them on threads. They import no driver, so that all drivers give the same bytes.
"""
