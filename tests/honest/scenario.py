"""scenario: what an entry is called, what it may raise and what it must, and how its alerts are judged."""
ENTRIES = []
# A site that says where it is.
SITE = ("site.country=US", "site.numbers=+121255501", "site.outside=9", "site.numbers_file=conf/numbers.csv")


class Scenario:
    def __init__(self, name, what, words, make, allow, expect, options, quick, attack, learning=0, only_declared=False, alone=False):
        self.name, self.what, self.words, self.make = name, what, words, make
        self.allow, self.expect, self.options, self.quick, self.attack = allow, expect, options, quick, attack
        self.learning, self.only_declared, self.alone = learning, only_declared, alone


def honest(name, what, words="", allow=None, expect=(), options=(), quick=False, learning=0, only_declared=False,
           alone=False):
    """An entry of honest traffic. `allow`: rule (or "*") to the highest severity that the entry's `words` let it have; all
    else may have 1. `expect`: (rule, severity) that is right. `options` are what the site may declare: it is judged with the preset
    configuration and with them, or with them alone where the entry speaks of a declaration. `alone` ones say what the sensor hears of
    the whole site, so nothing can be laid beside them. In the first `learning` seconds the site has no past yet: there 2 is
    allowed."""
    def keep(make):
        ENTRIES.append(Scenario(name, what, words, make, allow or {}, list(expect), list(options), quick, False, learning, only_declared,
                alone))
        return make
    return keep


def attack(name, what, told, options=(), quick=False, allow=None):
    """An attack inside an honest crowd. Its function gives the `Caught` that must be; `told` says them for the README."""
    def keep(make):
        ENTRIES.append(Scenario(name, what, told, make, allow or {}, [], list(options), quick, True))
        return make
    return keep


class Caught:
    """An alert that must be: of this rule, about this key (it stands in its entity, target or addresses), with at least this severity,
    told at most a second and a mark after the packet that crosses the threshold, which is the one at `crossing`."""

    def __init__(self, rule, key, severity, crossing, delay=2.0):
        self.rule, self.key, self.severity, self.crossing, self.delay = rule, key, severity, crossing, delay


class Involved:
    """Somebody who is part of the attack: alerts about him are no false ones."""

    def __init__(self, key):
        self.key = key


class Never:
    """No alert may blame one of these addresses, nor speak of it as more than a claim."""

    def __init__(self, addresses):
        self.addresses = frozenset(addresses)


def describe(alert):
    return f"{alert.rule} {alert.level} {alert.entity}: {alert.message[:200]}"


def judge_honest(scenario, alerts, start):
    problems = []
    for alert in alerts:
        limit = max(2 if alert.at - start < scenario.learning else 1, scenario.allow.get(alert.rule, 1), scenario.allow.get("*", 1))
        if alert.level > limit:
            problems.append(f"false alarm ({limit} allowed): {describe(alert)}")
        elif alert.chain_level > max(2, limit):
            problems.append(f"false chain of severity {alert.chain_level}: {describe(alert)}")
    for rule, severity in scenario.expect:
        if not any(a.rule == rule and a.level >= severity for a in alerts):
            problems.append(f"missing: {rule} of severity {severity}")
    return problems


def judge_attack(scenario, alerts, wanted, start):
    """Every wanted alert is there and in time; nobody else of the crowd is blamed for anything severe."""
    problems, rightly = [], set()
    for want in wanted:
        if isinstance(want, Involved):
            continue
        if isinstance(want, Never):
            for alert in alerts:
                if alert.source in want.addresses and (alert.proven or alert.level > 2 or "claims to be" not in alert.message):
                    problems.append(f"a forged source is blamed: {describe(alert)}")
            continue
        found = [a for a in alerts if a.rule == want.rule and want.key in a.names]
        rightly.update(id(a) for a in found)
        severe = [a for a in found if a.level >= want.severity]
        if not severe:
            best = max(found, key=lambda a: a.level, default=None)
            problems.append(f"missed: {want.rule} {want.severity} about {want.key}" + (f", only {describe(best)}" if best else ""))
            continue
        at = min(a.at for a in severe) - start
        if at > want.crossing + want.delay:
            problems.append(f"late: {want.rule} about {want.key} at {at:.3f} s, crossed at {want.crossing:.3f} s")
    culprits = {want.key for want in wanted if not isinstance(want, Never)}
    for alert in alerts:
        if id(alert) not in rightly and alert.level >= 3 and alert.level > scenario.allow.get(alert.rule, 0) and not any(
                key in alert.names for key in culprits):
            problems.append(f"an alarm about the crowd: {describe(alert)}")
    return problems
