"""Entry point of a worker: finds the bridge, gives sys.path back to the project, and serves.

Run as a script with one argument, a JSON file that says what to do. The guard below matters:
multiprocessing's spawn method imports the main module again in every child.
"""


def main():
    # type: () -> None
    import sys

    if not getattr(sys.flags, "safe_path", False):
        # The folder of this script, put there by Python.
        del sys.path[0]
    bridge_dir = __file__.rpartition("/")[0]
    sys.path.insert(0, bridge_dir)
    try:
        # Every module of the bridge is imported now, before the project can put others in their place.
        from leakcheck_bridge import serve
    finally:
        sys.path.remove(bridge_dir)
    serve.main(sys.argv[1])


if __name__ == "__main__":
    main()
