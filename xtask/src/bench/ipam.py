"""The Python sides of `cargo xtask bench ipam`: ipam.py LIBRARY RESERVATIONS QUESTIONS LIMIT_SECONDS.

Prints one line of JSON like the Rust side; times in nanoseconds, null where the limit came first.
"""

import json
import signal
import sys
import time


class Limit(Exception):
    pass


def stop(_signal, _frame):
    raise Limit


def timed(limit, work):
    """What the work returns and how long it took, or None twice at the limit."""
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit)
    since = time.perf_counter_ns()
    try:
        result = work()
        return result, time.perf_counter_ns() - since
    except Limit:
        return None, None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class Stdlib:
    """ipaddress: it has no set of networks, so every question is a scan."""

    indexes = False

    def __init__(self):
        import ipaddress

        self.net = ipaddress.ip_network
        self.version = "%d.%d" % sys.version_info[:2]

    def read(self, texts):
        self.nets = [self.net(text) for text in texts]
        return self.nets

    def index(self):
        return True

    def conflicts(self, candidate):
        candidate = self.net(candidate)
        return [net for net in self.nets if net.overlaps(candidate)]

    def free(self, domain, wanted):
        for block in self.net(domain).subnets(new_prefix=wanted):
            if not any(net.overlaps(block) for net in self.nets):
                return block


class Netaddr:
    """netaddr at its best: a set for what is free, and for conflicts the bounds taken out once."""

    indexes = True

    def __init__(self):
        import netaddr

        self.net, self.set = netaddr.IPNetwork, netaddr.IPSet
        self.version = netaddr.__version__

    def read(self, texts):
        self.nets = [self.net(text) for text in texts]
        return self.nets

    def index(self):
        self.bounds = [(net.first, net.last, net) for net in self.nets]
        self.taken = self.set(self.nets)
        return True

    def conflicts(self, candidate):
        candidate = self.net(candidate)
        low, high = candidate.first, candidate.last
        return [net for first, last, net in self.bounds if first <= high and low <= last]

    def free(self, domain, wanted):
        for block in (self.set([domain]) - self.taken).iter_cidrs():
            if block.prefixlen <= wanted:
                return next(block.subnet(wanted))


def conflicts(side, candidates, limit):
    counts, since = [], time.perf_counter_ns()
    for candidate in candidates:
        found, _ = timed(limit, lambda: side.conflicts(candidate))
        if found is None:
            break
        counts.append(len(found))
        if time.perf_counter_ns() - since > limit * 1e9:
            break
    took = time.perf_counter_ns() - since
    return counts, took // len(counts) if counts else None


def main(library, reservations, questions, limit):
    limit = float(limit)
    side = {"ipaddress": Stdlib, "netaddr": Netaddr}[library]()
    with open(questions) as file:
        asked = json.load(file)
    out = {"name": library, "version": side.version, "counts": []}

    def read():
        with open(reservations) as file:
            return side.read([entry["net"] for entry in json.load(file)])

    done, out["read_ns"] = timed(limit, read)
    if done is not None:
        done, took = timed(limit, side.index)
        out["index_ns"] = took if side.indexes or not done else 0
    if done:
        out["counts"], out["conflicts_ns"] = conflicts(side, asked["candidates"], limit)
        free, out["free_ns"] = timed(limit, lambda: side.free(asked["domain"], asked["wanted"]))
        out["free"] = None if free is None else str(free)
    print(json.dumps(out))


main(*sys.argv[1:])
