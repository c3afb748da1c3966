"""Which of the Caffe2 installations a build takes, and which it should take."""

from posixpath import dirname, normpath

from envdoctor.facts import Caffe2Installation, Facts, value_of


def built_against(facts: Facts) -> Caffe2Installation | None:
    """The one whose configuration CMake finds, else the one that the interpreter imports. Reads `caffe2`."""
    config = value_of(facts.caffe2.cmake_finds)
    for installation in facts.caffe2.installations:
        own = value_of(installation.config)
        if config is not None and own is not None and normpath(own) == normpath(config):
            return installation
    return facts.caffe2.first()


def installed_configuration(facts: Facts) -> str | None:
    """The directory of the Caffe2Config.cmake that a build can use: first the imported Caffe2's. Reads `caffe2`."""
    for installation in facts.caffe2.installations:
        config = value_of(installation.config)
        if config is not None and not installation.config_is_build_tree:
            return dirname(config)
    return None
