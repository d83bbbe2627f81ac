"""Drives the stages of a conversion on Apache Beam: on processes of this machine, or on Google Cloud Dataflow.

Begin with `driver`. Only this room imports apache_beam, which the extra `beam` installs.
"""
