"""The package's version, where every room may read it and the build finds it."""

VERSION = "0.1.0"
