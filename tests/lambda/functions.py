"""The built functions as processes: each under AWS's Runtime Interface Emulator (part of
the SAM CLI), with the environment that the template gives it."""

import json
import os
import pathlib
import platform
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import samcli
from samcli.yamlhelper import parse_yaml_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
EVENTS = ROOT / "events"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
RUNTIME_EMULATOR = (
    pathlib.Path(samcli.__file__).parent / "local/rapid" / f"aws-lambda-rie-{ARCHITECTURE}"
)

# The path of invocations. Every function of the emulator has this name.
INVOCATIONS = "/2015-03-31/functions/function/invocations"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def lasting_port():
    """A port for a server that is stopped and started again: none that an outgoing
    connection may take meanwhile, as those of the ephemeral range."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Function:
    """A `bootstrap` under the Runtime Interface Emulator."""

    def __init__(self, name, directory, log_path, variables, memory, timeout, log_level):
        self.name = name
        self.log_path = log_path
        # The emulator exits on concurrent invocations, where Lambda would start another
        # instance.
        self.lock = threading.Lock()
        self.port = port = free_port()
        self.url = f"http://127.0.0.1:{port}{INVOCATIONS}"
        environment = {
            # Don't inherit this machine's environment, which Lambda does not have.
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
            **variables,
        }
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [
                    RUNTIME_EMULATOR,
                    "--runtime-interface-emulator-address",
                    f"127.0.0.1:{port}",
                    "--runtime-api-address",
                    f"127.0.0.1:{free_port()}",
                    "--log-level",
                    log_level,
                    "./bootstrap",
                ],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit(f"{name} did not start:\n{self.log()}")
                time.sleep(0.02)

    def invoke(self, event):
        request = urllib.request.Request(self.url, json.dumps(event).encode(), method="POST")
        with self.lock, urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())

    def log(self):
        return self.log_path.read_text(errors="replace")

    def lines(self):
        """The log lines of the function, without those of the emulator."""
        emulator = re.compile(
            r"(START|END|REPORT) RequestId: |\d\d \w{3} \d{4} [\d:,.]+ \[\w+\] \(rapid\) "
        )
        lines = self.log().splitlines()
        return [line for line in lines if line.strip() and not emulator.match(line)]

    def stop(self):
        stop(self.process)


class Template:
    def __init__(self, path):
        self.template = parse_yaml_file(str(path))

    def variables(self, function, deployed):
        """A function's environment as deployed, with the defaults of the parameters
        and the resources of the emulators."""

        def resolve(value):
            if not isinstance(value, dict):
                return str(value)
            if "Fn::Sub" in value:
                return value["Fn::Sub"].replace("${AWS::StackName}", "webhook-endpoints")
            if "Fn::If" in value:
                # With the default parameters, no condition of a variable holds.
                return resolve(value["Fn::If"][2])
            (name,) = value.values()
            parameter = self.template["Parameters"].get(name)
            return deployed[name] if parameter is None else str(parameter["Default"])

        properties = self.template["Resources"][function]["Properties"]
        variables = properties["Environment"]["Variables"]
        return {name: resolve(value) for name, value in variables.items()}

    def start(
        self, name, function, build_dir, log_path, deployed, more, timeout=None, log_level="info"
    ):
        """Starts a function with the settings of the template. Its log is appended to a file.
        `log_level` is of the emulator."""
        properties = self.template["Resources"][function]["Properties"]
        return Function(
            name,
            build_dir / function,
            log_path,
            self.variables(function, deployed) | more,
            properties["MemorySize"],
            timeout or properties["Timeout"],
            log_level,
        )


def build():
    """Builds the functions as for a deployment, but for this machine's architecture."""
    # `sam` and its tools are installed next to this Python.
    beside = pathlib.Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{beside}:{os.environ['PATH']}",
        "SAM_CLI_TELEMETRY": "0",
    }
    build_dir = ROOT / ".aws-sam" / ARCHITECTURE
    subprocess.run(
        [
            "sam",
            "build",
            "--parameter-overrides",
            f"Architecture={ARCHITECTURE}",
            "--build-dir",
            build_dir,
        ],
        cwd=ROOT,
        env=environment,
        check=True,
    )
    return build_dir


def emulators_binary():
    """Builds the emulators of `local`, as CI builds them, so that nothing is compiled
    twice."""
    subprocess.run(
        ["cargo", "build", "--quiet", "--workspace", "--all-targets", "--locked"],
        cwd=ROOT,
        check=True,
    )
    target_dir = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target_dir / "debug/emulators"
