"""Spans of logs: days in UTC, numbered as in TFX, found in files' paths by a pattern.

days       numbers, dates and times of spans
pattern    from a file's path to its span and version
files      the files of every span in a folder of logs, of their newest versions
"""
