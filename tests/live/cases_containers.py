# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Programs in real containers of Docker and podman, watched from the host by name.

The image holds a few C clients, their libraries, Python and a shell.  A Docker daemon that runs already is
used as it is; otherwise one is started for the test on a socket of its own.  Containers and
image carry names of this test's own and are removed.
"""
import json
import os
import shutil
import signal
import subprocess
import threading
import time

import harness
from harness import BUILT, CLIENTS as SOURCES
from places import lines_of
from solo import live

SCRIPT = "contained.py"
PYTHON = os.path.realpath("/usr/bin/python3")
PACKAGES = ("collections", "encodings", "importlib", "re")  # that it cannot start without
CLIENTS = ("pq_connections", "my_connections", "lite_calls")
DOCKER = os.path.isfile("/usr/bin/docker") and "/usr/bin/docker" or shutil.which("docker")
COMMON = ["--network=host", "--ulimit", "nofile=1024:1024"]
SECONDS = 8
STATIC = os.path.join(harness.ROOT, "build", "static", "dbleak")
RIGHTS = ("BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH", "CHECKPOINT_RESTORE", "SYS_ADMIN")  # README.md


def put_program(root, program, path):
    """With every library that it names."""
    os.makedirs(os.path.dirname(root + path), exist_ok=True)
    shutil.copy(program, root + path)
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
    for word in listed.stdout.split():
        if word.startswith("/"):
            os.makedirs(root + os.path.dirname(word), exist_ok=True)
            shutil.copy(word, root + word)


def put_python(root):
    """The interpreter, as much of its library as a small script needs, and that script."""
    library = PYTHON.replace("/bin/", "/lib/")
    put_program(root, PYTHON, PYTHON)
    os.makedirs(root + library)
    os.makedirs(f"{root}/app")
    shutil.copy(os.path.join(SOURCES, SCRIPT), f"{root}/app/{SCRIPT}")
    for name in PACKAGES:
        shutil.copytree(f"{library}/{name}", f"{root}{library}/{name}", ignore=shutil.ignore_patterns("__pycache__"))
    for name in os.listdir(library):
        if name.endswith(".py"):
            shutil.copy(f"{library}/{name}", f"{root}{library}/{name}")


def root_folder(folder):
    """A folder with /bin/sh, Python, the clients and every library they name."""
    root = os.path.join(folder, "rootfs")
    for name in ("bin", "etc", "tmp"):
        os.makedirs(os.path.join(root, name))
    shutil.copy("/bin/busybox", f"{root}/bin/busybox")
    os.symlink("busybox", f"{root}/bin/sh")
    with open(f"{root}/etc/passwd", "w") as passwd:
        passwd.write("root:x:0:0:root:/:/bin/sh\n")
    for client in CLIENTS:
        put_program(root, os.path.join(BUILT, client), f"/{client}")
    put_python(root)
    return root


def root_file_system(folder):
    """The same as a tar file."""
    root = root_folder(folder)
    tar = os.path.join(folder, "image.tar")
    subprocess.run(["tar", "-C", root, "-cf", tar, "."], check=True)
    shutil.rmtree(root)
    return tar


class Runtime:
    """A container runtime, an image of our own in it, and the containers started from that."""

    def __init__(self, bench):
        self.bench = bench
        self.folder = bench.file(self.name)
        os.mkdir(self.folder)
        self.tag = f"dbleak-{os.getpid()}-{self.name[0]}"  # short: all of it is to be printed
        self.started = []
        bench.afterwards.append(self.close)
        self.open()
        self.call("import", root_file_system(self.folder), f"{self.tag}:latest")

    def open(self):
        pass

    def call(self, *argv, check=True):
        done = subprocess.run([*self.command, *argv], capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(f"{self.name} {argv[0]}: {done.stderr.strip()[-400:]}")
        return done.stdout.strip()

    def start(self, word, *argv, server="postgresql"):
        """Starts a container; returns (name, id, pid)."""
        name = f"{self.tag}-{word}"
        endpoint = self.bench.servers[server].endpoint("tcp4")
        env = [item for key, value in endpoint.items() if value for item in ("-e", f"{key}={value}")]
        self.started.append(name)
        number = self.call("run", "-d", "--name", name, *self.options, *env, f"{self.tag}:latest", *argv)
        pid = int(self.call("inspect", "--format", "{{.State.Pid}}", name))
        return name, number.splitlines()[-1], pid

    def close(self):
        for name in self.started:
            self.call("rm", "-f", name, check=False)
        self.call("rmi", "-f", f"{self.tag}:latest", check=False)


class Docker(Runtime):
    name = "docker"
    command = [DOCKER]
    options = COMMON
    daemon = None

    def open(self):
        if subprocess.run([DOCKER, "info"], capture_output=True).returncode == 0:
            return
        socket = f"{self.folder}/docker.sock"
        self.command = [DOCKER, "-H", f"unix://{socket}"]
        self.had_state = os.path.exists("/var/lib/docker")
        with open(f"{self.folder}/log", "wb") as log:
            self.daemon = subprocess.Popen(
                ["/usr/sbin/dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none",
                 "--storage-driver=vfs", "-H", f"unix://{socket}", "--exec-root", f"{self.folder}/exec",
                 "--pidfile", f"{self.folder}/pid"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.bench.janitor.watch(self.daemon.pid, signal.SIGTERM)
        deadline = time.monotonic() + 40
        while subprocess.run([*self.command, "info"], capture_output=True).returncode:
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                with open(f"{self.folder}/log", errors="replace") as log:
                    raise RuntimeError(f"dockerd does not start: {log.read()[-600:]}")
            time.sleep(0.2)

    def close(self):
        super().close()
        if self.daemon:
            self.bench.janitor.end(self.daemon)
            for mount in sorted(mounts_below(self.folder), reverse=True):
                subprocess.run(["umount", mount])
            if not self.had_state:
                shutil.rmtree("/var/lib/docker", ignore_errors=True)


class Podman(Runtime):
    name = "podman"
    command = ["podman", "--runtime", "runc"]
    options = [*COMMON, "--ulimit", "nproc=1024:1024"]


def mounts_below(folder):
    with open("/proc/self/mounts") as mounts:
        return [line.split()[1] for line in mounts if line.split()[1].startswith(folder)]


def whose(bench, look, pid, runtime, name, number):
    """The process is reported with its container."""
    process = look.process(pid)
    if not bench.check(process, f"[{pid}] of {name} is not in the report"):
        return None
    container = process["container"] or {}
    bench.check(container.get("runtime") == runtime and container.get("name") == name
                and container.get("id") and number.startswith(container["id"][:12]),
                f"the container of [{pid}] is {container}, not {runtime} {name} {number[:12]}")
    return process


def leaks(bench, process, exhausts=True):
    if process:
        found = {(finding["verdict"], finding["cause"]) for finding in process["findings"]}
        bench.check(("leaking", "unclosed-connection") in found, f"[{process['pid']}] has the findings {found}")
        limits = [finding["exhausts"] for finding in process["findings"] if finding["exhausts"]]
        bench.check(not exhausts or any("1024" in limit["limit"] and limit["in_seconds"] > 0 for limit in limits),
                    f"[{process['pid']}] exhausts {limits}")


def has_line(bench, process):
    """As the container calls its file."""
    wanted = {(f"/app/{file}", line) for file, line in lines_of([SCRIPT], "contained")}
    for finding in process["findings"] if process else []:
        site = finding["site"] or {"file": None, "line": None}
        bench.check((site["file"], site["line"]) in wanted, f"{finding['cause']} is named {site}, not {wanted}")


def is_well(bench, process):
    if process:
        bench.check(process["verdict"] in ("ok", "bounded") and not process["findings"],
                    f"[{process['pid']}] is {process['verdict']}")


def side_by_side(*runs):
    """Several watches at once, to save time."""
    results = [None] * len(runs)

    def one(number, run):
        results[number] = run()

    threads = [threading.Thread(target=one, args=item) for item in enumerate(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def contained(bench, runtime):
    """The three questions to each runtime: by name, by part of the id, and started later."""
    leaker = runtime.start("leak", "/pq_connections", "leak")
    twin = runtime.start("well", "/my_connections", "close", server="mariadb")
    lite = runtime.start("lite", "/lite_calls", "connections_kept", "/tmp/shop.db")
    lite_twin = runtime.start("lite-well", "/lite_calls", "connections_closed", "/tmp/shop.db")
    script = runtime.start("python", PYTHON, f"/app/{SCRIPT}")
    late = []
    time.sleep(1)
    by_name, by_number, host = side_by_side(
        lambda: bench.dbleak.watch("--duration", SECONDS, "--container", leaker[0]),
        lambda: bench.dbleak.watch("--duration", SECONDS, "--container", twin[1][:12]),
        lambda: bench.dbleak.watch("--duration", SECONDS + 6, during=lambda: late.append(
            runtime.start("late", "/my_connections", "leak", server="mariadb"))))
    for look, status in ((by_name, 1), (by_number, 0), (host, 1)):
        bench.looked(look, status)
    for look, (name, number, pid) in ((by_name, leaker), (by_number, twin)):
        found = {process["pid"] for process in (look.report or {"processes": []})["processes"]}
        bench.check(found == {pid}, f"--container {name} reports {sorted(found)}, not [{pid}]")
    leaks(bench, whose(bench, by_name, leaker[2], runtime.name, leaker[0], leaker[1]))
    is_well(bench, whose(bench, by_number, twin[2], runtime.name, twin[0], twin[1]))
    leaks(bench, whose(bench, host, leaker[2], runtime.name, leaker[0], leaker[1]))
    is_well(bench, whose(bench, host, twin[2], runtime.name, twin[0], twin[1]))
    leaks(bench, whose(bench, host, late[0][2], runtime.name, late[0][0], late[0][1]))
    leaks(bench, whose(bench, host, lite[2], runtime.name, lite[0], lite[1]), exhausts=False)
    if found := host.process(lite[2]):
        places = {(endpoint["database"], endpoint["address"]) for endpoint in found["endpoints"]}
        bench.check(places == {("sqlite", "/tmp/shop.db")}, f"the SQLite client of {lite[0]} is at {places}")
    is_well(bench, host.process(lite_twin[2]))
    leaks(bench, host.process(script[2]))
    has_line(bench, whose(bench, host, script[2], runtime.name, script[0], script[1]))
    bench.check(runtime.name in (by_name.text or "") and leaker[0] in by_name.text,
                "the text report does not name the container")
    lost = bench.dbleak.run("watch", "--duration", 3, "--json", "--container", "nosuchcontainer")
    bench.one_sentence(lost, "nosuchcontainer", leaker[0])


def from_a_container(bench, *rights):
    """The static file in an image of nothing else, beside a program in another container: it sees the program and
    its line, and calls its container by name, as from the host."""
    runtime = Podman(bench)
    script = runtime.start("python", PYTHON, f"/app/{SCRIPT}")
    tar, image = f"{runtime.folder}/dbleak.tar", f"{runtime.tag}-watcher"
    time.sleep(1)
    subprocess.run(["tar", "-C", os.path.dirname(STATIC), "-cf", tar, "dbleak"], check=True)
    runtime.call("import", tar, f"{image}:latest")
    bench.afterwards.append(lambda: runtime.call("rmi", "-f", f"{image}:latest", check=False))
    done = subprocess.run([*runtime.command, "run", "--rm", "--pid=host", *runtime.options, *rights, f"{image}:latest",
                           "/dbleak", "watch", "--json", "--duration", str(SECONDS), "--container", script[0]],
                          capture_output=True, text=True, timeout=90)
    bench.shown.update(stderr=done.stderr[-1500:])
    if not bench.check(done.returncode == 1, f"exit status {done.returncode}, not 1: {done.stderr[-300:]}"):
        return
    look = harness.Look(done.returncode, done.stdout, done.stderr, report=json.loads(done.stdout))
    process = whose(bench, look, script[2], runtime.name, script[0], script[1])
    leaks(bench, process)
    has_line(bench, process)


def missing_static_podman():
    return missing_podman() or (None if os.access(STATIC, os.X_OK) else "build/static/dbleak (make static)")


def missing_docker():
    return None if DOCKER and os.path.exists("/usr/sbin/dockerd") else "docker.io"


def missing_podman():
    return None if shutil.which("podman") and shutil.which("runc", path=os.environ["PATH"] + ":/usr/sbin") else "podman"


@live("programs in Docker containers are found by name, by id and when they start later",
      needs=("postgresql", "mariadb"), group="docker", without=missing_docker)
def docker(bench):
    contained(bench, Docker(bench))


@live("programs in podman containers are found by name, by id and when they start later",
      needs=("postgresql", "mariadb"), group="podman", without=missing_podman)
def podman(bench):
    contained(bench, Podman(bench))


@live("from a privileged container the host's containers are seen as from the host", group="podman",
      without=missing_static_podman)
def privileged(bench):
    from_a_container(bench, "--privileged")


@live("from a container with the rights of the list the host's containers are seen as from the host", group="podman",
      without=missing_static_podman)
def with_rights(bench):
    from_a_container(bench, "--cap-drop=all", *(f"--cap-add={right}" for right in RIGHTS),
                     "--security-opt", "seccomp=unconfined")
