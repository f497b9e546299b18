"""Where the milliseconds go: everything measured on this machine, ratios within one run."""
