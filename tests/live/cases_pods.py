# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Programs in containers of a real containerd, of plain ctr and of Kubernetes, watched by their pods.

The daemon is the test's own, with folders and a socket of its own.  No kubelet runs: ctr starts each
container with the annotations, the namespace and the cgroup that the CRI plugin would give it.
"""
import os
import shutil
import signal
import subprocess
import time

from cases_containers import is_well, leaks, mounts_below, root_folder, side_by_side
from solo import live

IMAGE = "registry.example/shop/api:1.4"
SECONDS = 8
SETTINGS = """version = 2
root = "{0}/root"
state = "{0}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{0}/containerd.sock"
[ttrpc]
  address = "{0}/containerd.sock.ttrpc"
"""


class Containerd:
    """A containerd and the containers that it runs, each in the same folder as its root."""

    def __init__(self, bench):
        self.bench = bench
        self.folder = bench.file("containerd")
        os.mkdir(self.folder)
        self.tag = f"dbleak-{os.getpid()}"
        self.started = []
        self.numbers = 0
        self.root = root_folder(self.folder)
        with open(f"{self.folder}/config.toml", "w") as settings:
            settings.write(SETTINGS.format(self.folder))
        bench.afterwards.append(self.close)
        with open(f"{self.folder}/log", "wb") as log:
            self.daemon = subprocess.Popen(["containerd", "-c", f"{self.folder}/config.toml"], stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log, start_new_session=True)
        bench.janitor.watch(self.daemon.pid, signal.SIGTERM)
        deadline = time.monotonic() + 40
        while self.ctr("default", "version", check=False) is None:
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                with open(f"{self.folder}/log", errors="replace") as log:
                    raise RuntimeError(f"containerd does not start: {log.read()[-600:]}")
            time.sleep(0.2)

    def ctr(self, space, *argv, check=True):
        """What it prints; None: it failed."""
        done = subprocess.run(["ctr", "-a", f"{self.folder}/containerd.sock", "-n", space, *argv],
                              capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(f"ctr {argv[0]}: {done.stderr.strip()[-400:]}")
        return None if done.returncode else done.stdout

    def start(self, space, number, *argv, options=(), server="postgresql"):
        """Starts a container of that id; returns its pid."""
        endpoint = self.bench.servers[server].endpoint("tcp4")
        env = [item for key, value in endpoint.items() if value for item in ("--env", f"{key}={value}")]
        self.started.append((space, number))
        self.ctr(space, "run", "-d", "--net-host", *options, *env,
                 "--rootfs", self.root, number, *argv)
        for line in self.ctr(space, "task", "ls").splitlines():
            if line.split()[0] == number:
                return int(line.split()[1])
        raise RuntimeError(f"{number} has no task")

    def pod(self, namespace, pod, name, *argv, server="postgresql"):
        """Starts a container of a pod, as the CRI plugin would; name None: its sandbox."""
        self.numbers += 1
        number = f"{os.getpid():032x}{self.numbers:032x}"
        notes = {"container-type": "container" if name else "sandbox", "sandbox-name": pod,
                 "sandbox-namespace": namespace}
        if name:
            notes.update({"container-name": name, "image-name": IMAGE})
        options = [item for key, value in notes.items()
                   for item in ("--annotation", f"io.kubernetes.cri.{key}={value}")]
        options += ["--cgroup", f"/kubepods/burstable/pod{self.tag}-{pod}/{number}"]
        return self.start("k8s.io", number, *argv, options=options, server=server)

    def close(self):
        for space, number in self.started:
            self.ctr(space, "task", "rm", "-f", number, check=False)
            self.ctr(space, "container", "rm", number, check=False)
        self.bench.janitor.end(self.daemon)
        for mount in sorted(mounts_below(self.folder), reverse=True):
            subprocess.run(["umount", mount])
        for folder, below, _ in os.walk("/sys/fs/cgroup", topdown=False):
            if os.path.basename(folder).startswith(f"pod{self.tag}-"):
                os.rmdir(folder)


def is_of_pod(bench, look, pid, namespace, pod, name):
    """The process is reported with its container and its pod."""
    process = look.process(pid)
    if bench.check(process, f"[{pid}] of {namespace}/{pod} is not in the report"):
        told = process["container"] or {}
        wanted = {"runtime": "containerd", "name": name, "pod": pod, "namespace": namespace, "image": IMAGE}
        bench.check({key: told.get(key) for key in wanted} == wanted,
                    f"the container of [{pid}] is {told}, not {wanted}")
    return process


def are_all(bench, look, pids, selection):
    found = {process["pid"] for process in (look.report or {"processes": []})["processes"]}
    bench.check(found == set(pids), f"{selection} reports {sorted(found)}, not {sorted(pids)}")


def missing_containerd():
    there = shutil.which("containerd") and shutil.which("ctr") and \
        shutil.which("runc", path=os.environ["PATH"] + ":/usr/sbin")
    return None if there else "containerd"


@live("programs in pods are found by pod, by namespace, by container, and when they start later",
      needs=("postgresql", "mariadb"), group="containerd", without=missing_containerd)
def pods(bench):
    runtime = Containerd(bench)
    runtime.pod("shop", "web-7d9", None, "/bin/busybox", "sleep", "1000")
    leaker = runtime.pod("shop", "web-7d9", "api", "/pq_connections", "leak")
    side = runtime.pod("shop", "web-7d9", "side", "/my_connections", "close", server="mariadb")
    twin = runtime.pod("test", "web-7d9", "api", "/my_connections", "close", server="mariadb")
    plain = runtime.start("default", f"{runtime.tag}-plain", "/pq_connections", "leak")
    late = []
    time.sleep(1)
    by_pod, by_container, by_namespace, by_id = side_by_side(
        lambda: bench.dbleak.watch("--duration", SECONDS, "--pod", "shop/web-7d9"),
        lambda: bench.dbleak.watch("--duration", SECONDS, "--pod", "shop/web-7d9", "--container", "api"),
        lambda: bench.dbleak.watch("--duration", SECONDS + 6, "--namespace", "test", during=lambda: late.append(
            runtime.pod("test", "late-1", "api", "/my_connections", "leak", server="mariadb"))),
        lambda: bench.dbleak.watch("--duration", SECONDS, "--container", f"{runtime.tag}-plain"))
    for look in (by_pod, by_container, by_namespace, by_id):
        bench.looked(look, 1)
    are_all(bench, by_pod, (leaker, side), "--pod shop/web-7d9")
    are_all(bench, by_container, (leaker,), "--pod shop/web-7d9 --container api")
    are_all(bench, by_namespace, (twin, *late), "--namespace test")
    are_all(bench, by_id, (plain,), "--container of plain ctr")
    leaks(bench, is_of_pod(bench, by_pod, leaker, "shop", "web-7d9", "api"), exhausts=False)
    is_well(bench, is_of_pod(bench, by_pod, side, "shop", "web-7d9", "side"))
    leaks(bench, is_of_pod(bench, by_container, leaker, "shop", "web-7d9", "api"), exhausts=False)
    is_well(bench, is_of_pod(bench, by_namespace, twin, "test", "web-7d9", "api"))
    leaks(bench, is_of_pod(bench, by_namespace, late[0], "test", "late-1", "api"), exhausts=False)
    if found := by_id.process(plain):
        told = found["container"] or {}
        bench.check(told.get("name") == told.get("id") == f"{runtime.tag}-plain" and told.get("pod") is None,
                    f"the container of plain ctr is {told}")
    bench.check("in pod shop/web-7d9, container api" in " ".join((by_pod.text or "").split()),
                "the text report does not name the pod")
    many = bench.dbleak.run("watch", "--duration", 3, "--json", "--pod", "web-7d9")
    bench.one_sentence(many, "several namespaces", "shop/web-7d9", "test/web-7d9")
    lost = bench.dbleak.run("watch", "--duration", 3, "--json", "--pod", "shop/nosuchpod")
    bench.one_sentence(lost, "no such pod", "shop/web-7d9")
