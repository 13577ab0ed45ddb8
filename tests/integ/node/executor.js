// An executor on the npm library mesos-framework: a task runs until it is killed, a
// message comes back with "back:" before it. NODE_PATH leads to the library.
//
// The library's own subscribe() sends a call without 'subscribe', which an agent of
// Mesos refuses as well; so the stream is read here, the calls are the library's.
//
// SPDX-License-Identifier: Apache-2.0
"use strict";

const { randomBytes } = require("crypto");
const http = require("http");
const { Executor } = require("mesos-framework");

const executor = new Executor({});

function update(taskId, state) {
	executor.update({
		task_id: taskId,
		state,
		source: "SOURCE_EXECUTOR",
		uuid: randomBytes(16).toString("base64"),
		timestamp: Date.now() / 1000,
		executor_id: executor.executorId,
		message: "from node",
	});
}

function subscribe() {
	const request = http.request(executor.requestTemplate, (answer) => {
		let text = "";
		answer.setEncoding("utf8");
		answer.on("data", (chunk) => {
			text += chunk;
			for (;;) {
				const line = text.indexOf("\n"), end = line + 1 + Number(text.slice(0, line));
				if (line < 0 || Buffer.byteLength(text) < end)
					return;
				const event = JSON.parse(text.slice(line + 1, end)); // all of it is ASCII here
				text = text.slice(end);
				executor.emit(event.type.toLowerCase(), event[event.type.toLowerCase()]);
			}
		});
		answer.on("close", () => process.exit(2));
	});
	request.on("error", (e) => executor.emit("error", e));
	request.end(JSON.stringify({
		type: "SUBSCRIBE",
		framework_id: executor.frameworkId,
		executor_id: executor.executorId,
		subscribe: {},
	}));
}

executor.on("launch", (l) => update(l.task.task_id, "TASK_RUNNING"));
executor.on("kill", (k) => update(k.task_id, "TASK_KILLED"));
executor.on("message", (m) => executor.message("back:" + Buffer.from(m.data, "base64")));
executor.on("shutdown", () => process.exit(0));
executor.on("error", (e) => {
	console.error(e.message || e);
	process.exit(1);
});
subscribe();
