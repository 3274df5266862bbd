#!/usr/bin/env python3
"""Stands for Django's manage.py: the layout of an MCADS installation without its packages."""
import os
import sys


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcads.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed here: seed.py and writer.py are all that this sample runs")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
