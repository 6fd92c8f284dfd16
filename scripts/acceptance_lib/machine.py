"""What runs on the machine: directories, the server under test, its PostgreSQL, and cleaning up after all of them.

Linux only: processes are looked up in /proc.
"""

import csv
import io
import os
import pwd
import random
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
NULL = "\N{EMPTY SET}"


class Trouble(Exception):
    """Something that makes going on pointless."""


def wait_until(what, condition, seconds, pause=0.02):
    """Waits for a true answer and returns it."""
    give_up = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > give_up:
            raise Trouble(f"{what}: not within {seconds} s")
        time.sleep(pause)


class Machine:
    """A temporary directory, and everything started in it. Leaving the `with` block ends and removes it all."""

    def __init__(self, goodword, user=None, keep=False):
        self.keep = keep
        self.identity = {}
        self.servers = []
        self.data_dirs = []
        self.next_port = random.randrange(18_200, 28_000)
        self.base = Path(tempfile.mkdtemp(prefix="goodword-acceptance-"))
        self.base.chmod(0o755)
        if user:
            entry = pwd.getpwnam(user)
            self.identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            os.chown(self.base, entry.pw_uid, entry.pw_gid)
        self.command = self._reachable(shlex.split(goodword))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.kill()
        for data_dir in self.data_dirs:
            stop_postgres(data_dir)
        if self.keep:
            print(f"kept: {self.base}")
        else:
            shutil.rmtree(self.base, ignore_errors=True)

    def _reachable(self, command):
        """The user may not be able to enter our clone, so a program named by its path is copied to where he can."""
        program = Path(command[0])
        if self.identity and program.is_file():
            copy = self.base / program.name
            shutil.copy2(program, copy)
            copy.chmod(0o755)
            return [str(copy), *command[1:]]
        return command

    def environment(self, **settings):
        """Ours without anything that configures the server, so that only `settings` do."""
        ours = {k: v for k, v in os.environ.items() if not k.startswith(("GOODWORD_", "PG", "XDG_")) and k != "DATABASE_URL"}
        if self.identity:
            ours["HOME"] = str(self.base)
        return ours | {name: str(value) for name, value in settings.items()}

    def build(self):
        """The first start may compile for minutes; that is no part of what is measured later."""
        try:
            done = subprocess.run(
                [*self.command, "--version"], cwd=REPO, env=self.environment(), stdout=subprocess.PIPE, **self.identity)
        except OSError as error:
            raise Trouble(f"{shlex.join(self.command)}: {error}") from error
        if done.returncode != 0:
            raise Trouble(f"{shlex.join(self.command)} --version ended with {done.returncode}")
        return done.stdout.decode().strip()

    def new_data_dir(self, name):
        data_dir = self.base / name
        self.data_dirs.append(data_dir)
        return data_dir

    def free_port(self):
        """Below the ports that the system hands to clients, which could otherwise take it while the server is down."""
        while True:
            self.next_port += 1
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", self.next_port))
                    return self.next_port
                except OSError:
                    continue

    def run(self, *args, data_dir, **settings):
        """One command of the program, to its end."""
        env = self.environment(GOODWORD_DATA_DIR=data_dir, **settings)
        return subprocess.run(
            [*self.command, *map(str, args)], cwd=REPO, env=env, capture_output=True, text=True, timeout=120, **self.identity)

    def start(self, subcommand, data_dir, port):
        server = Server(self, subcommand, data_dir, port)
        self.servers.append(server)
        return server

    def bash(self, line):
        """A line as a person pastes it."""
        done = subprocess.run(
            ["bash", "-c", line], env=self.environment(), cwd="/", capture_output=True, text=True, timeout=60, **self.identity)
        return done.stdout


class Server:
    """A running `serve` or `demo`."""

    def __init__(self, machine, subcommand, data_dir, port):
        self.data_dir = data_dir
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.stdout = machine.base / f"{data_dir.name}.stdout"
        self.stderr = machine.base / f"{data_dir.name}.stderr"
        env = machine.environment(GOODWORD_DATA_DIR=data_dir, GOODWORD_LISTEN=f"127.0.0.1:{port}")
        self.began = time.monotonic()
        with open(self.stdout, "wb") as out, open(self.stderr, "ab") as err:
            # A session of its own stands for a terminal: Ctrl-C goes to everybody in its foreground group.
            self.process = subprocess.Popen(
                [*machine.command, subcommand], cwd=REPO, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True, **machine.identity)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def press_ctrl_c(self):
        os.killpg(self.process.pid, signal.SIGINT)

    def terminate(self):
        self.process.terminate()

    def wait_exit(self, seconds):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"still running after {seconds} s"

    def is_ready(self):
        if self.process.poll() is not None:
            raise Trouble(f"the server ended with {self.process.returncode}: {self.last_words()}")
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def wait_ready(self, seconds=60):
        """Returns how long it took since the start."""
        wait_until("the server becomes ready", self.is_ready, seconds)
        return time.monotonic() - self.began

    def last_words(self):
        return self.stderr.read_text(errors="replace")[-600:].strip()


# -- the private PostgreSQL --

def postmaster_file(data_dir):
    try:
        return (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def postmaster_pid(data_dir):
    lines = postmaster_file(data_dir)
    return int(lines[0]) if lines and lines[0].strip().isdigit() else None


def postgres_processes(data_dir):
    """Every process that works in the cluster's directory. A zombie has no directory any more."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.readlink(entry / "cwd").startswith(str(data_dir / "postgres")):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def stop_postgres(data_dir):
    for sent, patience in ((signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
        for pid in postgres_processes(data_dir):
            try:
                os.kill(pid, sent)
            except ProcessLookupError:
                pass
        try:
            return wait_until("PostgreSQL is gone", lambda: not postgres_processes(data_dir), patience)
        except Trouble:
            continue


def query(data_dir, sql):
    """Rows as psql reports them: every value a text, None for null."""
    lines = postmaster_file(data_dir)
    password = (data_dir / "password").read_text().strip()
    command = ["psql", "--no-psqlrc", "--csv", "--tuples-only", "-P", f"null={NULL}", "-v", "ON_ERROR_STOP=1",
               "-h", lines[4], "-p", lines[3], "-U", "goodword", "-d", "goodword", "-c", sql]
    env = os.environ | {"PGPASSWORD": password, "PGCLIENTENCODING": "UTF8"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise Trouble(f"psql: {done.stderr.strip()}")
    return [[None if value == NULL else value for value in row] for row in csv.reader(io.StringIO(done.stdout))]
