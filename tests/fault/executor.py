# An executor on the plain v1 API, for matrix.sh: a task is a shell command in
# `data`; it subscribes again when its agent comes back, with the updates that were not
# acknowledged. It shows the rules of an executor that survives, and nothing else.
#
#	executor.py DIR		"DIR/not" keeps it from subscribing
#
# SPDX-License-Identifier: Apache-2.0
import base64
import http.client
import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid

AGENT = os.environ["MESOS_AGENT_ENDPOINT"]
IDS = {"framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]},
       "executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]}}
unacked_tasks, unacked_updates, running = {}, {}, {}
to_send = queue.Queue()  # None: the stream is new


def post(call, keep=False):
    connection = http.client.HTTPConnection(AGENT, timeout=None if keep else 10)
    connection.request("POST", "/api/v1/executor", json.dumps({**IDS, **call}), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    if keep:
        return answer
    answer.read()
    connection.close()
    return answer.status


def update(task, state):
    status = {"task_id": task, "state": state, "source": "SOURCE_EXECUTOR", "timestamp": time.time(),
              "executor_id": IDS["executor_id"], "uuid": base64.b64encode(uuid.uuid4().bytes).decode()}
    unacked_updates[status["uuid"]] = {"status": status}
    to_send.put({"type": "UPDATE", "update": {"status": status}})


# An update that does not arrive goes with the next subscription.
def sender():
    while True:
        call = to_send.get()
        try:
            post(call)
        except OSError:
            pass


def run(task, command):
    process = subprocess.Popen(["/bin/sh", "-c", command], start_new_session=True)
    running[task["value"]] = process
    update(task, "TASK_RUNNING")
    code = process.wait()
    update(task, "TASK_FINISHED" if code == 0 else "TASK_KILLED" if code < 0 else "TASK_FAILED")


def handle(event):
    kind = event["type"]
    if kind == "LAUNCH":
        task = event["launch"]["task"]
        unacked_tasks[task["task_id"]["value"]] = task
        command = base64.b64decode(task["data"]).decode()
        threading.Thread(target=run, args=(task["task_id"], command), daemon=True).start()
    elif kind == "ACKNOWLEDGED":
        unacked_updates.pop(event["acknowledged"]["uuid"], None)
        unacked_tasks.pop(event["acknowledged"]["task_id"]["value"], None)
    elif kind == "KILL" and event["kill"]["task_id"]["value"] in running:
        os.killpg(running[event["kill"]["task_id"]["value"]].pid, 9)
    elif kind == "SHUTDOWN":
        for process in running.values():
            if process.poll() is None:
                os.killpg(process.pid, 9)
        os._exit(0)


def stream():
    answer = post({"type": "SUBSCRIBE", "subscribe": {
        "unacknowledged_tasks": list(unacked_tasks.values()),
        "unacknowledged_updates": list(unacked_updates.values())}}, keep=True)
    while True:
        length = answer.readline()
        if not length:
            return
        handle(json.loads(answer.read(int(length))))


while os.path.exists(os.path.join(sys.argv[1], "not")):
    time.sleep(0.02)
threading.Thread(target=sender, daemon=True).start()
while True:
    try:
        stream()
    except (OSError, http.client.HTTPException, ValueError):
        pass
    time.sleep(0.1)
