#!/usr/bin/env python3
# batch.py - a small batch scheduler on plain HTTP, with nothing but Python's own
# library: runs each line of a file as a task, and may itself be killed at any moment.
#
#   batch.py HOST:PORT COMMANDS JOURNAL
#
# SPDX-License-Identifier: Apache-2.0
import getpass, http.client, json, os, random, sys, time

LOST = {"TASK_LOST", "TASK_DROPPED", "TASK_GONE", "TASK_GONE_BY_OPERATOR", "TASK_UNKNOWN"}
FAILED = {"TASK_FAILED", "TASK_KILLED", "TASK_ERROR"}


class Job:
    def __init__(self, command):
        self.command, self.state, self.attempt, self.agent = command, "waiting", 0, None
        self.asked = False  # and no answer yet


class Batch:
    def __init__(self, master, commands, journal):
        self.masters, self.framework = master.split(","), None
        with open(commands) as f:
            self.jobs = [Job(line.rstrip("\n")) for line in f]
        self.journal = open(journal, "a+")
        self.replay()

    # ---- what was ----
    def replay(self):
        self.journal.seek(0)
        whole = 0
        for line in self.journal.read().splitlines(keepends=True):
            if not line.endswith("\n"):
                break  # it was being written when we died: it never was
            whole += len(line)
            word, *rest = line.split()
            if word == "framework":
                self.framework = rest[0]
                continue
            job = self.jobs[int(rest[0])]
            job.state = {"launch": "launched", "again": "waiting"}.get(word, word)
            if word == "launch":
                job.attempt, job.agent = int(rest[1]), rest[2]
        self.journal.truncate(whole)

    def write(self, *words):
        print(*words, file=self.journal)

    def sync(self):
        self.journal.flush()
        os.fsync(self.journal.fileno())

    def launched(self):
        return [(i, j) for i, j in enumerate(self.jobs) if j.state == "launched"]

    # ---- the wire ----
    def subscribe(self, address):
        """The stream of a new subscription; follows redirects to the leader."""
        info = {"user": getpass.getuser(), "name": "batch.py", "roles": ["*"], "checkpoint": True,
                "failover_timeout": 3600,
                "capabilities": [{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}]}
        call = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        if self.framework:
            info["id"] = call["framework_id"] = {"value": self.framework}
        for _ in range(5):
            # Heartbeats come every 15 seconds: five missed ones are a lost master.
            connection = http.client.HTTPConnection(address, timeout=75)
            connection.request("POST", "/api/v1/scheduler", json.dumps(call),
                               {"Content-Type": "application/json", "Accept": "application/json"})
            answer = connection.getresponse()
            if answer.status != 307:
                break
            address = answer.headers["Location"].split("//")[1].split("/")[0]
        if answer.status != 200:
            raise ConnectionError(f"HTTP status {answer.status}: {answer.read(500).decode()}")
        self.stream_id = answer.headers["Mesos-Stream-Id"]
        self.calls = http.client.HTTPConnection(address, timeout=30)
        return answer

    def call(self, kind, **fields):
        body = {"type": kind, "framework_id": {"value": self.framework}, **fields}
        self.calls.request("POST", "/api/v1/scheduler", json.dumps(body),
                           {"Content-Type": "application/json", "Mesos-Stream-Id": self.stream_id})
        answer = self.calls.getresponse()
        text = answer.read().decode()
        if answer.status >= 300:
            raise ConnectionError(f"{kind}: HTTP status {answer.status}: {text}")

    @staticmethod
    def events(stream):
        """RecordIO: the length in decimal, a new line, and so many bytes of JSON."""
        while True:
            size = stream.readline()
            if not size:
                raise ConnectionError("the master closed the connection")
            yield json.loads(stream.read(int(size)))

    # ---- the events ----
    def on_subscribed(self, event):
        if not self.framework:
            self.framework = event["framework_id"]["value"]
            self.write("framework", self.framework)
            self.sync()
        print("batch: subscribed as", self.framework, file=sys.stderr)
        for _, job in self.launched():
            job.asked = True
        self.pause, self.ask_at = 1, 0

    def reconcile(self):
        """Again and again, until every task that was launched has an answer."""
        tasks = [{"task_id": {"value": f"job-{i}.{j.attempt}"}, "agent_id": {"value": j.agent}}
                 for i, j in self.launched() if j.asked]
        if tasks and time.monotonic() >= self.ask_at:
            self.call("RECONCILE", reconcile={"tasks": tasks})
            self.ask_at = time.monotonic() + self.pause * random.uniform(0.5, 1)
            self.pause = min(self.pause * 2, 60)

    def on_offers(self, event):
        for offer in event["offers"]:
            left, tasks = {}, []
            for r in offer["resources"]:
                if r["type"] == "SCALAR" and not r.get("reservations"):
                    left[r["name"]] = left.get(r["name"], 0) + r["scalar"]["value"]
            for i, job in enumerate(self.jobs):
                need = {"cpus": 0.1, "mem": 32}
                if job.state != "waiting" or any(left.get(n, 0) < v for n, v in need.items()):
                    continue
                job.state, job.attempt, job.agent = "launched", job.attempt + 1, offer["agent_id"]["value"]
                self.write("launch", i, job.attempt, job.agent)
                resources = []
                for name, value in need.items():
                    left[name] = round(left[name] - value, 3)
                    resources.append({"name": name, "type": "SCALAR", "scalar": {"value": value}})
                task_id = f"job-{i}.{job.attempt}"
                tasks.append({"name": task_id, "task_id": {"value": task_id}, "agent_id": offer["agent_id"],
                              "command": {"shell": True, "value": job.command}, "resources": resources})
            if tasks:
                self.sync()  # first on the disk, then on the wire
                self.call("ACCEPT", accept={"offer_ids": [offer["id"]], "filters": {"refuse_seconds": 0},
                                            "operations": [{"type": "LAUNCH", "launch": {"task_infos": tasks}}]})
            else:
                self.call("DECLINE", decline={"offer_ids": [offer["id"]], "filters": {"refuse_seconds": 5}})

    def on_update(self, event):
        status = event["status"]
        number, attempt = status["task_id"]["value"].removeprefix("job-").split(".")
        job, state = self.jobs[int(number)], status["state"]
        if job.state == "launched" and job.attempt == int(attempt):
            job.asked = False
            if state in LOST:  # it never ran to its end, and nobody but us runs it again
                self.settle(number, "again", "waiting", status)
                self.call("REVIVE")
            elif state == "TASK_FINISHED":
                self.settle(number, "done", "done", status)
            elif state in FAILED:
                self.settle(number, "failed", "failed", status)
        if "uuid" in status:  # only what is on the disk is acknowledged
            self.call("ACKNOWLEDGE", acknowledge={k: status[k] for k in ("agent_id", "task_id", "uuid")})

    def settle(self, number, word, state, status):
        self.jobs[int(number)].state = state
        self.write(word, number)
        self.sync()
        print(f"job {number}: {status['state']} {status.get('message', '')}", flush=True)

    def over(self):
        return all(j.state in ("done", "failed") for j in self.jobs)

    def run(self):
        handlers = {"SUBSCRIBED": self.on_subscribed, "OFFERS": self.on_offers, "UPDATE": self.on_update}
        pause, turn = 0.1, 0
        while True:
            try:
                for event in self.events(self.subscribe(self.masters[turn % len(self.masters)])):
                    pause = 0.1
                    if event["type"] == "ERROR":
                        print("batch:", event["error"]["message"], file=sys.stderr)
                        return self.over()
                    if event["type"] in handlers:
                        handlers[event["type"]](event.get(event["type"].lower(), {}))
                    if self.over():
                        self.call("TEARDOWN")
                        return True
                    self.reconcile()
            except (OSError, http.client.HTTPException) as e:
                print(f"batch: {e}, trying again", file=sys.stderr)
                turn += 1
                time.sleep(pause * random.uniform(0.5, 1))
                pause = min(pause * 2, 15)


if len(sys.argv) != 4:
    sys.exit("usage: batch.py HOST:PORT COMMANDS JOURNAL")
batch = Batch(*sys.argv[1:])
ended = batch.run()
states = [j.state for j in batch.jobs]
print(states.count("done"), "done,", states.count("failed"), "failed")
sys.exit(0 if ended and "failed" not in states else 1)
