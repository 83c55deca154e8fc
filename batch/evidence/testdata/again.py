"""Runs a program of a package again and again in one interpreter, which starts slowly: again.py PROGRAM.

Each line of the standard input is the argument of one run, in which the program is __main__ as it is from a command line. Of each run
are told the exit code, a space and the length of what it has printed, in a line, and then that.
"""
import io
import os
import sys
import traceback

program, home, tell = os.path.abspath(sys.argv[1]), os.getcwd(), sys.stdout.buffer
with open(program, "rb") as f:
    code = compile(f.read(), program, "exec")
for line in sys.stdin:
    os.chdir(home)
    out, status = io.BytesIO(), 0
    sys.stdout = sys.stderr = io.TextIOWrapper(out, encoding="utf-8", errors="backslashreplace", newline="")
    sys.argv = [program, line.rstrip("\n")]
    try:
        exec(code, {"__name__": "__main__", "__file__": program})
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    tell.write(b"%d %d\n" % (status, out.tell()) + out.getvalue())
    tell.flush()
