"""The honest part of the lab: a telephone system, thirty phones and a carrier that do what they do every day.

  1001-1010   phones that call                         192.0.2.101 ... 110, in `phones`
  1011-1016   phones that answer (1013 is busy, 1014 nobody hears)   192.0.2.111 ... 116, in `desks`
  1017-1028   twelve handsets behind one base station  192.0.2.119, in `desks`
  1029        a phone with a password that was changed 192.0.2.129
  1030        a phone with a bad password              192.0.2.130
  1041, 1042  softphones (baresip) that call each other, with Opus and RTCP; 1043 to 1046 more of them
"""
import itertools
import os

from network import SECOND_CARRIER

HERE = os.path.dirname(os.path.abspath(__file__))
PBX = "192.0.2.10"
CARRIER = "198.51.100.20"
OWN_NUMBERS = "+120255501"
ABROAD = "+442079460958"  # London; the range is kept for films
WEAK_PASSWORD = "4321"

BARESIP = """module_path /usr/lib/baresip/modules
sip_listen {address}:5060
audio_source ausine,400
audio_player aufile,{folder}/heard.wav
rtp_ports 20000-20100
module opus.so
module ausine.so
module aufile.so
module_app account.so
module_app menu.so
"""


def host_of(user):
    return "desks" if 1011 <= user <= 1028 else "phones"


def address_of(user):
    return "192.0.2.119" if 1017 <= user <= 1028 else f"192.0.2.{user - 900}"


def password_of(user):
    return WEAK_PASSWORD if user == 1030 else f"pw{user}"


def speech(path):
    """Two seconds of loud and soft; what it says does not matter."""
    with open(path, "wb") as f:
        f.write(bytes(0x80 | (step * 7) % 127 if step % 1600 < 900 else 0xFF - step % 9 for step in range(16000)))


class Honest:
    def __init__(self, processes):
        self.processes = processes
        self.numbers = itertools.count(1)  # of calls; attacks call from threads of their own
        self.finite = []  # names of calls that must end well

    def sipp(self, name, host, address, port, scenario, *arguments):
        self.processes.start(name, host, "sipp", *arguments, "-sf", os.path.join(HERE, "sipp", scenario + ".xml"), "-i", address, "-p", str(port),
                             "-mi", address, "-nostdin", "-skip_rlimit", "-trace_err", "-error_file", name + ".err")

    def users_file(self, name, users):
        with open(os.path.join(self.processes.folder, name), "w", encoding="ascii") as f:
            f.write("SEQUENTIAL\n")
            for user in users:
                f.write(f"{address_of(user)};{user};[authentication username={user} password={password_of(user)}];\n")
        return name

    def servers_up(self):
        speech(os.path.join(self.processes.folder, "speech.ul"))
        folder = os.path.join(self.processes.folder, "kamailio")
        os.makedirs(folder, exist_ok=True)
        self.processes.start("pbx", "pbx", "kamailio", "-DD", "-E", "-f", os.path.join(HERE, "kamailio.cfg"), "-w", HERE, "-Y", folder,
                             "-m", "32", "-M", "4", "-P", os.path.join(folder, "pid"))
        self.sipp("carrier", "carrier", CARRIER, 5060, "carrier", "-s", "gateway", "-aa")
        self.sipp("carrier2", "carrier", SECOND_CARRIER, 5060, "carrier", "-s", "gateway", "-aa")

    def phones_up(self):
        groups = {"phones": [*range(1001, 1011), 1030], "desks": list(range(1011, 1029))}
        for host, users in groups.items():
            first, count = address_of(users[0]), str(len(users))
            listed = ["-t", "ui", "-ip_field", "0", "-inf", self.users_file(f"{host}.csv", users)]
            self.sipp(f"register-{host}", host, first, 5060, "register", PBX, *listed, "-m", count, "-l", count, "-r", "15")
            self.sipp(f"keep-alive-{host}", host, first, 5064, "keep_alive", PBX, *listed, "-r", "2")
        wrong = self.users_file("wrong.csv", [1029])
        with open(os.path.join(self.processes.folder, wrong), encoding="ascii") as f:
            text = f.read().replace("pw1029", "pw1029-of-last-year")
        with open(os.path.join(self.processes.folder, wrong), "w", encoding="ascii") as f:
            f.write(text)
        self.sipp("register-wrong", "phones", address_of(1029), 5060, "register_wrong", PBX, "-t", "ui", "-ip_field", "0", "-inf", wrong,
                  "-m", "1", "-l", "1")
        for user in (1011, 1012, 1015, 1016):
            self.sipp(f"desk-{user}", "desks", address_of(user), 5070, "answer", "-s", str(user))
        self.sipp("desk-1013", "desks", address_of(1013), 5070, "answer_busy", "-s", "1013")
        self.sipp("desk-1014", "desks", address_of(1014), 5070, "answer_never", "-s", "1014")
        self.sipp("base-station", "desks", address_of(1017), 5070, "answer_never", "-s", "1017")
        self.softphone(1042)

    def users(self):
        """Who registers in the end: all but the one with the old password."""
        return [*range(1001, 1029), 1030, 1042]

    def desks(self):
        return [f"{address_of(user)}:5070" for user in range(1011, 1018)]

    def softphone(self, user, calls=None):
        """One that answers; or calls another one as soon as it is up."""
        host = f"soft{user - 1040}"
        folder = os.path.join(self.processes.folder, host)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "config"), "w", encoding="ascii") as f:
            f.write(BARESIP.format(address=f"192.0.2.{user - 1000}", folder=folder))
        with open(os.path.join(folder, "accounts"), "w", encoding="ascii") as f:
            f.write(f'<sip:{user}@{PBX}>;auth_user={user};auth_pass={password_of(user)};answermode=auto;regint=60;audio_codecs=opus/48000/2\n')
        open(os.path.join(folder, "contacts"), "w", encoding="ascii").close()
        dial = ["-e", f"/dial sip:{calls}@{PBX}"] if calls else []
        self.processes.start(host, host, "baresip", "-f", folder, *dial)

    def call(self, user, number, seconds, scenario="call", must_end=True):
        """One call; a phone in several calls uses a port for each."""
        number_of_call = next(self.numbers)
        name = f"call-{number_of_call}-{user}"
        self.sipp(name, host_of(user), address_of(user), 5100 + number_of_call, scenario, PBX, "-s", str(number), "-key", "user", str(user),
                  "-au", str(user), "-ap", password_of(user), "-d", str(int(seconds * 1000)), "-m", "1", "-timeout", f"{int(3 * seconds) + 20}s")
        if must_end:
            self.finite.append(name)
        return name

    def incoming(self, user, seconds):
        number_of_call = next(self.numbers)
        name = f"incoming-{number_of_call}-{user}"
        self.sipp(name, "carrier", CARRIER, 5100 + number_of_call, "incoming", PBX, "-s", f"{OWN_NUMBERS}{user % 100}", "-key", "caller",
                  "+12025550199", "-d", str(int(seconds * 1000)), "-m", "1", "-timeout", "60s")
        self.finite.append(name)

    def failures(self):
        """Honest calls that did not go as they should: then the lab, not the sensor, is broken."""
        softphones = [] if "established" in self.processes.said("soft1") else ["soft1: " + self.processes.said("soft1")[-500:]]
        return softphones + [f"{name} ended with {status}: {self.processes.said(name)[-300:]!r}" for name, status in
                ((name, self.processes.wait(name, 60)) for name in self.finite) if status != 0]
