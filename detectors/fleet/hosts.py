"""What a host says of itself, what was declared for it, and whether the two agree."""

from __future__ import annotations

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.fleet import tables as tb
from detectors.fleet.reasons import BUILD, FLAG
from detectors.fleet.standing import judge_host
from detectors.kernel import SECOND_NS, compiled, inlined


@inlined
def hear_beat(t, p, row):
    """Take in a heartbeat that is newer than the last one, and see whether its host is as declared."""
    host, at = row[ev.HOST], p[po.AT]
    h = t.hosts[host]
    h[tb.H_BEAT_AT] = at
    h[tb.H_BUILD], h[tb.H_CONFIG], h[tb.H_FLAGS] = row[ev.BUILD], row[ev.CONFIG_HASH], row[ev.FLAGS]
    t.state[tb.S_HOSTS] = max(host + 1, t.state[tb.S_HOSTS])
    if h[tb.H_ROW] <= 0:
        return
    if t.state[tb.S_FIRST_AT] == 0:
        t.state[tb.S_FIRST_AT] = at
    _stand(h, BUILD, not _runs_as_declared(t, h, at), at)
    _stand(h, FLAG, not _has_flags_declared(t, h), at)
    settle(t, at)


@inlined
def settle(t, at):
    """Seconds are judged until everything that this instant may lead to has been said."""
    limits = t.limits
    longest = max(limits[tb.L_SILENT_HIGH], limits[tb.L_WRONG_HIGH], limits[tb.L_IDLE_HALT])
    if at - t.state[tb.S_FIRST_AT] <= limits[tb.L_ARRIVAL]:
        longest = max(longest, limits[tb.L_ARRIVAL])
    until = (at + longest) // SECOND_NS + tb.SETTLING_S
    t.state[tb.S_UNTIL] = max(until, t.state[tb.S_UNTIL])


@inlined
def _stand(h, reason, is_wrong, at):
    if not is_wrong:
        h[tb.H_WRONG + reason] = 0
    elif h[tb.H_WRONG + reason] == 0:
        h[tb.H_WRONG + reason] = at


@compiled
def _runs_as_declared(t, h, at):
    """Whether its build is the manifest's or a roll-out's, and its configuration the one of that build."""
    row, build = h[tb.H_ROW] - 1, h[tb.H_BUILD]
    has_moved_on = h[tb.H_PHASE] == ev.Phase.DONE and at - h[tb.H_PHASE_AT] > t.limits[tb.L_GRACE]
    if has_moved_on and build == h[tb.H_OLD] and build != h[tb.H_OWN]:
        return False
    if not t.manifest[row, tb.M_BUILD] or t.builds[build] & (1 << row):
        config = h[tb.H_CONFIG]
        return not t.manifest[row, tb.M_CONFIG] or t.configs[config] & (1 << row) != 0
    if build <= nm.OTHER:
        return False
    if build == h[tb.H_OWN] and h[tb.H_PHASE] != ev.Phase.ROLLED_BACK:
        return True
    role = t.roles[h[tb.H_ROLE]]
    for slot in range(tb.BUILDS_DECLARED):
        if role[tb.R_DECLARED + slot] == build:
            return h[tb.H_OWN] != build
    return False


@inlined
def _has_flags_declared(t, h):
    row, flags = h[tb.H_ROW] - 1, h[tb.H_FLAGS]
    return flags == 0 or not t.manifest[row, tb.M_FLAGS] or t.flag_masks[flags] & (1 << row) != 0


@compiled
def hear_deploy(t, p, row):
    """A step of a roll-out: from `planned` on its build is expected, after `done` the old one is not."""
    host, build, phase = row[ev.HOST], row[ev.BUILD], row[ev.PHASE]
    if host <= nm.OTHER or t.hosts[host, tb.H_ROW] <= 0:
        return
    h = t.hosts[host]
    is_known = h[tb.H_OWN] == build and h[tb.H_PHASE] == phase
    if is_known or h[tb.H_PHASE_AT] > p[po.AT]:
        return  # told again, or late: a later step is known
    h[tb.H_OWN], h[tb.H_PHASE], h[tb.H_PHASE_AT] = build, phase, p[po.AT]
    if phase == ev.Phase.DONE:
        h[tb.H_OLD] = h[tb.H_BUILD]
    t.state[tb.S_HOSTS] = max(host + 1, t.state[tb.S_HOSTS])
    role = t.roles[h[tb.H_ROLE]]
    for slot in range(tb.BUILDS_DECLARED):
        if role[tb.R_DECLARED + slot] == build:
            if phase == ev.Phase.ROLLED_BACK:
                role[tb.R_DECLARED + slot] = 0
            return
    if phase != ev.Phase.ROLLED_BACK:
        role[tb.R_DECLARED + role[tb.R_NEXT] % tb.BUILDS_DECLARED] = build
        role[tb.R_NEXT] += 1


@inlined
def catch_up(t, host, at, row, n):
    """Seconds before this heartbeat that LOW has not reached yet: they belong to what was said before it."""
    if t.hosts[host, tb.H_BEAT_AT] == 0 or t.state[tb.S_TICKED] == 0:
        return n
    last = at // SECOND_NS
    for second in range(max(t.state[tb.S_TICKED] + 1, last - tb.CATCH_UP_S), last + 1):
        n = judge_host(t, host, second * SECOND_NS, second * SECOND_NS, row, n)
    return n
