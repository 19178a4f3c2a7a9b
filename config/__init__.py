"""YAML in, checked models out."""

from .load import load
from .models import Config
from .problems import ConfigErrors, Problem
from .secrets import scrub

__all__ = ["Config", "ConfigErrors", "Problem", "load", "scrub"]
