"""Tests. Packages, so that two areas may name a file alike."""
