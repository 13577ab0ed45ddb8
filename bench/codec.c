/* codec.c - what encoding and decoding cost, on one status update and one ACCEPT.
 * Prints microseconds of CPU time a message; not a test.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "mesos/v1/scheduler.pb-c.h"
#include "wire/codec.h"

enum { N_ROUNDS = 100000 };

static const char update[] =
	"{\"type\":\"UPDATE\",\"update\":{\"status\":{\"task_id\":{\"value\":\"task-0001\"},\"state\":\"TASK_RUNNING\","
	"\"source\":\"SOURCE_EXECUTOR\",\"agent_id\":{\"value\":\"0c5a2502-cd1a-4026-9f17-d2f61ada9408-S0\"},"
	"\"executor_id\":{\"value\":\"task-0001\"},\"timestamp\":1795249756.527423,\"uuid\":\"vUt9uN26SJOwmA59pZ5cLQ==\","
	"\"container_status\":{\"container_id\":{\"value\":\"6fa549be-4a35-47d8-b63d-e2ff68ca1225\"},"
	"\"network_infos\":[{\"ip_addresses\":[{\"protocol\":\"IPv4\",\"ip_address\":\"127.0.0.1\"}]}],"
	"\"executor_pid\":16546}}}}";
static const char accept_call[] =
	"{\"framework_id\":{\"value\":\"f-0001\"},\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"o1\"}],"
	"\"operations\":[{\"type\":\"LAUNCH\",\"launch\":{\"task_infos\":[{\"name\":\"t\",\"task_id\":{\"value\":\"t1\"},"
	"\"agent_id\":{\"value\":\"a-S0\"},\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":0.1}},"
	"{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{\"value\":32.0}}],\"command\":{\"shell\":true,"
	"\"value\":\"sleep 1\",\"environment\":{\"variables\":[{\"name\":\"A\",\"value\":\"b\"}]}}}]}}],"
	"\"filters\":{\"refuse_seconds\":5.0}}}";

static double cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void measure(const char *what, const pb_desc *d, enum codec c, const pb_msg *m)
{
	mz_autobuf struct buf b = {0};
	double begin = cpu_us();
	for (int i = 0; i < N_ROUNDS; i++) {
		buf_clear(&b);
		codec_encode(c, m, &b);
	}
	double encode = (cpu_us() - begin) / N_ROUNDS;
	begin = cpu_us();
	for (int i = 0; i < N_ROUNDS; i++) {
		mz_autoarena struct arena a = {0};
		must(codec_decode(c, d, &a, b.data, b.len, NULL));
	}
	double decode = (cpu_us() - begin) / N_ROUNDS;
	printf("%-7s %-23s %5zu bytes: encode %6.2f us, decode %6.2f us\n", what, codec_content_type(c), b.len, encode,
	       decode);
}

static void bench(const char *what, const pb_desc *d, const char *text)
{
	mz_autoarena struct arena a = {0};
	struct mz_err err = {0};
	pb_msg *m = json_decode(d, &a, text, strlen(text), &err);
	if (!m) {
		fprintf(stderr, "%s: %s\n", what, err.msg);
		exit(1);
	}
	measure(what, d, CODEC_JSON, m);
	measure(what, d, CODEC_PROTOBUF, m);
}

int main(void)
{
	bench("UPDATE", &mesos__v1__scheduler__event__descriptor, update);
	bench("ACCEPT", &mesos__v1__scheduler__call__descriptor, accept_call);
	return 0;
}
