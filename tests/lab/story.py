"""What the sensor told: alert records as they came, and what belongs to which attack."""
import calendar
import json
import os
import threading
import time


class Told:
    """Alert records of a live sensor, with the moment at which a reader of its file had each."""

    def __init__(self, sensor):
        self.sensor = sensor
        self.alerts = []
        self.ending = False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while not os.path.exists(self.sensor.records) and not self.ending:
            time.sleep(0.01)
        rest = b""  # as bytes: what is read may end within a character
        with open(self.sensor.records, "rb") as f:
            while True:
                last = self.ending
                *lines, rest = (rest + f.read()).split(b"\n")
                now = time.time()
                self.alerts += [Alert(json.loads(line), now) for line in lines if b'"dataset":"earshot.alert"' in line]
                if last:
                    return
                time.sleep(0.01)

    def end(self):
        self.ending = True
        self.thread.join()
        return self.alerts


class Alert:
    def __init__(self, record, read):
        alert = record["earshot"]["alert"]
        entity = alert["entity"]
        self.record = record
        self.rule = record["rule"]["id"]
        self.key = self.rule, entity["type"], entity.get("value", ""), ",".join(alert.get("secondary", []))
        self.level = alert["level"]
        self.state = alert["state"]
        self.source = record.get("source", {}).get("ip", "")
        self.names = [entity.get("value", ""), alert.get("target", ""), self.source, record.get("destination", {}).get("ip", ""),
                      *alert.get("secondary", []), *alert.get("accounts", [])]
        self.decided = seconds_of(record["@timestamp"])  # packet time of what decided it
        self.written = seconds_of(record["event"]["created"]) if "created" in record["event"] else None
        self.read = read

    def is_about(self, words):
        return words is None or any(word in name for word in words for name in self.names)

    def sentence(self):
        return f"{self.rule} (severity {self.level}): {self.record['message']}"


def seconds_of(stamp):
    """2026-01-02T03:04:05.678901234Z -> seconds since the epoch"""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + (fraction or "0"))


def incidents(alerts):
    """{key: highest severity}"""
    found = {}
    for alert in alerts:
        found[alert.key] = max(found.get(alert.key, 0), alert.level)
    return found


def differences(what, got, wanted):
    """Two sets of incidents, as sentences."""
    return ([f"{what}: {key} is missing (severity {level})" for key, level in sorted(wanted.items()) if key not in got]
            + [f"{what}: {key} is new (severity {level})" for key, level in sorted(got.items()) if key not in wanted]
            + [f"{what}: {key} has severity {got[key]} instead of {level}" for key, level in sorted(wanted.items())
               if key in got and got[key] != level])


def belongs(alert, attack):
    """Told of this attack: by its rules about its people, or by a rule that rightly speaks of what it does to others."""
    if attack.begun is None or not attack.begun - 1 <= alert.decided:
        return False
    if alert.rule in attack.tells:
        return alert.is_about(attack.about)
    return alert.rule in attack.also and alert.decided <= attack.ended + 40


def false_alarms(alerts, attacks, innocent):
    """Of severity 2 and more: about no attack, or with the blame on somebody who is innocent."""
    return [a for a in alerts if a.level >= 2 and a.state != "close"
            and (a.source in innocent or not any(belongs(a, attack) for attack in attacks))]
