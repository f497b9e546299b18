"""What a command that does not end well tells the shell; each says why in one line on stderr."""

REFUSED = 2  # something is in the way; as argparse's own
STOPPED = 130  # as a shell's own after Ctrl-C
