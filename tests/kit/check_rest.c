/* check_rest.c - the kinds whose contract is short.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

void check_containerizer(struct check *c)
{
	struct mz_kit_module *m;
	struct mz_kit *k = check_kit(c, &m);
	if (!k)
		return;
	const struct mz_containerizer_ops *ops = mz_kit_ops(m);
	struct mz_kit_op r;
	struct mz_err err = {0};
	ops->recover(mz_kit_inst(m), NULL, 0, mz_kit_op(m, &r, 0));
	if (check_completes(c, k, &r, "recover of nothing") && !check(c, !r.failed, "recover of nothing succeeds"))
		check_note("%s", r.err.msg);
	check(c, ops->terminate(mz_kit_inst(m), "never-seen", &err) == -ENOENT,
	      "terminate of an unknown container is -ENOENT");
	check(c, err.code == -ENOENT && err.msg[0], "and says so");
	check_end(c, k, "a containerizer");
}

static int finished(void *arg)
{
	return strstr(mz_kit_events(arg), "finish ") != NULL;
}

void check_executor(struct check *c)
{
	struct mz_kit_module *m;
	struct mz_kit *k = check_kit(c, &m);
	if (!k)
		return;
	const struct mz_executor_ops *ops = mz_kit_ops(m);
	ops->kill(mz_kit_inst(m), "never-seen", -1);
	check(c, strcmp(mz_kit_events(k), "") == 0, "kill of an unknown task is ignored");
	ops->shutdown(mz_kit_inst(m));
	check(c, mz_kit_until(k, finished, k, 60 * NS_PER_SEC) == 0, "shutdown without tasks finishes");
	check_end(c, k, "an executor");
}

void check_authorizer(struct check *c)
{
	struct mz_kit_module *m;
	struct mz_kit *k = check_kit(c, &m);
	if (!k)
		return;
	const struct mz_authorizer_ops *ops = mz_kit_ops(m);
	struct mz_subject who = {.size = sizeof(who)};
	struct mz_object what = {.size = sizeof(what)};
	bool completes = true, answers = true;
	for (int named = 0; named < 2; named++) {
		who.principal = named ? "kit" : NULL;
		for (int action = MZ_ACTION_REGISTER_FRAMEWORK; action <= MZ_ACTION_REACTIVATE_AGENT; action++) {
			struct mz_kit_op r;
			ops->authorized(mz_kit_inst(m), action, &who, &what, mz_kit_op(m, &r, 0));
			int rc = mz_kit_wait(k, &r);
			completes &= r.done && (rc == 0 || (r.failed && rc != -ETIMEDOUT && r.err.msg[0]));
			int yes = ops->allows(mz_kit_inst(m), action, &who, &what);
			answers &= yes == 0 || yes == 1;
		}
	}
	check(c, completes, "authorized completes for every action, a refusal with its reason");
	check(c, answers, "allows is 0 or 1 for every action");
	check_end(c, k, "an authorizer");
}

void check_authenticator(struct check *c)
{
	static const char *const headers[] = {NULL, "", "Basic", "Basic Zm9vOmJhcg==", "Basic !!!", "Bearer x.y.z", "Nonsense"};
	struct mz_kit_module *m;
	struct mz_kit *k = check_kit(c, &m);
	if (!k)
		return;
	const struct mz_authenticator_ops *ops = mz_kit_ops(m);
	bool good = true;
	for (size_t i = 0; i < MZ_N(headers); i++) {
		struct mz_auth_request q = {
			.size = sizeof(q), .realm = MZ_REALM_MASTER_READWRITE, .header = headers[i], .peer = "127.0.0.1:1"};
		struct mz_kit_op r;
		ops->authenticate(mz_kit_inst(m), &q, mz_kit_op(m, &r, sizeof(struct mz_auth_result)));
		mz_kit_wait(k, &r);
		struct mz_auth_result a;
		memcpy(&a, r.result.bytes, sizeof(a));
		good &= r.done && (r.failed || (a.verdict >= MZ_AUTH_OK && a.verdict <= MZ_AUTH_FORBIDDEN));
	}
	check(c, good, "authenticate completes with a verdict, whatever the header");
	check_end(c, k, "an authenticator");
}

void check_elector(struct check *c)
{
	struct mz_kit_module *m;
	struct mz_kit *k = check_kit(c, &m);
	if (!k)
		return;
	const struct mz_elector_ops *ops = mz_kit_ops(m);
	struct mz_err err = {0};
	struct mz_master_info self = {.size = sizeof(self), .port = 5050, .link_port = 5060, .id = "m1", .ip = "127.0.0.1",
				      .hostname = "localhost", .version = "1", .json = "{}"};
	int rc = ops->detect(mz_kit_inst(m), NULL, &err);
	if (rc == 0)
		rc = ops->contend(mz_kit_inst(m), &self, &err);
	check(c, rc == 0 || err.msg[0], "a failure to contend has a reason");
	mz_kit_advance(k, 30 * NS_PER_SEC);
	check(c, rc < 0 || strstr(mz_kit_events(k), "elected ") || mz_kit_log(k)[0],
	      "a lone contender is elected, or the log says why not");
	check_end(c, k, "an elector");
}

static bool is_open_pipe(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFD);
	return flags >= 0 && (flags & FD_CLOEXEC) && fstat(fd, &st) == 0;
}

static void run_logger(struct check *c, struct mz_kit *k, struct mz_kit_module *m)
{
	const struct mz_logger_ops *ops = mz_kit_ops(m);
	struct mz_kit_op r;
	struct mz_logger_result got;
	ops->prepare(mz_kit_inst(m), mz_kit_container(k, "logged", "cpus:1;mem:32"), mz_kit_op(m, &r, sizeof(got)));
	mz_kit_wait(k, &r);
	memcpy(&got, r.result.bytes, sizeof(got));
	if (!check(c, r.done && !r.failed, "prepare succeeds")) {
		check_note("%s", r.err.msg);
		return;
	}
	check(c, (got.fd_out < 0 || is_open_pipe(got.fd_out)) && (got.fd_err < 0 || is_open_pipe(got.fd_err)),
	      "it names files or gives open descriptors that are closed on exec");
	if (got.fd_out >= 0)
		close(got.fd_out);
	if (got.fd_err >= 0 && got.fd_err != got.fd_out)
		close(got.fd_err);
	if (!ops->ended)
		return;
	for (int i = 0; i < 2; i++) {
		ops->ended(mz_kit_inst(m), "logged", mz_kit_op(m, &r, 0));
		mz_kit_wait(k, &r);
		check(c, r.done && !r.failed, i ? "and so does a second one" : "ended succeeds");
	}
}

void check_logger(struct check *c)
{
	struct mz_kit_module *m;
	struct mz_kit *k = check_kit(c, &m);
	if (!k)
		return;
	const struct mz_logger_ops *ops = mz_kit_ops(m);
	struct mz_kit_op r;
	if (ops->recover) {
		const struct mz_container *const known[] = {mz_kit_container(k, "recovered", "cpus:1;mem:32")};
		ops->recover(mz_kit_inst(m), known, 1, mz_kit_op(m, &r, 0));
		mz_kit_wait(k, &r);
		check(c, r.done && !r.failed, "recover succeeds");
	}
	if (ops->ended) {
		ops->ended(mz_kit_inst(m), "never-seen", mz_kit_op(m, &r, 0));
		mz_kit_wait(k, &r);
		check(c, r.done && !r.failed, "ended of an unknown container succeeds");
	}
	run_logger(c, k, m);
	check_end(c, k, "a logger");
}
